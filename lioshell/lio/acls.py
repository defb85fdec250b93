# SPDX-License-Identifier: Apache-2.0
"""Node ACLs and mapped LUNs: <tpg>/acls/<initiator>/lun_<N>/, a link to a LUN of the TPG."""

from __future__ import annotations

import os

from lioshell.errors import ConflictError, KernelError, NotFoundError
from lioshell.lio.groups import ParameterGroup
from lioshell.lio.wwns import configfs_wwn
from lioshell.model.names import lowest_free, numbered
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.luns import Lun
    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction
    from lioshell.specs import FabricSpec

_OWN_FILES = ("cmdsn_depth", "tag")


class MappedLun:
    """What one initiator sees as LUN N."""

    def __init__(self, lio: Lio, acl_path: str, index: int) -> None:
        self._lio = lio
        self.index = index
        self.path = f"{acl_path}/lun_{index}"

    @property
    def alias(self) -> str | None:
        """The name of the link, None for a half-made one."""
        return next(iter(self._lio.configfs.links(self.path)), None)

    @property
    def link(self) -> tuple[str, str] | None:
        """The name of the link and the configfs path of the TPG's LUN, None without a link."""
        alias = self.alias
        if alias is None:
            return None
        return alias, self._lio.configfs.readlink(f"{self.path}/{alias}")

    @property
    def lun_path(self) -> str | None:
        """The configfs path of the TPG's LUN, None for one without a link."""
        link = self.link
        return None if link is None else link[1]

    @property
    def tpg_lun(self) -> Lun | None:
        """The TPG's LUN, None for one without a link."""
        from lioshell.lio.luns import Lun

        path = self.lun_path
        if path is None:
            return None
        tpg_path, _, name = path.rpartition("/lun/")
        return Lun(self._lio, tpg_path, int(name.removeprefix("lun_")))

    @property
    def write_protect(self) -> bool:
        """Whether the initiator may only read."""
        return self._lio.configfs.read(f"{self.path}/write_protect") == "1"

    def delete(self) -> None:
        """Take the LUN away from the initiator, all of it or nothing."""
        with self._lio.transaction() as steps:
            self.remove(steps)

    def remove(self, steps: Transaction) -> None:
        """Take the LUN away as a part of a running transaction."""
        steps.keep(self.path, ("write_protect",))
        for link in self._lio.configfs.links(self.path):
            steps.unlink(f"{self.path}/{link}")
        steps.rmdir(self.path)


class NodeAcl:
    """One initiator that a TPG lets in."""

    def __init__(self, lio: Lio, spec: FabricSpec, tpg_path: str, wwn: str) -> None:
        self._lio = lio
        self.spec = spec
        self.wwn = wwn
        self.path = f"{tpg_path}/acls/{configfs_wwn(spec, wwn)}"

    @property
    def lio(self) -> Lio:
        """The live configuration that it belongs to."""
        return self._lio

    @property
    def tag(self) -> str:
        """The word that makes several ACLs one, "" where there is none."""
        try:
            return self._lio.configfs.read(f"{self.path}/tag").strip()
        except KernelError:
            # Only iSCSI's have one.
            return ""

    def group(self, name: str) -> ParameterGroup:
        """Return a group of the ACL: attribute, parameter or auth."""
        folder = {"attribute": "attrib", "parameter": "param", "auth": "auth"}[name]
        declared = self.spec.attributes.get(f"acl_{name}", ())
        return ParameterGroup(self._lio, name, f"{self.path}/{folder}", declared)

    def mapped_indexes(self) -> list[int]:
        """Return the numbers of all mapped LUNs, sorted."""
        names = self._lio.configfs.folders(self.path)
        return sorted(index for name in names if (index := numbered(name, "lun_")) is not None)

    def mapped_luns(self) -> list[MappedLun]:
        """Return all mapped LUNs, by number."""
        return [MappedLun(self._lio, self.path, index) for index in self.mapped_indexes()]

    def mapped_lun(self, index: int) -> MappedLun:
        """Return a mapped LUN, or raise NotFoundError."""
        mapped = MappedLun(self._lio, self.path, index)
        if not self._lio.configfs.is_dir(mapped.path):
            raise NotFoundError(f"There is no mapped LUN {index} for {self.wwn}")
        return mapped

    def free_index(self) -> int:
        """Return the lowest number that is not mapped."""
        return lowest_free(self.mapped_indexes())

    def mapping_of(self, lun: Lun) -> MappedLun | None:
        """Return what maps a LUN of the TPG under the LUN's own number, None where nothing does."""
        mapped = MappedLun(self._lio, self.path, lun.index)
        is_there = self._lio.configfs.is_dir(mapped.path)
        return mapped if is_there and mapped.lun_path == lun.path else None

    def create_mapped_lun(
        self,
        index: int,
        lun: Lun,
        *,
        write_protect: bool | None = None,
        alias: str | None = None,
    ) -> MappedLun:
        """Show a LUN of the TPG to the initiator under a number; raises ConflictError."""
        if index in self.mapped_indexes():
            raise ConflictError(
                f"Mapped LUN {index} of {self.wwn} exists already", hint="Choose another number."
            )
        with self._lio.transaction() as steps:
            return self.make_mapped_lun(steps, index, lun, write_protect=write_protect, alias=alias)

    def make_mapped_lun(
        self,
        steps: Transaction,
        index: int,
        lun: Lun,
        *,
        write_protect: bool | None = None,
        alias: str | None = None,
    ) -> MappedLun:
        """Make a mapped LUN as a part of a running transaction."""
        mapped = MappedLun(self._lio, self.path, index)
        steps.mkdir(mapped.path)
        steps.symlink(lun.path, f"{mapped.path}/{alias or os.urandom(5).hex()}")
        if write_protect is not None:
            steps.write(f"{mapped.path}/write_protect", str(int(write_protect)))
        return mapped

    def delete(self) -> None:
        """Shut the initiator out, or leave all as it is."""
        with self._lio.transaction() as steps:
            self.remove(steps)

    def remove(self, steps: Transaction) -> None:
        """Shut the initiator out as a part of a running transaction."""
        for group in ("param", "auth", "attrib"):
            steps.keep(f"{self.path}/{group}")
        steps.keep(self.path, [n for n in _OWN_FILES if self.has_file(n)])
        for mapped in self.mapped_luns():
            mapped.remove(steps)
        steps.rmdir(self.path)

    def has_file(self, name: str) -> bool:
        """Tell whether this fabric's ACLs have an attribute of their own, as cmdsn_depth or tag."""
        return self._lio.configfs.exists(f"{self.path}/{name}")
