#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The LIO wiki's RTSlib script, line for line: an iSCSI target with one mapped LUN.

    python3 examples/rtslib_port.py [SIM_FOLDER]

The comments that begin with ">" are the lines of the wiki. With a folder it runs on the
simulated kernel that is kept there, without one on the running kernel, as root.
"""

from __future__ import annotations

import sys

# > from rtslib import *
from lioshell import lio


def main(sim: str | None = None) -> lio.Tpg:
    """Make the target, all of it or nothing."""
    # > try: ... except: backstore.delete(); raise
    with lio.open(sim=sim) as system:
        # > backstore = IBlockBackstore(3, mode='create')
        # > so = IBlockStorageObject(backstore, "sdb", "/dev/sdb", gen_wwn=True)
        so = lio.create_block(system, "sdb", "/dev/sdb")

        # > fabric = FabricModule('iscsi')
        fabric = system.fabric("iscsi")
        # > target = Target(fabric, "iqn.2003-01.org.linux-iscsi.x.x8664:sn.d3d8b0500fde")
        target = fabric.create_target("iqn.2003-01.org.linux-iscsi.x.x8664:sn.d3d8b0500fde")
        # > tpg = TPG(target, 1)
        tpg = target.create_tpg(1)

        # > portal = NetworkPortal(tpg, "192.168.1.128", "5060")
        tpg.create_portal("192.168.1.128", 5060)
        # > lun0 = tpg.lun(0, so, "my_lun")
        lun0, _ = tpg.create_lun(so, 0, alias="my_lun")

        # > node_acl = tpg.node_acl("iqn.2003-01.org.linux-iscsi.y.x8664:sn.abcdefghijkl")
        node_acl, _ = tpg.create_acl(
            "iqn.2003-01.org.linux-iscsi.y.x8664:sn.abcdefghijkl", add_mapped=False
        )
        # > mapped_lun = node_acl.mapped_lun(0, 0, False)
        node_acl.create_mapped_lun(0, lun0, write_protect=False)

        # The wiki's tree shows the TPG enabled.
        tpg.set_enabled(True)
    return tpg


if __name__ == "__main__":
    print(f"made {main(*sys.argv[1:2]).tree_path}")
