# SPDX-License-Identifier: Apache-2.0
"""Initiators that log in to simulated iSCSI targets, so that configfs shows their sessions.

No PDU is sent: what a login and its end change in the tree is done, as a real target with
open-iscsi as its initiator showed it (tests/data/captures, sessions). Disks are read and written
with lioshell.kernel.sim.initiator.
"""

from __future__ import annotations

from lioshell.errors import NotFoundError
from lioshell.kernel.sim import rules_iscsi_sessions as rules
from lioshell.kernel.sim.configfs import locked
from lioshell.kernel.sim.tree import Tree
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_AUTHORIZATION = "authorize_fails"
_AUTHENTICATION = "authenticate_fails"


class SimInitiators:
    """Initiators by their names, at one address."""

    def __init__(self, sim_root: str, *, address: str = "127.0.0.1", alias: str = "sim") -> None:
        self._root = sim_root
        self._tree = Tree(sim_root)
        self._address = address
        self._alias = alias

    def login(self, initiator: str, target: str, user: str = "", password: str = "") -> bool:
        """Log an initiator in to the first enabled TPG of a target; False: it is refused.

        Raises NotFoundError where no TPG of that target is enabled and has a portal.
        """
        with locked(self._root):
            tpg = next(self._open_tpgs(target), None)
            if tpg is None:
                raise NotFoundError(
                    f"Nobody answers for the target {target}",
                    hint="It needs a TPG that is enabled and has a portal",
                    path=f"iscsi/{target}",
                )
            failed = self._refusal(tpg, initiator, user, password)
            if failed:
                name = "Unknown" if failed == _AUTHORIZATION else initiator
                rules.count_failure(self._tree, tpg, failed, name, self._address)
                return False
            # A second login of the same initiator takes the place of its first (RFC 7143, 6.3.5).
            rules.end(self._tree, tpg, initiator)
            rules.begin(self._tree, tpg, initiator, self._alias, self._address)
        return True

    def logout(self, initiator: str, target: str) -> None:
        """End an initiator's session; without effect where it has none."""
        with locked(self._root):
            for tpg in self._tpgs(target):
                if rules.end(self._tree, tpg, initiator):
                    rules.count_logout(self._tree, tpg)

    def _tpgs(self, target: str) -> Iterator[str]:
        path = f"iscsi/{target}"
        if self._tree.is_dir(path):
            for name in self._tree.names(path):
                if "tpgt_" in name:
                    yield f"{path}/{name}"

    def _open_tpgs(self, target: str) -> Iterator[str]:
        for tpg in self._tpgs(target):
            if self._tree.value(f"{tpg}/enable") == "1" and self._tree.names(f"{tpg}/np"):
                yield tpg

    def _refusal(self, tpg: str, initiator: str, user: str, password: str) -> str:
        """Return the counter of the failure that a login ends with, "" for none."""
        value = self._tree.value
        acl = f"{tpg}/acls/{initiator}"
        has_acl = self._tree.is_dir(acl)
        if not has_acl and value(f"{tpg}/attrib/generate_node_acls") != "1":
            return _AUTHORIZATION
        wanted = value(f"{acl}/attrib/authentication") if has_acl else "-1"
        if wanted == "-1":
            wanted = value(f"{tpg}/attrib/authentication")
        if wanted != "1" and not user:
            return ""
        auth = f"{acl if has_acl else tpg}/auth"
        known = (value(f"{auth}/userid"), value(f"{auth}/password"))
        if not all(known) or "NULL" in known or known != (user, password):
            return _AUTHENTICATION
        return ""
