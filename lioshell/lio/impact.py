# SPDX-License-Identifier: Apache-2.0
"""What a destructive command would take away: the LUNs that vanish, and who is logged in to them.

Commands ask for it before their first step; whether to refuse, to ask or to go on is decided
above (shell/session.py).
"""

from __future__ import annotations

from lioshell.errors import KernelError, NotFoundError
from lioshell.lio import sessions
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lioshell.lio.acls import MappedLun, NodeAcl
    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.fabrics import Target
    from lioshell.lio.root import Lio
    from lioshell.lio.sessions import Login
    from lioshell.lio.tpgs import Tpg


class Impact(NamedTuple):
    """What would vanish.

    `deed` says what is about to be done ("delete /iscsi/IQN"); `luns` are the LUNs that nobody
    sees any more, as TPG and number; `logins` the sessions that lose something. `is_slight`: one
    line makes it again as it was.
    """

    deed: str
    luns: tuple[tuple[Tpg, int], ...] = ()
    logins: tuple[Login, ...] = ()
    is_slight: bool = False

    def lun_lines(self) -> Iterator[str]:
        """Yield a line for each LUN: its path in the tree, and what it exports (read now)."""
        for tpg, index in self.luns:
            try:
                found = tpg.lun(index).storage_object
                what = f" ({found.plugin}/{found.name})" if found else ""
            except (KernelError, NotFoundError):
                # Another program is quicker: the LUN is named all the same.
                what = ""
            yield f"{tpg.tree_path}/luns/lun{index}{what}"


def of_target(target: Target) -> Impact:
    """Return the impact of deleting a target."""
    tpgs = [target.tpg(tag) for tag in target.tpg_tags()]
    logins = tuple(sessions.logins_of_target(target))
    return Impact(f"delete {target.tree_path}", tuple(_luns(tpgs)), logins)


def of_tpg(tpg: Tpg, deed: str = "delete") -> Impact:
    """Return the impact of deleting a TPG, or of switching it off."""
    return Impact(
        f"{deed} {tpg.tree_path}", tuple(_luns([tpg])), tuple(sessions.logins_of_tpg(tpg))
    )


def of_lun(tpg: Tpg, index: int) -> Impact:
    """Return the impact of deleting a LUN."""
    logins = tuple(sessions.logins_of_lun(tpg, index))
    return Impact(f"delete {tpg.tree_path}/luns/lun{index}", ((tpg, index),), logins)


def of_acl(tpg: Tpg, acl: NodeAcl) -> Impact:
    """Return the impact of shutting an initiator out."""
    logins = tuple(sessions.logins_of_acl(tpg, acl))
    return Impact(f"delete {tpg.tree_path}/acls/{acl.wwn}", logins=logins)


def of_mapped_lun(tpg: Tpg, acl: NodeAcl, mapped: MappedLun) -> Impact:
    """Return the impact of hiding a LUN from an initiator."""
    where = f"{tpg.tree_path}/acls/{acl.wwn}/mapped_lun{mapped.index}"
    logins = tuple(sessions.logins_of_mapped_lun(tpg, acl, mapped))
    return Impact(f"delete {where}", logins=logins, is_slight=True)


def of_portal(tpg: Tpg, name: str) -> Impact:
    """Return the impact of a portal's removal: with the last one, nobody can come back."""
    is_last = len(tpg.portals()) == 1
    logins = tuple(sessions.logins_of_tpg(tpg)) if is_last else ()
    return Impact(f"delete {tpg.tree_path}/portals/{name}", logins=logins, is_slight=True)


def of_storage_object(storage_object: StorageObject) -> Impact:
    """Return the impact of deleting a storage object: that of its LUNs."""
    luns = tuple(sessions.luns_of_storage_object(storage_object))
    logins = [login for tpg, index in luns for login in sessions.logins_of_lun(tpg, index)]
    return Impact(f"delete {storage_object.tree_path}", luns, tuple(dict.fromkeys(logins)))


def of_everything(lio: Lio, deed: str) -> Impact:
    """Return the impact of removing all that there is."""
    from lioshell.lio.fabrics import Fabric

    tpgs = []
    for name in lio.specs.fabric_names():
        fabric = Fabric(lio, lio.specs.fabric(name))
        for target in map(fabric.target, fabric.targets()):
            tpgs += [target.tpg(tag) for tag in target.tpg_tags()]
    return Impact(deed, tuple(_luns(tpgs)), tuple(sessions.all_logins(lio)))


def _luns(tpgs: Iterable[Tpg]) -> Iterator[tuple[Tpg, int]]:
    return ((tpg, index) for tpg in tpgs for index in tpg.lun_indexes())
