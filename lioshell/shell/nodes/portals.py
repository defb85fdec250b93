# SPDX-License-Identifier: Apache-2.0
""".../portals: the addresses that a target listens on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lioshell.errors import KernelError, NotFoundError
from lioshell.lio.portals import Portal, configfs_name
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.node import by_number, is_component
from lioshell.shell.values import number
from lioshell.specs import Parameter

if TYPE_CHECKING:
    from lioshell.lio.tpgs import Tpg
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

_ANY_ADDRESS = "[::0]"
_ANY_IPV4_ADDRESS = "0.0.0.0"  # noqa: S104  # a portal's name, no socket of ours


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
        try:
            portal = self.tpg.create_portal(ip_address or _ANY_ADDRESS, port)
        except KernelError as error:
            error.hint = self._in_the_way(port) or error.hint
            raise
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

    def _in_the_way(self, port: int) -> str:
        """Return what to do about the portals of a port, where one of them is for all addresses."""
        names = [f"{address}:{port}" for address in (_ANY_ADDRESS, _ANY_IPV4_ADDRESS)]
        for portal in self.tpg.portals():
            if portal.name in names:
                remedy = f"{self.path} delete {portal.name}"
                return f"{portal.name} listens on all addresses already; first: {remedy}"
        return ""

    def _port(self, ip_port: str | None) -> int:
        if ip_port is None:
            return self.tpg.spec.default_port or 3260
        return number(ip_port, "ip_port")


class PortalNode(ShellNode):
    """One address and port."""

    def __init__(self, parent: Node, session: Session, portal: Portal) -> None:
        super().__init__(portal.name, parent, session)
        self.portal = portal

    def summary(self) -> tuple[str, bool | None]:
        """Tell of a driver other than TCP."""
        drivers = [n for n, f in (("iser", "iser"), ("offload", "cxgbit")) if self.portal.flag(f)]
        return (", ".join(drivers) or "OK", True)

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
