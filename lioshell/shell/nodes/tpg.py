# SPDX-License-Identifier: Apache-2.0
"""/FABRIC/WWN/tpgN: a target portal group."""

from __future__ import annotations

from lioshell.errors import UsageError
from lioshell.shell.nodes.sessions_command import SessionsCommand
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.sessions import Login
    from lioshell.lio.tpgs import Tpg
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

_GROUP_FEATURES = {"attribute": None, "parameter": None, "auth": "tpg_auth"}


class TpgCommands(SessionsCommand):
    """What a TPG can do, whether it is a node of its own or one with its target."""

    def __init__(self, name: str, parent: Node, session: Session, tpg: Tpg) -> None:
        super().__init__(name, parent, session)
        self.tpg = tpg

    def child_names(self) -> list[str]:
        """List acls, luns, portals, as the fabric has them."""
        spec = self.tpg.spec
        pairs = (("acls", "acls"), ("luns", "luns"), ("portals", "nps"))
        return [name for name, feature in pairs if spec.has(feature)]

    def child(self, name: str) -> Node | None:
        """Return acls, luns or portals."""
        if name not in self.child_names():
            return None
        if name == "luns":
            from lioshell.shell.nodes.luns import LunsNode

            return LunsNode(name, self, self.session, self.tpg)
        if name == "acls":
            from lioshell.shell.nodes.acls import AclsNode

            return AclsNode(name, self, self.session, self.tpg)
        from lioshell.shell.nodes.portals import PortalsNode

        return PortalsNode(name, self, self.session, self.tpg)

    def summary(self) -> tuple[str, bool | None]:
        """Tell who is let in, and whether the TPG is on."""
        tpg = self.tpg
        self.state = "enabled" if tpg.enabled else "disabled"
        if self.state == "disabled":
            return ("disabled", False)
        if not tpg.spec.has("acls"):
            return ("enabled", True)
        words = ["gen-acls" if tpg.attribute("generate_node_acls") == "1" else "no-gen-acls"]
        if tpg.spec.has("acls_auth"):
            if tpg.attribute("authentication") == "0":
                words.append("no-auth")
            elif tpg.spec.has("tpg_auth") and tpg.group("auth").get("userid"):
                words.append("tpg-auth")
            else:
                words.append("auth per-acl")
        return (", ".join(words), None)

    def group_names(self) -> list[str]:
        """Return the groups that this fabric's TPGs have."""
        found = []
        for name, feature in _GROUP_FEATURES.items():
            if feature is not None and not self.tpg.spec.has(feature):
                continue
            if self.lio.configfs.is_dir(self.tpg.group(name).folder):
                found.append(name)
        return found

    def group(self, name: str) -> ParameterGroup:
        """Return a group: attribute, parameter or auth."""
        return self.tpg.group(name)

    def list_commands(self) -> tuple[str, ...]:
        """Return the commands, without enable and disable where the fabric has no such switch."""
        commands = super().list_commands()
        if self.tpg.spec.has("enable"):
            return commands
        return tuple(name for name in commands if name not in ("enable", "disable"))

    def more_examples(self, command: str) -> tuple[str, ...]:
        """Return examples of this fabric's groups."""
        examples = {
            "get": "get attribute authentication",
            "set": "set attribute authentication=0 generate_node_acls=1",
        }
        if command in examples and self.tpg.spec.has("acls_auth"):
            return (examples[command],)
        return ()

    def logins(self) -> Iterable[Login]:
        """Return the sessions with this TPG."""
        from lioshell.lio.sessions import logins_of_tpg

        return logins_of_tpg(self.tpg)

    def ui_command_enable(self) -> None:
        """Let initiators use this target portal group.

        Examples:
            enable
        """
        self._switch(True)

    def ui_command_disable(self) -> None:
        """Stop serving initiators; those that are logged in are cut off.

        Examples:
            disable
        """
        self._switch(False)

    def _switch(self, on: bool) -> None:
        word = "enabled" if on else "disabled"
        if not self.tpg.has_enable:
            raise UsageError(
                f"A target of {self.tpg.spec.name} cannot be {word}",
                hint="It serves as long as it exists.",
            )
        if self.tpg.enabled == on:
            self.out.say(f"The TPGT is already {word}.")
            return
        if not on:
            from lioshell.lio import impact

            self.session.before_removal(impact.of_tpg(self.tpg, "disable"))
        self.tpg.set_enabled(on)
        self.out.say(f"The TPGT has been {word}.", "good")

    def ui_command_info(self) -> None:
        """Show what this target portal group is.

        Examples:
            info
        """
        tpg = self.tpg
        fields: dict[str, Any] = {
            "wwn": tpg.wwn,
            "tag": tpg.tag,
            "fabric": tpg.spec.name,
            "configfs": f"{self.lio.configfs.location}/{tpg.path}",
            "enabled": tpg.enabled,
            "luns": len(tpg.lun_indexes()),
        }
        if tpg.spec.has("nexus"):
            fields["nexus"] = tpg.nexus or "none"
        if tpg.spec.has("acls"):
            fields["acls"] = len(tpg.acl_wwns())
        self.out.fields(fields)


class TpgNode(TpgCommands):
    """A target portal group below its target."""

    def __init__(self, parent: Node, session: Session, tpg: Tpg) -> None:
        super().__init__(f"tpg{tpg.tag}", parent, session, tpg)
