# SPDX-License-Identifier: Apache-2.0
""".../portals: the addresses that a target listens on."""

from __future__ import annotations

from lioshell.errors import KernelError, NotFoundError
from lioshell.lio.fabrics import Fabric
from lioshell.lio.portals import Portal, configfs_name
from lioshell.lio.sessions import logins_of_tpg
from lioshell.shell import values
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.node import by_number, is_component
from lioshell.shell.values import number
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar

    from lioshell.lio.tpgs import Tpg
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

_ANY_ADDRESS = "[::0]"


class PortalsNode(ShellNode):
    """The portals of a TPG."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "create": (
            Parameter("ip_address", "string", "An address of this machine; all, when not given"),
            Parameter("ip_port", "int", "The TCP port; iSCSI's own, when not given"),
        ),
        "delete": (
            Parameter("ip_address", "string", "The address, or address:port"),
            Parameter("ip_port", "int", "The TCP port; iSCSI's own, when not given"),
        ),
    }

    def __init__(self, name: str, parent: Node, session: Session, tpg: Tpg) -> None:
        super().__init__(name, parent, session)
        self.tpg = tpg

    def child_names(self) -> list[str]:
        """List the portals."""
        return by_number([portal.name for portal in self.tpg.portals()])

    def child(self, name: str) -> Node | None:
        """Return a portal by address:port."""
        portal = Portal(self.lio, self.tpg.path, name)
        if not self.lio.configfs.is_dir(portal.path):
            return None
        return PortalNode(self, self.session, portal)

    def summary(self) -> tuple[str, bool | None]:
        """Count the portals."""
        return (f"Portals: {len(self.tpg.portals())}", None)

    def ui_command_create(
        self, ip_address: str | None = None, ip_port: str | None = None
    ) -> Node | None:
        """Listen on an address of this machine; all of them where none is given.

        Examples:
            create 192.168.1.139
            create ip_address=::1 ip_port=3261
        """
        port = self._port(ip_port)
        if ip_address is None and self._is_only(f"{_ANY_ADDRESS}:{port}"):
            # As a new TPG comes with: what was asked for is there.
            self.out.say(f"{_ANY_ADDRESS}:{port} listens on all addresses already.")
            return self.child(f"{_ANY_ADDRESS}:{port}")
        name = configfs_name(ip_address or _ANY_ADDRESS, port)
        try:
            with self.lio.transaction() as steps:
                gives_way = self._gives_way(name)
                if gives_way is not None:
                    gives_way.remove(steps)
                portal = self.tpg.create_portal(ip_address or _ANY_ADDRESS, port)
        except KernelError as error:
            error.hint = self._in_the_way(port) or error.hint
            raise
        if gives_way is not None:
            self.out.say(f"Removed the portal {gives_way.name}, which listened on all addresses.")
        self.out.say(f"Created network portal {portal.name}.", "good")
        return self.session.after_create(PortalNode(self, self.session, portal))

    def ui_command_delete(self, ip_address: str, ip_port: str | None = None) -> None:
        """Stop listening on an address.

        Examples:
            delete 192.168.1.139
            delete ip_address=::1 ip_port=3261
        """
        name = ip_address
        if ip_port is not None or not is_component(name) or self.child(name) is None:
            name = configfs_name(ip_address, self._port(ip_port))
        node = self.child(name)
        if not isinstance(node, PortalNode):
            raise NotFoundError(
                f"There is no portal {name} at {self.path}",
                hint=f"See what there is with: ls {self.path}",
            )
        from lioshell.lio import impact

        self.session.before_removal(impact.of_portal(self.tpg, node.portal.name))
        node.portal.delete()
        self.out.say(f"Deleted network portal {name}")

    def _is_only(self, name: str) -> bool:
        return [portal.name for portal in self.tpg.portals()] == [name]

    def _gives_way(self, name: str) -> Portal | None:
        """Return the portal that has to go for a new one, where it may.

        The kernel does not listen on one address and on all at a port (docs/kernel-notes.md). The
        portal that a new TPG comes with, its only one, makes room for what somebody asks for,
        unless an initiator is logged in by it.
        """
        new = Portal(self.lio, self.tpg.path, name)
        portals = self.tpg.portals()
        if len(portals) != 1 or portals[0].name == name or new.is_for_all:
            return None
        there = portals[0]
        overlaps = there.is_for_all and (there.is_ipv6 or not new.is_ipv6)
        if there.ip_port != new.ip_port or not overlaps or any(logins_of_tpg(self.tpg)):
            return None
        return there

    def _in_the_way(self, port: int) -> str:
        """Return what to do about the portals of a port, where one of them is for all addresses.

        Every target of the fabric is looked at: they share the port.
        """
        fabric = Fabric(self.lio, self.tpg.spec)
        for target in map(fabric.target, fabric.targets()):
            for tpg in map(target.tpg, target.tpg_tags()):
                for portal in tpg.portals():
                    if portal.is_for_all and portal.ip_port == port:
                        remedy = f"{tpg.tree_path}/portals delete {portal.name}"
                        return f"{portal.name} listens on all addresses already; first: {remedy}"
        return ""

    def _port(self, ip_port: str | None) -> int:
        if ip_port is None:
            return self.tpg.spec.default_port or 3260
        return number(ip_port, "ip_port")


class PortalNode(ShellNode):
    """One address and port."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "enable_iser": (Parameter("boolean", "bool", "On or off", required=True),),
        "enable_offload": (Parameter("boolean", "bool", "On or off", required=True),),
    }

    def __init__(self, parent: Node, session: Session, portal: Portal) -> None:
        super().__init__(portal.name, parent, session)
        self.portal = portal

    def summary(self) -> tuple[str, bool | None]:
        """Tell of a driver other than TCP."""
        drivers = [n for n, f in (("iser", "iser"), ("offload", "cxgbit")) if self.portal.flag(f)]
        return (", ".join(drivers) or "OK", True)

    def ui_command_enable_iser(self, boolean: str) -> None:
        """Take iSCSI over RDMA (iSER) at this portal, or plain TCP.

        Examples:
            enable_iser true
            enable_iser boolean=false
        """
        self._switch("iser", "iSER", values.boolean(boolean, "boolean"))

    def ui_command_enable_offload(self, boolean: str) -> None:
        """Let a network card that can do iSCSI (cxgbit) serve this portal.

        Examples:
            enable_offload false
        """
        self._switch("cxgbit", "offload", values.boolean(boolean, "boolean"))

    def _switch(self, flag: str, title: str, on: bool) -> None:
        word = "enabled" if on else "disabled"
        if self.portal.flag(flag) == on:
            self.out.say(f"{title} is already {word}.")
            return
        try:
            self.portal.set_flag(flag, on)
        except KernelError as error:
            error.hint = f"It needs a network card and the module for it (ib_isert, {flag})."
            raise
        self.out.say(f"{title} has been {word}.", "good")

    def ui_command_info(self) -> None:
        """Show what this portal is.

        Examples:
            info
        """
        self.out.fields(
            {
                "ip_address": self.portal.ip_address,
                "ip_port": self.portal.ip_port,
                "iser": self.portal.flag("iser"),
                "offload": self.portal.flag("cxgbit"),
            }
        )
