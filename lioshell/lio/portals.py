# SPDX-License-Identifier: Apache-2.0
"""Network portals: <tpg>/np/<address>:<port>/; an IPv6 address stands in brackets."""

from __future__ import annotations

from lioshell.errors import NotFoundError, UsageError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction


class Portal:
    """One address and port that a TPG listens on; `name` is "0.0.0.0:3260" or "[::0]:3260"."""

    def __init__(self, lio: Lio, tpg_path: str, name: str) -> None:
        self._lio = lio
        self.name = name
        self.path = f"{tpg_path}/np/{name}"

    @property
    def ip_address(self) -> str:
        """The address as saved: an IPv6 one in brackets."""
        return self.name.rpartition(":")[0]

    @property
    def ip_port(self) -> int:
        """The TCP port."""
        return int(self.name.rpartition(":")[2])

    def flag(self, name: str) -> bool:
        """Tell whether a driver's switch (iser, cxgbit) is on; False where it does not exist."""
        path = f"{self.path}/{name}"
        return self._lio.configfs.exists(path) and self._lio.configfs.read(path) == "1"

    @property
    def is_ipv6(self) -> bool:
        """Whether the address is an IPv6 one."""
        return self.name.startswith("[")

    @property
    def is_for_all(self) -> bool:
        """Whether it listens on every address of the machine."""
        import ipaddress

        bare = self.ip_address.removeprefix("[").removesuffix("]")
        return ipaddress.ip_address(bare).is_unspecified

    def set_flag(self, name: str, on: bool) -> None:
        """Switch a driver (iser, cxgbit) on or off; raises NotFoundError or KernelError."""
        path = f"{self.path}/{name}"
        if not self._lio.configfs.exists(path):
            raise NotFoundError(
                f"This kernel has no {name} for portals", hint="See modinfo iscsi_target_mod."
            )
        with self._lio.transaction() as steps:
            steps.change(path, str(int(on)))

    def delete(self) -> None:
        """Stop listening."""
        with self._lio.transaction() as steps:
            self.remove(steps)

    def remove(self, steps: Transaction) -> None:
        """Stop listening as a part of a running transaction."""
        steps.keep(self.path)
        steps.rmdir(self.path)


def configfs_name(ip_address: str, ip_port: int) -> str:
    """Return the folder name of a portal; raises UsageError for no address or no port."""
    import ipaddress

    if not 1 <= ip_port <= 65535:
        raise UsageError(f"{ip_port} is no TCP port", hint="Give 1 to 65535; iSCSI's own is 3260.")
    bare = ip_address.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        raise UsageError(
            f"{ip_address!r} is no IP address",
            hint="Give an address of this machine; see them with: ip -brief address",
        ) from None
    return f"[{bare}]:{ip_port}" if address.version == 6 else f"{bare}:{ip_port}"
