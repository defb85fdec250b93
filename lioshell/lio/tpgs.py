# SPDX-License-Identifier: Apache-2.0
"""Target portal groups: <group>/<wwn>/tpgt_<tag>/ in configfs."""

from __future__ import annotations

from lioshell.errors import ConflictError, KernelError, NotFoundError, UsageError
from lioshell.lio.acls import NodeAcl
from lioshell.lio.groups import ParameterGroup
from lioshell.lio.luns import Lun
from lioshell.lio.portals import Portal, configfs_name
from lioshell.lio.wwns import configfs_wwn, tree_wwn
from lioshell.model.names import check_folder_name, lowest_free, normalise_wwn, numbered
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction
    from lioshell.specs import FabricSpec

_MAX_LUN = 65535


class Tpg:
    """One target portal group; for fabrics without `tpgts` the only one of its target."""

    def __init__(self, lio: Lio, spec: FabricSpec, wwn: str, tag: int) -> None:
        self._lio = lio
        self.spec = spec
        self.wwn = wwn
        self.tag = tag
        self.path = f"{spec.group}/{configfs_wwn(spec, wwn)}/tpgt_{tag}"
        self.tree_path = f"/{spec.name}/{wwn}" + (f"/tpg{tag}" if spec.has("tpgts") else "")

    @property
    def lio(self) -> Lio:
        """The live configuration that it belongs to."""
        return self._lio

    # State

    @property
    def has_enable(self) -> bool:
        """Whether the fabric's TPGs can be switched on and off."""
        return self._lio.configfs.exists(f"{self.path}/enable")

    @property
    def enabled(self) -> bool:
        """Whether initiators are served."""
        return not self.has_enable or self._lio.configfs.read(f"{self.path}/enable") == "1"

    def set_enabled(self, enabled: bool) -> None:
        """Switch the TPG on or off; writes nothing where it is so already."""
        if self.has_enable and self.enabled != enabled:
            with self._lio.transaction() as steps:
                steps.change(f"{self.path}/enable", str(int(enabled)))

    @property
    def nexus(self) -> str | None:
        """The WWN of the only initiator of a `nexus` fabric; None where none is set."""
        try:
            return self._lio.configfs.read(f"{self.path}/nexus")
        except KernelError:
            # drivers/target/loopback/tcm_loop.c, tcm_loop_tpg_nexus_show: ENODEV without a nexus.
            return None

    @property
    def address(self) -> str | None:
        """Host:channel:target of a loopback TPG (tcm_loop.c, tcm_loop_tpg_address_show)."""
        path = f"{self.path}/address"
        return self._lio.configfs.read(path) if self._lio.configfs.exists(path) else None

    def group(self, name: str) -> ParameterGroup:
        """Return a group of the TPG: attribute, parameter or auth."""
        folder = {"attribute": "attrib", "parameter": "param", "auth": "auth"}[name]
        declared = self.spec.attributes.get(f"tpg_{name}", ())
        return ParameterGroup(self._lio, name, f"{self.path}/{folder}", declared)

    def attribute(self, name: str) -> str | None:
        """Return one attribute, None where this kernel's TPG does not have it."""
        path = f"{self.path}/attrib/{name}"
        return self._lio.configfs.read(path) if self._lio.configfs.exists(path) else None

    # LUNs

    def lun_indexes(self) -> list[int]:
        """Return the numbers of all LUNs, sorted."""
        names = self._lio.configfs.folders(f"{self.path}/lun")
        return sorted(index for name in names if (index := numbered(name, "lun_")) is not None)

    def luns(self) -> list[Lun]:
        """Return all LUNs, by number."""
        return [Lun(self._lio, self.path, index) for index in self.lun_indexes()]

    def lun(self, index: int) -> Lun:
        """Return a LUN, or raise NotFoundError."""
        lun = Lun(self._lio, self.path, index)
        if not self._lio.configfs.is_dir(lun.path):
            raise NotFoundError(
                f"There is no LUN {index} in {self.tree_path}",
                hint=f"See what there is with: ls {self.tree_path}/luns",
            )
        return lun

    def create_lun(
        self,
        storage_object: StorageObject,
        index: int | None = None,
        *,
        add_mapped: bool = True,
        alias: str | None = None,
    ) -> tuple[Lun, list[tuple[str, int]]]:
        """Export a storage object; with `add_mapped`, map it in every ACL too.

        `alias` is the name of the link in configfs; one is made up where none is given.
        Returns the LUN and the (initiator, mapped LUN) pairs made. Raises ConflictError when the
        number is taken or the object is exported by this TPG already.
        """
        here = [lun for lun in storage_object.users() if lun.startswith(f"{self.path}/lun/")]
        if here:
            taken = here[0].rpartition("lun_")[2]
            raise ConflictError(
                f"{storage_object.tree_path} is LUN {taken} of {self.tree_path} already",
                hint="One TPG exports an object once.",
            )
        used = self.lun_indexes()
        explicit = index is not None
        if index is None:
            index = lowest_free(used)
        elif not 0 <= index <= _MAX_LUN:
            raise UsageError(f"A LUN is a number from 0 to {_MAX_LUN}, not {index}")
        elif index in used:
            raise ConflictError(f"LUN {index} exists already", hint="Choose another number.")
        lun = Lun(self._lio, self.path, index)
        mapped = []
        with self._lio.transaction() as steps:
            lun.make(steps, storage_object.path, alias)
            if add_mapped and self.spec.has("acls"):
                for wwn in self.acl_wwns():
                    acl = self.acl(wwn)
                    mapped_index = index if explicit else acl.free_index()
                    acl.make_mapped_lun(steps, mapped_index, lun)
                    mapped.append((wwn, mapped_index))
        return lun, mapped

    def delete_lun(self, index: int) -> None:
        """Remove a LUN, and before it what is mapped to it in the ACLs; all of it or nothing."""
        lun = self.lun(index)
        with self._lio.transaction() as steps:
            self._remove_mappings(steps, lun)
            lun.remove(steps)

    def _remove_mappings(self, steps: Transaction, lun: Lun) -> None:
        """Remove what is mapped to a LUN: mostly under its own number, and then nothing is read
        of the thousands of others."""
        acls = self.acls()
        for acl in acls:
            mapped = acl.mapping_of(lun)
            if mapped is not None:
                mapped.remove(steps)
        if lun.alias is not None and not self._lio.configfs.is_linked(lun.path):
            return
        for acl in acls:
            for mapped in acl.mapped_luns():
                if mapped.lun_path == lun.path:
                    mapped.remove(steps)

    # ACLs

    def acl_wwns(self) -> list[str]:
        """Return the initiators that have an ACL, unsorted."""
        if not self.spec.has("acls"):
            return []
        names = self._lio.configfs.folders(f"{self.path}/acls")
        return [tree_wwn(self.spec, name) for name in names]

    def acls(self) -> list[NodeAcl]:
        """Return all ACLs, unsorted."""
        return [NodeAcl(self._lio, self.spec, self.path, wwn) for wwn in self.acl_wwns()]

    def acl(self, wwn: str) -> NodeAcl:
        """Return an ACL, or raise NotFoundError."""
        acl = NodeAcl(self._lio, self.spec, self.path, wwn)
        if not self._lio.configfs.is_dir(acl.path):
            raise NotFoundError(
                f"There is no ACL {wwn} in {self.tree_path}",
                hint=f"See what there is with: ls {self.tree_path}/acls",
            )
        return acl

    def create_acl(
        self, wwn: str, *, add_mapped: bool = True, exact: bool = False
    ) -> tuple[NodeAcl, list[int]]:
        """Let an initiator in; with `add_mapped`, map every LUN under its own number.

        `exact` (restore) takes any name that a folder can have: scripts make such ACLs too.
        Returns the ACL and the mapped LUNs made.
        """
        wwn = check_folder_name(wwn) if exact else normalise_wwn(wwn, self.spec.wwn_types)
        acl = NodeAcl(self._lio, self.spec, self.path, wwn)
        if self._lio.configfs.is_dir(acl.path):
            raise ConflictError(f"The ACL {wwn} exists already", path=acl.path)
        indexes = self.lun_indexes() if add_mapped else []
        with self._lio.transaction() as steps:
            steps.mkdir(acl.path)
            for index in indexes:
                acl.make_mapped_lun(steps, index, self.lun(index))
        return acl, indexes

    # Portals

    def portals(self) -> list[Portal]:
        """Return all portals."""
        if not self.spec.has("nps"):
            return []
        folder = f"{self.path}/np"
        return [Portal(self._lio, self.path, n) for n in self._lio.configfs.folders(folder)]

    def create_portal(self, ip_address: str, ip_port: int) -> Portal:
        """Listen on an address and port."""
        portal = Portal(self._lio, self.path, configfs_name(ip_address, ip_port))
        if self._lio.configfs.is_dir(portal.path):
            raise ConflictError(
                f"The portal {portal.name} exists already", hint="Choose another address or port."
            )
        with self._lio.transaction() as steps:
            steps.mkdir(portal.path)
        return portal

    # Removal

    def delete(self) -> None:
        """Remove the TPG with its ACLs, LUNs, portals and nexus, or leave all as it is."""
        with self._lio.transaction() as steps:
            self.remove(steps)

    def remove(self, steps: Transaction) -> None:
        """Remove the TPG as a part of a running transaction."""
        if self.has_enable and self.enabled:
            self.set_enabled(False)
        for group in ("param", "auth", "attrib"):
            steps.keep(f"{self.path}/{group}")
        for wwn in self.acl_wwns():
            self.acl(wwn).remove(steps)
        for portal in self.portals():
            portal.remove(steps)
        self._remove_luns(steps)
        nexus = self.nexus if self.spec.has("nexus") else None
        if nexus is not None:
            steps.on_failure(f"restore {self.path}/nexus", lambda: self._set_nexus(str(nexus)))
            self._set_nexus("NULL")
        steps.rmdir(self.path)

    def _remove_luns(self, steps: Transaction) -> None:
        """Remove all LUNs; nothing may be mapped to them any more."""
        luns = self.luns()
        if self.spec.has("nexus"):
            # Each is a disk of this or of a virtual machine, which goes before the next does.
            for lun in luns:
                lun.remove(steps)
            return
        steps.unlink_all([link for lun in luns for link in lun.before_removal(steps)])
        for lun in luns:
            steps.rmdir(lun.path)

    def _set_nexus(self, nexus: str) -> None:
        self._lio.configfs.write(f"{self.path}/nexus", nexus)
