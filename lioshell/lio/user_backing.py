# SPDX-License-Identifier: Apache-2.0
"""Which file of this machine a user: object writes to, by the text of its dev_config alone.

The handlers know it too, but this is asked of every object, also of those that another runner
serves, and none of their code is loaded for it.
"""

from __future__ import annotations

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_ON_A_FILE: Final = frozenset(("fbo", "file", "overlay", "qcow", "zbc"))
"""Subtypes whose configuration begins with the path of the file that they write."""


def user_backing_path(dev_config: str) -> str:
    """Return the file that a dev_config stands on, "" where it has none on this machine.

    `overlay//srv/a.cow;base=/srv/b.img` is /srv/a.cow: many may read the base. What `fault` wraps
    is looked at instead of it. A disc that is only read may be in many drives.
    """
    subtype, _, config = dev_config.partition("/")
    while subtype == "fault":
        subtype, _, config = _main(config).partition("/")
    if subtype not in _ON_A_FILE or (subtype == "fbo" and _is_only_read(config)):
        return ""
    # Of file any ";" but that of its flag belongs to the path (handlers/file.py).
    path = config.removesuffix(";sync") if subtype == "file" else _main(config)
    # tcmu-runner's fbo has `ro/` in front of the path, and its zbc options up to "@".
    if not path.startswith("/"):
        path = path.partition("@")[2] if subtype == "zbc" else path.removeprefix("ro/")
    return path if path.startswith("/") else ""


def _main(config: str) -> str:
    """Return what stands in front of the options, with ";;" as ";"."""
    return config.replace(";;", "\0").partition(";")[0].replace("\0", ";")


def _is_only_read(config: str) -> bool:
    """Tell of a disc's configuration whether nobody writes to it (runner/handlers/fbo.py)."""
    for piece in config.replace(";;", "").split(";")[1:]:
        name, separator, value = piece.partition("=")
        if name == "read_only":
            return not separator or value.lower() in ("true", "yes", "on", "1")
    main = _main(config)
    return main.startswith("ro/") or main.lower().endswith(".iso")
