# SPDX-License-Identifier: Apache-2.0
"""The command `sessions`: which initiators are logged in, everywhere or below a node."""

from __future__ import annotations

from lioshell.errors import LioshellError, NotFoundError, UsageError
from lioshell.shell.common_commands import ShellNode
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, ClassVar

    from lioshell.lio.sessions import Login

_ACTIONS = ("list", "detail")


class SessionsCommand(ShellNode):
    """A node below which initiators log in."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "sessions": (
            Parameter("action", "enum", "In short, or all that is known", "list", values=_ACTIONS),
            Parameter("sid", "int", "The session's number; all, when not given"),
        ),
    }

    def logins(self) -> Iterable[Login]:
        """Return the sessions below this node."""
        raise NotImplementedError

    def ui_command_sessions(self, action: str = "list", sid: str | None = None) -> None:
        """Show who is logged in; ACTION is list or detail, SID picks one session.

        Demo mode initiators are told by their name alone; a loopback disk counts while this
        machine has it in use.

        Examples:
            sessions
            sessions detail
        """
        if action not in _ACTIONS:
            if not action.isdigit() or sid is not None:
                raise UsageError(
                    f"sessions: {action!r} is neither list nor detail",
                    hint="As in: sessions detail",
                )
            action, sid = "detail", action
        found = [login for login in self.logins() if sid in (None, login.sid)]
        if sid is not None and not found:
            raise NotFoundError(f"There is no session {sid}", hint="See them with: sessions")
        if not found and self.out.form == "text":
            self.out.say("(no open sessions)")
        elif action == "list":
            self.out.records([_short(login) for login in found])
        else:
            self.out.records([self._long(login) for login in found], in_full=True)

    def _long(self, login: Login) -> dict[str, Any]:
        return {
            "initiator": login.initiator,
            "alias": login.alias,
            "target": login.tpg,
            "sid": login.sid,
            "type": login.kind or ("demo mode" if login.dynamic else ""),
            "state": login.state,
            "addresses": ", ".join(login.addresses),
            "luns": ", ".join(self._luns(login)),
        }

    def _luns(self, login: Login) -> list[str]:
        """Return what a session sees: its mapped LUNs, or in demo mode all LUNs."""
        explicit = not login.dynamic and login.kind != "local"
        path = f"acls/{login.initiator}" if explicit else "luns"
        try:
            node = self.session.node_at(login.tpg, self.session.root).get_node(path)
            return [f"{name} {node.get_child(name).summary()[0]}" for name in node.child_names()]
        except LioshellError:
            # The initiator's objects may go while they are looked at.
            return []


def _short(login: Login) -> dict[str, Any]:
    return {
        "initiator": login.initiator,
        "target": login.tpg,
        "sid": login.sid or "-",
        "state": "DYNAMIC" if login.dynamic else login.state or "-",
        "address": ", ".join(login.addresses) or "-",
    }
