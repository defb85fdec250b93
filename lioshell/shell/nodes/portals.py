# SPDX-License-Identifier: Apache-2.0
""".../portals: the addresses that a target listens on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lioshell.errors import NotFoundError
from lioshell.lio.portals import Portal, configfs_name
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.node import by_number
from lioshell.shell.values import number

if TYPE_CHECKING:
    from lioshell.lio.tpgs import Tpg
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

_ANY_ADDRESS = "[::0]"


class PortalsNode(ShellNode):
    """The portals of a TPG."""

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

        Examples: create 192.168.1.139
                  create ip_address=::1 ip_port=3261
        """
        port = self._port(ip_port)
        portal = self.tpg.create_portal(ip_address or _ANY_ADDRESS, port)
        self.out.say(f"Created network portal {portal.name}.", "good")
        return self.session.after_create(PortalNode(self, self.session, portal))

    def ui_command_delete(self, ip_address: str, ip_port: str | None = None) -> None:
        """Stop listening on an address.

        Examples: delete 192.168.1.139 3260
        """
        name = configfs_name(ip_address, self._port(ip_port))
        node = self.child(name)
        if not isinstance(node, PortalNode):
            raise NotFoundError(
                f"There is no portal {name}", hint=f"See what there is with: ls {self.path}"
            )
        node.portal.delete()
        self.out.say(f"Deleted network portal {name}")

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

        Examples: info
        """
        self.out.fields(
            {
                "ip_address": self.portal.ip_address,
                "ip_port": self.portal.ip_port,
                "iser": self.portal.flag("iser"),
                "offload": self.portal.flag("cxgbit"),
            }
        )
