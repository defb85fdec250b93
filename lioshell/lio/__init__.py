# SPDX-License-Identifier: Apache-2.0
"""The public API of LIO: live objects to create, read, change and delete each thing of it.

    from lioshell import lio
    with lio.open(sim="/tmp/try") as system:
        disk = lio.create_fileio(system, "disk1", "/srv/disk1.img", 1 << 30)
        tpg = system.fabric("iscsi").create_target().create_tpg()
        tpg.create_lun(disk)

The block is one transaction: where a step fails, what came before it is undone. Objects keep
nothing of what they show: each property reads configfs. Every error is a `LioshellError`; nothing
prints. docs/api.md lists all of it. Names are imported when they are first used.
"""

from __future__ import annotations

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.errors import (
        ConflictError,
        HostError,
        KernelError,
        LioshellError,
        LockedError,
        NotFoundError,
        UsageError,
    )
    from lioshell.lio.acls import MappedLun, NodeAcl
    from lioshell.lio.alua import AluaGroup
    from lioshell.lio.backstore_create import (
        create_block,
        create_fileio,
        create_pscsi,
        create_ramdisk,
        create_user,
    )
    from lioshell.lio.backstores import StorageObject, find_storage_object, list_storage_objects
    from lioshell.lio.export import Export, Login, find_export, unexport
    from lioshell.lio.export import export as export_device
    from lioshell.lio.fabrics import Fabric, Target
    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.luns import Lun
    from lioshell.lio.opening import open_lio as open  # noqa: A004 - lio.open is its name
    from lioshell.lio.portals import Portal
    from lioshell.lio.root import Lio
    from lioshell.lio.tpgs import Tpg
    from lioshell.lio.transaction import Transaction
    from lioshell.model.secret import Secret

_NAMES_OF = {
    "errors": (
        *("ConflictError", "HostError", "KernelError", "LioshellError"),
        *("LockedError", "NotFoundError", "UsageError"),
    ),
    "lio.acls": ("MappedLun", "NodeAcl"),
    "lio.alua": ("AluaGroup",),
    "lio.backstore_create": (
        *("create_block", "create_fileio", "create_pscsi", "create_ramdisk", "create_user"),
    ),
    "lio.backstores": ("StorageObject", "find_storage_object", "list_storage_objects"),
    "lio.export": ("Export", "Login", "export_device", "find_export", "unexport"),
    "lio.fabrics": ("Fabric", "Target"),
    "lio.groups": ("ParameterGroup",),
    "lio.luns": ("Lun",),
    "lio.opening": ("open",),
    "lio.portals": ("Portal",),
    "lio.root": ("Lio",),
    "lio.tpgs": ("Tpg",),
    "lio.transaction": ("Transaction",),
    "model.secret": ("Secret",),
}
"""Module below lioshell -> what of it is public here; a type checker reads the imports above."""

_NAMES_THERE = {"open": "open_lio", "export_device": "export"}
"""lio.export is a module, and `open` is the builtin where it is defined."""

__all__ = [
    "AluaGroup",
    "ConflictError",
    "Export",
    "Fabric",
    "HostError",
    "KernelError",
    "Lio",
    "LioshellError",
    "LockedError",
    "Login",
    "Lun",
    "MappedLun",
    "NodeAcl",
    "NotFoundError",
    "ParameterGroup",
    "Portal",
    "Secret",
    "StorageObject",
    "Target",
    "Tpg",
    "Transaction",
    "UsageError",
    "create_block",
    "create_fileio",
    "create_pscsi",
    "create_ramdisk",
    "create_user",
    "export_device",
    "find_export",
    "find_storage_object",
    "list_storage_objects",
    "open",
    "unexport",
]


def __getattr__(name: str) -> object:
    for module, names in _NAMES_OF.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(f"lioshell.{module}"), _NAMES_THERE.get(name, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
