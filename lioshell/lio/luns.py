# SPDX-License-Identifier: Apache-2.0
"""LUNs: <tpg>/lun/lun_<N>/, a folder with a link to a storage object."""

from __future__ import annotations

import errno
import os

from lioshell.errors import KernelError
from lioshell.lio.answering import prepare_removal
from lioshell.lio.backstores import DEFAULT_ALUA_GROUP, StorageObject, storage_object_at
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction


class Lun:
    """One LUN of a TPG."""

    def __init__(self, lio: Lio, tpg_path: str, index: int) -> None:
        self._lio = lio
        self._tpg_path = tpg_path
        self.index = index
        self.path = f"{tpg_path}/lun/lun_{index}"

    @property
    def alias(self) -> str | None:
        """The name of the link, None for a LUN without one (a half-made one)."""
        return next(iter(self._lio.configfs.links(self.path)), None)

    @property
    def link(self) -> tuple[str, str] | None:
        """The name of the link and the configfs path of what is exported, None without a link."""
        alias = self.alias
        if alias is None:
            return None
        return alias, self._lio.configfs.readlink(f"{self.path}/{alias}")

    @property
    def storage_object_path(self) -> str | None:
        """The configfs path of what is exported, None for a LUN without a link."""
        link = self.link
        return None if link is None else link[1]

    @property
    def storage_object(self) -> StorageObject | None:
        """What is exported, None for a LUN without a link."""
        path = self.storage_object_path
        return None if path is None else storage_object_at(self._lio, path)

    @property
    def scsi_address(self) -> str | None:
        """Host:channel:target of the disk that this machine has of it; None but for loopback."""
        path = f"{self._tpg_path}/address"
        return self._lio.configfs.read(path) if self._lio.configfs.exists(path) else None

    @property
    def alua_group(self) -> str | None:
        """The ALUA target port group, None where the backstore has none."""
        try:
            text = self._lio.configfs.read(f"{self.path}/alua_tg_pt_gp")
        except KernelError as error:
            if error.errno in (errno.ENODEV, errno.ENOENT):
                # A half-made LUN, without its link; a fabric or kernel without the file.
                return None
            raise
        return group_in(text)

    def make(self, steps: Transaction, storage_object_path: str, alias: str | None = None) -> None:
        """Make the LUN as a part of a running transaction."""
        steps.mkdir(self.path)
        steps.symlink(storage_object_path, f"{self.path}/{alias or os.urandom(5).hex()}")

    def remove(self, steps: Transaction) -> None:
        """Remove the LUN as a part of a transaction; nothing may be mapped to it any more.

        Raises ConflictError where the kernel would wait for ever for who serves it.
        """
        for link in self.before_removal(steps):
            steps.unlink(link)
        steps.rmdir(self.path)

    def before_removal(self, steps: Transaction) -> list[str]:
        """Do what comes before its links are removed, and return these."""
        prepare_removal(self._lio, self)
        group = self.alua_group
        if group not in (None, DEFAULT_ALUA_GROUP):
            steps.on_failure(f"join {group}", lambda: self.join_alua_group(str(group)))
        return [f"{self.path}/{link}" for link in self._lio.configfs.links(self.path)]

    def join_alua_group(self, name: str) -> None:
        """Put the LUN into an ALUA group of its storage object."""
        self._lio.configfs.write(f"{self.path}/alua_tg_pt_gp", name)


def group_in(text: str) -> str | None:
    """Return the group's name in what a LUN's alua_tg_pt_gp shows; None where it has none."""
    marker = "TG Port Alias: "
    return text.split(marker, 1)[1].splitlines()[0].strip() if marker in text else None
