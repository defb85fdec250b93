# SPDX-License-Identifier: Apache-2.0
"""Print what rtslib-fb reads of a target: python3 rtslib_dump.py [TARGET_FOLDER].

With a folder rtslib looks there and not at the running kernel. It runs in a process of its own,
because rtslib changes what it imports.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Print RTSRoot().dump() as JSON."""
    try:
        from rtslib import node, root
    except ImportError:
        # Before 2.2 it had the name of its package.
        from rtslib_fb import node, root
    if len(sys.argv) > 1:
        node.CFSNode.configfs_dir = sys.argv[1]
        root.mount_configfs = lambda: None
        root.modprobe = lambda _module: None
    json.dump(root.RTSRoot().dump(), sys.stdout)


if __name__ == "__main__":
    main()
