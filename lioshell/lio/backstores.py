# SPDX-License-Identifier: Apache-2.0
"""Storage objects: find, read and delete what stands below core/<hba>/<name>/."""

from __future__ import annotations

import contextlib
import re

from lioshell.errors import ConflictError, KernelError, NotFoundError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction

DEFAULT_ALUA_GROUP = "default_tg_pt_gp"
USER_PREFIX = "user:"
ATTACHED = "python"
"""Subtype of the disks that programs attach (lioshell.tcmu); no runner has a handler for it."""

_SERIAL_PREFIX = "T10 VPD Unit Serial Number: "
_INFO_PATTERNS = {
    "status": r"Status: (\S+)",
    "fileio_size": r"\bSize: (\d+)",
    "fileio_path": r"File: (.*?) +Size: ",
    "fileio_mode": r"Mode: (\S+)",
    "ramdisk_pages": r"PAGES/PAGE_SIZE: (\d+)\*(\d+)",
    "ramdisk_nullio": r"nullio: (\d)",
    "user_config": r"Config: (.*?) Size: (\d+)",
    "iblock_path": r"UDEV PATH: (\S*)",
    "iblock_readonly": r"readonly: (\d)",
}

_PATH_IN_INFO = {"fileio": "fileio_path", "block": "iblock_path"}


class StorageObject:
    """One storage object; every property reads configfs when asked for.

    `plugin` is the spec's name (fileio, block, ramdisk, pscsi, user); `path` is relative to
    configfs' target folder.
    """

    def __init__(self, lio: Lio, plugin: str, hba: str, name: str) -> None:
        self._lio = lio
        self.plugin = plugin
        self.hba = hba
        self.name = name
        self.path = f"core/{hba}/{name}"
        self._info: str | None = None
        self.planned_size_bytes: int | None = None
        """The size that a dry run would have given it: no kernel tells."""

    @property
    def lio(self) -> Lio:
        """The live configuration that it belongs to."""
        return self._lio

    @property
    def tree_path(self) -> str:
        """The path in the tree, /backstores/block/disk1 or /backstores/user:file/vol0."""
        return f"/backstores/{self.type_name}/{self.name}"

    @property
    def type_name(self) -> str:
        """The name of the node that holds it: the plugin, or user:SUBTYPE."""
        return f"{USER_PREFIX}{self.subtype}" if self.plugin == "user" else self.plugin

    def info(self) -> str:
        """The kernel's `info` text, read once per object."""
        if self._info is None:
            self._info = self._lio.configfs.read(f"{self.path}/info")
        return self._info

    def _find(self, pattern: str) -> re.Match[str] | None:
        try:
            return re.search(_INFO_PATTERNS[pattern], self.info())
        except KernelError:
            # An object that is not configured yet has an `info` that the kernel refuses to show
            # for some backstores; the object is listed all the same.
            return None

    @property
    def activated(self) -> bool:
        """Whether some LUN exports it (`info` says ACTIVATED)."""
        found = self._find("status")
        return found is not None and found[1] == "ACTIVATED"

    @property
    def enabled(self) -> bool:
        """Whether it was configured (core/.../enable)."""
        return self._lio.configfs.read(f"{self.path}/enable") == "1"

    @property
    def size_bytes(self) -> int | None:
        """The size in bytes, None where the kernel does not say."""
        if self.planned_size_bytes is not None:
            return self.planned_size_bytes
        if self.plugin == "ramdisk":
            found = self._find("ramdisk_pages")
            return int(found[1]) * int(found[2]) if found else None
        if self.plugin == "user":
            found = self._find("user_config")
            return int(found[2]) if found else None
        if self.plugin == "fileio":
            found = self._find("fileio_size")
            if found is None or found[1] != "0":
                return int(found[1]) if found else None
            # On a block device `info` has no size (target_core_file.c, fd_configure_device).
        device = self._lio.kernel.system.block_device(self.device)
        return device.size_bytes if device else None

    @property
    def device(self) -> str:
        """The backing file or device of block, fileio and pscsi; empty for the others.

        What a script made may have it in `control` alone, and not in udev_path.
        """
        path = self._lio.configfs.read(f"{self.path}/udev_path")
        if path or self.plugin not in _PATH_IN_INFO:
            return path
        found = self._find(_PATH_IN_INFO[self.plugin])
        return found[1] if found else ""

    @property
    def dev_config(self) -> str:
        """The handler string of a user: object, as "file//srv/vol0.img"."""
        found = self._find("user_config")
        return found[1] if found else ""

    @property
    def subtype(self) -> str:
        """The part of dev_config before its first "/"."""
        return self.dev_config.partition("/")[0]

    @property
    def config(self) -> str:
        """The part of dev_config after its first "/"."""
        return self.dev_config.partition("/")[2]

    @property
    def write_back(self) -> bool:
        """Whether fileio keeps written data in the page cache until a flush."""
        found = self._find("fileio_mode")
        return found is not None and found[1].startswith("Buffered")

    @property
    def nullio(self) -> bool:
        """Whether a ramdisk throws its data away."""
        found = self._find("ramdisk_nullio")
        return found is not None and found[1] == "1"

    @property
    def read_only(self) -> bool:
        """Whether a block object was made with readonly=1."""
        found = self._find("iblock_readonly")
        return found is not None and found[1] == "1"

    @property
    def serial(self) -> str:
        """The unit serial number (VPD page 80), targetcli's "wwn"."""
        text = self._lio.configfs.read(f"{self.path}/wwn/vpd_unit_serial")
        return text.removeprefix(_SERIAL_PREFIX).strip()

    def users(self) -> list[str]:
        """Return the configfs paths of the LUNs that export this object."""
        from lioshell.lio.exports import exports_of

        return exports_of(self._lio, self)

    def delete(self) -> None:
        """Remove the object and its HBA; its LUNs have to be removed before.

        Raises ConflictError when a LUN exports it.
        """
        with self._lio.transaction() as steps:
            self.remove(steps)

    def remove(self, steps: Transaction) -> None:
        """Remove the object as a part of a transaction, at whose end it goes: it cannot come back.

        Its LUNs have to be removed before; raises ConflictError when one exports it.
        """
        configfs = self._lio.configfs
        # Read before its LUNs were deleted, `info` would still tell of them.
        self._info = None
        users = self.users() if self.activated else []
        # In a dry run `info` does not know which LUNs would be gone by now.
        if users or (self.activated and not self._lio.dry_run):
            where = ", ".join(users) or "another program's link"
            raise ConflictError(
                f"{self.tree_path} is exported by {where}",
                hint="Delete the LUN first.",
                path=self.path,
            )
        if self._lio.dry_run:
            self._lio.freed_devices.add(self.device)
        for group in configfs.folders(f"{self.path}/alua"):
            if group != DEFAULT_ALUA_GROUP:
                from lioshell.lio import alua

                alua.remove_group(steps, alua.AluaGroup(self._lio, self.path, group))
        steps.at_the_end(self._rmdir)

    def _rmdir(self) -> None:
        configfs = self._lio.configfs
        configfs.rmdir(self.path)
        if not configfs.folders(f"core/{self.hba}"):
            # The object is gone; an empty HBA, or one that another process uses now, harms nobody.
            with contextlib.suppress(KernelError):
                configfs.rmdir(f"core/{self.hba}")


def has_groups(lio: Lio, device_path: str) -> bool:
    """Tell whether the kernel answers for ALUA; a passed-through device does so itself."""
    if not lio.configfs.is_dir(f"{device_path}/alua"):
        return False
    try:
        return lio.configfs.read(f"{device_path}/attrib/alua_support") == "1"
    except KernelError:
        # A kernel before 4.14 has no such attribute, and groups for all but pscsi.
        return "/pscsi_" not in f"/{device_path}"


def list_hbas(lio: Lio) -> list[str]:
    """Return the names of all HBA folders, of every kind."""
    return [name for name in lio.configfs.folders("core") if name != "alua"]


def plugin_of(lio: Lio, hba: str) -> str | None:
    """Return the spec's name for an HBA folder such as iblock_3; None for an unknown kind."""
    prefix = hba.rpartition("_")[0]
    for name in lio.specs.backstore_names():
        if lio.specs.backstore(name).hba_prefix == prefix:
            return name
    return None


def list_storage_objects(lio: Lio, plugin: str) -> list[StorageObject]:
    """Return the storage objects of a plugin, unsorted; for user: of every subtype."""
    return [
        storage_object
        for hba in list_hbas(lio)
        if _is_of(lio, plugin, hba)
        for storage_object in storage_objects_in(lio, plugin, hba)
    ]


def storage_objects_in(lio: Lio, plugin: str, hba: str) -> list[StorageObject]:
    """Return the storage objects of one HBA folder, which a plugin's prefix begins."""
    return [StorageObject(lio, plugin, hba, name) for name in lio.configfs.folders(f"core/{hba}")]


def find_storage_object(lio: Lio, plugin: str, name: str) -> StorageObject:
    """Return a storage object by plugin and name, without reading the others.

    Raises NotFoundError, after a look for the name into every HBA folder.
    """
    if lio.survey is not None:
        return lio.survey.require(plugin, name)
    hbas = lio.index.hbas()
    found = known_storage_object(lio, plugin, name, hbas)
    for hba in hbas if found is None else ():
        if _is_of(lio, plugin, hba) and lio.configfs.is_dir(f"core/{hba}/{name}"):
            return StorageObject(lio, plugin, hba, name)
    if found is None:
        raise NotFoundError(
            f"There is no storage object {name} in /backstores/{plugin}",
            hint="See what there is with: ls /backstores",
        )
    return found


def known_storage_object(
    lio: Lio, plugin: str, name: str, hbas: Mapping[str, int]
) -> StorageObject | None:
    """Return a storage object by plugin and name, None where neither the index nor a folder that it
    does not know has it; `hbas` is what the index listed.
    """
    for hba in (*lio.index.named(hbas, name), *lio.index.unknown(hbas)):
        if _is_of(lio, plugin, hba) and lio.configfs.is_dir(f"core/{hba}/{name}"):
            return StorageObject(lio, plugin, hba, name)
    return None


def _is_of(lio: Lio, plugin: str, hba: str) -> bool:
    prefix, _, number = hba.rpartition("_")
    return prefix == lio.specs.backstore(plugin).hba_prefix and number.isdigit()


def storage_object_at(lio: Lio, path: str) -> StorageObject:
    """Return the storage object at a configfs path such as core/user_0/vol0."""
    _, hba, name = path.split("/", 2)
    plugin = plugin_of(lio, hba)
    return StorageObject(lio, plugin or hba.rpartition("_")[0], hba, name)
