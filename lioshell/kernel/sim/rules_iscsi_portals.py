# SPDX-License-Identifier: Apache-2.0
"""Rules of iSCSI portals: which addresses can be listened on beside each other.

drivers/target/iscsi/iscsi_target_configfs.c (lio_target_call_addnptotpg), iscsi_target.c
(iscsit_check_np_match), iscsi_target_login.c (iscsit_setup_np: any address can be bound, also one
that the machine does not have).
"""

from __future__ import annotations

import errno
import ipaddress
import re

from lioshell.kernel.sim.portal_index import PortalIndex
from lioshell.kernel.sim.schema import READ_WRITE, Attribute, Made
from lioshell.kernel.sim.values import Refused, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation

    _Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def portal_attributes() -> dict[str, Attribute]:
    """Return the attributes of a portal."""
    return {
        "iser": Attribute("0\n", READ_WRITE, _store_iser),
        "cxgbit": Attribute("0\n", READ_WRITE, _store_cxgbit),
    }


def check_portal(sim: Simulation, folder: str, name: str) -> Made:
    """Check a portal that is to be made in `folder`; every reason of the kernel's is EINVAL."""
    address, port = _parse_portal(name)
    fabric, own_target = folder.split("/")[:2]
    index = _index(sim, fabric)
    there = [ipaddress.ip_address(text) for text in index.addresses(port)]
    same = [other for other in there if _same_portal(address, other)]
    if any(index.has(own_target, str(other), port) for other in same):
        raise Refused(errno.EINVAL)
    # Where another target listens already, the kernel shares its socket.
    if not same and any(_overlap(address, other) for other in there):
        raise Refused(errno.EINVAL)
    return Made()


def listens(sim: Simulation, portal: str) -> None:
    """Remember that a target listens on a portal."""
    fabric, target, name = _parts(portal)
    address, port = _parse_portal(name)
    _index(sim, fabric).add(target, str(address), port)


def listens_no_more(sim: Simulation, portal: str) -> None:
    """Forget a portal that goes."""
    fabric, target, name = _parts(portal)
    address, port = _parse_portal(name)
    _index(sim, fabric).remove(target, str(address), port)


def _parts(portal: str) -> tuple[str, str, str]:
    fabric, target, _tpg, _np, name = portal.split("/")
    return fabric, target, name


def _index(sim: Simulation, fabric: str) -> PortalIndex:
    index = PortalIndex(sim.root)
    if not index.exists:
        index.rebuild(
            (target, str(address), port) for target, address, port in _portals(sim, fabric)
        )
    return index


def _parse_portal(name: str) -> tuple[_Address, int]:
    """Split "0.0.0.0:3260" or "[::0]:3260"."""
    match = re.fullmatch(r"\[([^\]]*)\][^:]*:(.*)|([^\[\]:]*):(.*)", name)
    if match is None:
        raise Refused(errno.EINVAL)
    text = match[1] if match[1] is not None else match[3]
    port = match[2] if match[2] is not None else match[4]
    try:
        return ipaddress.ip_address(text), unsigned(port, 16)
    except (ValueError, Refused):
        raise Refused(errno.EINVAL) from None


def _portals(sim: Simulation, fabric: str) -> list[tuple[str, _Address, int]]:
    """Return target, address and port of every portal there is."""
    tree = sim.tree
    return [
        (target, *_parse_portal(portal))
        for target in tree.names(fabric)
        if target != "discovery_auth"
        for tpg in tree.names(f"{fabric}/{target}")
        if "tpgt_" in tpg
        for portal in tree.names(f"{fabric}/{target}/{tpg}/np")
    ]


def _same_portal(new: _Address, there: _Address) -> bool:
    """Compare as iscsit_check_np_match does, for which "any" is the same in IPv4 and IPv6."""
    if new.version == there.version:
        return int(new) == int(there)
    return int(new) == 0


def _overlap(new: _Address, there: _Address) -> bool:
    """Tell whether the second socket cannot listen: one of them listens on every address."""
    if int(new) == 0:
        return new.version == 6 or there.version == 4
    if int(there) == 0:
        return there.version == 6 or new.version == 4
    return False


def _store_iser(write: Write) -> str:
    """iSER needs no RDMA device to be switched on (ib_isert listens on any address)."""
    number = unsigned(write.value)
    if number > 1:
        raise Refused(errno.EINVAL)
    return f"{number}\n"


def _store_cxgbit(write: Write) -> None:
    """The simulated machine has no Chelsio card."""
    if unsigned(write.value):
        raise Refused(errno.EINVAL)
