# SPDX-License-Identifier: Apache-2.0
"""Who is logged in: the sessions of initiators, and which of them a removal would cut.

An ACL's `info` shows the session of its initiator (drivers/target/iscsi/iscsi_target_configfs.c,
lio_target_nacl_info_show); a TPG's `dynamic_sessions` lists the initiators that have none (demo
mode; target_core_tpg.c, target_show_dynamic_sessions). A fabric without `info` tells by the
statistics of a mapped LUN, which answer ENODEV while nobody is logged in (target_core_stat.c,
target_stat_iport_port_ident_show). A loopback LUN is a disk of this machine, which counts as
logged in while it has that disk in use.
"""

from __future__ import annotations

import re

from lioshell.errors import KernelError, NotFoundError, SpecError
from lioshell.lio.fabrics import Fabric
from lioshell.lio.tpgs import Tpg
from lioshell.lio.wwns import tree_wwn
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.lio.acls import MappedLun, NodeAcl
    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.fabrics import Target
    from lioshell.lio.root import Lio

_ADDRESS = re.compile(r"Address (\S+) (\S+)")
_LOCAL = "local"


class Login(NamedTuple):
    """A session of an initiator with a TPG.

    `tpg` is the TPG's path in the tree. `dynamic`: it has no ACL (demo mode), and the kernel tells
    no more than its name. `sid` is the kernel's number, "" where it tells none; `kind` Normal,
    Discovery or local; `state` as LOGGED_IN; `addresses` the initiator's, with the transport, or
    the local disks that are in use.
    """

    initiator: str
    tpg: str
    dynamic: bool = False
    sid: str = ""
    alias: str = ""
    kind: str = ""
    state: str = ""
    addresses: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = ", ".join(self.addresses)
        return self.initiator + (f" ({where})" if where else "")


def all_logins(lio: Lio) -> Iterator[Login]:
    """Yield the sessions of every target of every fabric."""
    for name in lio.specs.fabric_names():
        try:
            fabric = Fabric(lio, lio.specs.fabric(name))
        except SpecError:
            # What a broken spec describes cannot be looked at, nor removed by us.
            continue
        for wwn in fabric.targets():
            yield from logins_of_target(fabric.target(wwn))


def logins_of_target(target: Target) -> Iterator[Login]:
    """Yield the sessions with all TPGs of a target."""
    for tag in target.tpg_tags():
        yield from logins_of_tpg(target.tpg(tag))


def logins_of_tpg(tpg: Tpg) -> Iterator[Login]:
    """Yield the sessions with a TPG."""
    for wwn in tpg.acl_wwns():
        yield from logins_of_acl(tpg, tpg.acl(wwn))
    yield from _dynamic_logins(tpg)
    for index in _indexes_of_local_disks(tpg):
        yield from _local_logins(tpg, index)


def logins_of_acl(tpg: Tpg, acl: NodeAcl) -> Iterator[Login]:
    """Yield the session of an initiator that has an ACL."""
    configfs = tpg.lio.configfs
    path = f"{acl.path}/info"
    if configfs.exists(path):
        found = _login_from_info(_text(tpg, path), acl.wwn, tpg.tree_path)
        if found is not None:
            yield found
        return
    for mapped in acl.mapped_luns()[:1]:
        # Whoever has no LUN mapped loses none.
        if _text(tpg, f"{mapped.path}/statistics/scsi_att_intr_port/port_ident"):
            yield Login(acl.wwn, tpg.tree_path, state="LOGGED_IN")


def logins_of_lun(tpg: Tpg, index: int) -> Iterator[Login]:
    """Yield the sessions that see a LUN of a TPG."""
    lun = tpg.lun(index)
    for wwn in tpg.acl_wwns():
        acl = tpg.acl(wwn)
        logins = list(logins_of_acl(tpg, acl))
        if logins and (
            acl.mapping_of(lun) is not None
            or any(mapped.lun_path == lun.path for mapped in acl.mapped_luns())
        ):
            yield from logins
    # An initiator of demo mode sees every LUN (target_core_tpg.c, core_tpg_add_node_to_devs).
    yield from _dynamic_logins(tpg)
    yield from _local_logins(tpg, index)


def logins_of_mapped_lun(tpg: Tpg, acl: NodeAcl, mapped: MappedLun) -> Iterator[Login]:
    """Yield the session that sees a mapped LUN."""
    if mapped.alias is not None:
        yield from logins_of_acl(tpg, acl)


def luns_of_storage_object(storage_object: StorageObject) -> Iterator[tuple[Tpg, int]]:
    """Yield the LUNs that export a storage object: their TPGs and numbers."""
    lio = storage_object.lio
    for lun_path in storage_object.users() if storage_object.activated else []:
        tpg_path, _, name = lun_path.rpartition("/lun/")
        yield tpg_at(lio, tpg_path), int(name.removeprefix("lun_"))


def tpg_at(lio: Lio, path: str) -> Tpg:
    """Return the TPG at a configfs path such as iscsi/IQN/tpgt_1; raises NotFoundError."""
    group, wwn, name = path.split("/")
    for fabric in lio.specs.fabric_names():
        try:
            spec = lio.specs.fabric(fabric)
        except SpecError:
            # Another fabric's broken file is not asked for.
            continue
        if spec.group == group:
            return Tpg(lio, spec, tree_wwn(spec, wwn), int(name.removeprefix("tpgt_")))
    raise NotFoundError(
        f"{path} belongs to a fabric that no spec describes",
        hint="Add a spec for it in /etc/lioshell/specs.d",
    )


def _login_from_info(text: str, wwn: str, tpg: str) -> Login | None:
    """Return what an ACL's `info` tells; None for "No active iSCSI Session for ..."."""
    if not re.search(r"^InitiatorName: ", text, re.MULTILINE):
        return None

    def field(pattern: str) -> str:
        match = re.search(pattern, text, re.MULTILINE)
        return match[1].strip() if match else ""

    return Login(
        wwn,
        tpg,
        sid=field(r"LIO Session ID: (\d+)"),
        alias=field(r"^InitiatorAlias: (.*)$"),
        kind=field(r"SessionType: (\S+)"),
        state=field(r"Session State: (?:TARG_SESS_(?:STATE_)?)?(\S+)"),
        addresses=tuple(f"{address} {kind}" for address, kind in _ADDRESS.findall(text)),
    )


def _dynamic_logins(tpg: Tpg) -> Iterator[Login]:
    path = f"{tpg.path}/dynamic_sessions"
    if not tpg.lio.configfs.exists(path):
        return
    for name in re.split(r"[\0\n]+", _text(tpg, path)):
        if name:
            yield Login(name, tpg.tree_path, dynamic=True, state="LOGGED_IN")


def _indexes_of_local_disks(tpg: Tpg) -> list[int]:
    return tpg.lun_indexes() if tpg.address is not None else []


def _local_logins(tpg: Tpg, index: int) -> Iterator[Login]:
    """Yield this machine as an initiator, where it has a disk of loopback in use."""
    address = tpg.address
    if address is None:
        return
    system = tpg.lio.kernel.system
    for disk in system.disks_at(address, index):
        device = system.block_device(disk)
        if device is not None and device.in_use:
            name = tpg.nexus or "this machine"
            yield Login(name, tpg.tree_path, kind=_LOCAL, state="in use", addresses=(disk,))


def _text(tpg: Tpg, path: str) -> str:
    try:
        return tpg.lio.configfs.read(path)
    except KernelError:
        # ENODEV: nobody is logged in; ENOENT: this kernel does not tell, or it went meanwhile.
        return ""
