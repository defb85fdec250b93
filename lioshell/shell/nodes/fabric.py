# SPDX-License-Identifier: Apache-2.0
"""/FABRIC and /FABRIC/WWN: a fabric with its targets."""

from __future__ import annotations

from lioshell.errors import KernelError, NotFoundError, UsageError
from lioshell.lio.fabrics import Fabric, Target
from lioshell.model.names import numbered
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.node import by_number
from lioshell.shell.nodes.sessions_command import SessionsCommand
from lioshell.shell.nodes.tpg import TpgCommands, TpgNode
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.sessions import Login
    from lioshell.lio.tpgs import Tpg
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session
    from lioshell.specs import FabricSpec

_ANY_ADDRESSES = ("[::0]", "0.0.0.0")  # noqa: S104  # a target is meant to be reached


_EXAMPLE_WWNS = {
    "iqn": "iqn.2003-01.com.example:disk1",
    "naa": "naa.5001405a1b2c3d4e",
    "eui": "eui.0010180a1b2c3d4e",
    "ib": "ib.00000000000000000000000000000001",
    "free": "30000003",
}
_WWN_HELP = "The World Wide Name of the target"


class FabricNode(ShellNode):
    """A fabric."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "create": (Parameter("wwn", "string", f"{_WWN_HELP}; one is made up, when not given"),),
        "delete": (Parameter("wwn", "string", _WWN_HELP),),
    }

    def __init__(self, parent: Node, session: Session, spec: FabricSpec) -> None:
        super().__init__(spec.name, parent, session)
        self.fabric = Fabric(session.lio, spec)
        self.spec = spec

    def child_names(self) -> list[str]:
        """List the targets."""
        return by_number(self.fabric.targets())

    def child(self, name: str) -> Node | None:
        """Return a target."""
        try:
            target = self.fabric.target(name)
        except NotFoundError:
            return None
        # Another program may have made none or several where there should be one.
        if self.spec.has("tpgts") or len(target.tpg_tags()) != 1:
            return TargetNode(self, self.session, target)
        return SingleTpgTargetNode(self, self.session, target)

    def summary(self) -> tuple[str, bool | None]:
        """Count the targets; tell of discovery authentication."""
        count = f"Targets: {len(self.fabric.targets())}"
        if not self.fabric.is_listed:
            return (f"no port on this machine, {count}", None)
        if self.fabric.enforces_discovery_auth:
            return (f"discovery auth, {count}", True)
        return (count, None)

    def group_names(self) -> list[str]:
        """Return discovery_auth, and attribute, where the fabric has them."""
        names = ["attribute"] if self.fabric.attributes().names() else []
        described = self.spec.attributes.get("discovery_auth")
        if described or self.spec.has("discovery_auth"):
            names.append("discovery_auth")
        return names

    def group(self, name: str) -> ParameterGroup:
        """Return the fabric's own attributes, or the discovery credentials."""
        return self.fabric.attributes() if name == "attribute" else self.fabric.discovery_auth()

    def example_words(self) -> dict[str, str]:
        """Return a WWN of the fabric's first type."""
        return {"WWN": _EXAMPLE_WWNS[self.spec.wwn_types[0]]}

    def more_examples(self, command: str) -> tuple[str, ...]:
        """Return examples of discovery authentication."""
        examples = {"get": "get discovery_auth", "set": "set discovery_auth enable=0"}
        if command in examples and self.spec.has("discovery_auth"):
            return (examples[command],)
        return ()

    def ui_command_create(self, wwn: str | None = None) -> Node | None:
        """Create a target; a WWN is made up where none is given.

        Examples:
            create
            create WWN
        """
        # The first TPG belongs to this command: without it, no target either.
        with self.lio.transaction():
            target = self.fabric.create_target(wwn)
            self.out.say(f"Created target {target.wwn}.", "good")
            if not self.fabric.has_port(target.wwn):
                self.out.note(f"This machine shows no port {target.wwn}: nobody can reach it yet.")
            if self.spec.has("tpgts"):
                made: Node = TargetNode(self, self.session, target).make_tpg(None)
            else:
                made = SingleTpgTargetNode(self, self.session, target)
                made.enable_new()
        return self.session.after_create(made)

    def ui_command_delete(self, wwn: str) -> None:
        """Delete a target with all its LUNs, ACLs and portals.

        Examples:
            delete WWN
        """
        from lioshell.lio import impact

        target = self.fabric.target(self.get_child(wwn).name)
        self.session.before_removal(impact.of_target(target))
        target.delete()
        self.out.say(f"Deleted Target {target.wwn}.")

    def ui_command_version(self) -> None:
        """Show the version of the fabric's kernel module.

        Examples:
            version
        """
        version = self.fabric.version
        if version is None:
            loaded = self.fabric.exists
            version = "it does not say" if loaded else "not loaded; the first target loads it"
        self.out.fields({"fabric": self.spec.name, "module": self.spec.module, "version": version})

    def ui_command_info(self) -> None:
        """Show what this fabric is and can do.

        Examples:
            info
        """
        self.out.fields(
            {
                "Fabric module name": self.spec.name,
                "ConfigFS path": f"{self.lio.configfs.location}/{self.spec.group}",
                "Allowed WWN types": ", ".join(self.spec.wwn_types),
                "Fabric module specfile": self.lio.specs.path("fabric", self.spec.name),
                "Fabric module features": ", ".join(sorted(self.spec.features)),
                "Corresponding kernel module": self.spec.module,
                "Help": self.spec.help,
            }
        )


class TargetNode(SessionsCommand):
    """A target with TPGs."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "create": (Parameter("tag", "int", "The group's number; the lowest free, when not given"),),
        "delete": (Parameter("tag", "string", "The group, as tpg1 or 1"),),
    }

    def __init__(self, parent: Node, session: Session, target: Target) -> None:
        super().__init__(target.wwn, parent, session)
        self.target = target

    def child_names(self) -> list[str]:
        """List the TPGs."""
        return [f"tpg{tag}" for tag in self.target.tpg_tags()]

    def aliases(self) -> dict[str, str]:
        """Return the older names: tpgt1."""
        return {f"tpgt{tag}": f"tpg{tag}" for tag in self.target.tpg_tags()}

    def child(self, name: str) -> Node | None:
        """Return a TPG, tpg1 or in older words tpgt1."""
        tag = numbered(name, "tpg", "tpgt", "tpgt_")
        if tag is None or tag not in self.target.tpg_tags():
            return None
        return TpgNode(self, self.session, self.target.tpg(tag))

    def summary(self) -> tuple[str, bool | None]:
        """Count the TPGs."""
        return (f"TPGs: {len(self.target.tpg_tags())}", None)

    def group_names(self) -> list[str]:
        """Return parameter, where the kernel's targets have some."""
        folder = self.target.group("parameter").folder
        return ["parameter"] if self.lio.configfs.is_dir(folder) else []

    def group(self, name: str) -> ParameterGroup:
        """Return the target's parameters."""
        return self.target.group(name)

    def logins(self) -> Iterable[Login]:
        """Return the sessions with all TPGs of this target."""
        from lioshell.lio.sessions import logins_of_target

        return logins_of_target(self.target)

    def ui_command_create(self, tag: str | None = None) -> Node | None:
        """Create a target portal group: a set of LUNs with its own portals and access rules.

        Examples:
            create
            create 2
        """
        wanted = None
        if tag is not None:
            wanted = numbered(tag, "tpg", "tpgt", "")
            if wanted is None or not 1 <= wanted <= 65535:
                raise UsageError(f"{tag!r} is no TPG tag", hint="Give a number from 1 to 65535.")
        return self.session.after_create(self.make_tpg(wanted))

    def make_tpg(self, tag: int | None) -> TpgNode:
        """Create a TPG with what the preferences add to it: portal, no demand for CHAP, enable."""
        prefs = self.session.prefs
        with self.lio.transaction() as steps:
            tpg = self.target.create_tpg(tag)
            self.out.say(f"Created TPG {tpg.tag}.", "good")
            if tpg.attribute("authentication") is not None:
                steps.write(f"{tpg.path}/attrib/authentication", "0")
            if self.target.spec.has("nps") and prefs.flag("auto_add_default_portal"):
                self._add_default_portal(tpg)
            if tpg.has_enable and prefs.flag("auto_enable_tpgt"):
                # A TPG that is on cannot be removed from under those who are logged in.
                steps.on_failure(f"switch {tpg.path} off", lambda: tpg.set_enabled(False))
                tpg.set_enabled(True)
        return TpgNode(self, self.session, tpg)

    def _add_default_portal(self, tpg: Tpg) -> None:
        """Listen on every address: IPv6 and 4, or on a machine without IPv6 the latter."""
        port = self.target.spec.default_port or 3260
        refusal = None
        for address in _ANY_ADDRESSES:
            try:
                portal = tpg.create_portal(address, port)
            except KernelError as error:
                refusal = error
                continue
            self.out.say(f"Created default portal listening on all IPs ({portal.name}).")
            return
        # Another target may hold one address of this port: the target is usable all the same.
        self.out.note(f"Default portal not created: {refusal}")

    def ui_command_delete(self, tag: str) -> None:
        """Delete a target portal group with all that is in it.

        Examples:
            delete tpg1
        """
        node = self.get_child(tag if tag.startswith("tpg") else f"tpg{tag}")
        assert isinstance(node, TpgNode)
        from lioshell.lio import impact

        self.session.before_removal(impact.of_tpg(node.tpg))
        node.tpg.delete()
        self.out.say(f"Deleted TPGT {node.tpg.tag}.")

    def ui_command_info(self) -> None:
        """Show what this target is.

        Examples:
            info
        """
        self.out.fields(
            {
                "wwn": self.target.wwn,
                "fabric": self.target.spec.name,
                "configfs": f"{self.lio.configfs.location}/{self.target.path}",
                "tpgs": len(self.target.tpg_tags()),
            }
        )


class SingleTpgTargetNode(TpgCommands):
    """A target of a fabric that has one TPG a target: both in one node."""

    def __init__(self, parent: Node, session: Session, target: Target) -> None:
        super().__init__(target.wwn, parent, session, target.tpg(target.tpg_tags()[0]))
        self.target = target

    def enable_new(self) -> None:
        """Switch a new target on, as the preference says; one that needs LUNs for it later."""
        if not self.tpg.has_enable or not self.session.prefs.flag("auto_enable_tpgt"):
            return
        if self.target.spec.enable_needs_luns:
            self.out.say(f"It can be enabled once it has LUNs: {self.path} enable")
            return
        with self.lio.transaction() as steps:
            steps.on_failure(f"switch {self.tpg.path} off", lambda: self.tpg.set_enabled(False))
            self.tpg.set_enabled(True)

    def summary(self) -> tuple[str, bool | None]:
        """Show the nexus, or that there is none."""
        if not self.target.spec.has("nexus"):
            return super().summary()
        nexus = self.tpg.nexus
        return (nexus, True) if nexus else ("no nexus", False)
