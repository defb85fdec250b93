# SPDX-License-Identifier: Apache-2.0
"""Target port groups: what the kernel's target core does with the ports of a unit, as it is told.

The core checks the access states itself before a command reaches the ring, but hands REPORT TARGET
PORT GROUPS on (drivers/target/target_core_device.c, passthrough_parse_cdb). States are set by the
administrator alone: implicit ALUA.
"""

from __future__ import annotations

from lioshell.runner.command import Deferred
from lioshell.runner.scsi.data_in import parameter_data
from lioshell.runner.scsi.sense import invalid_field
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

_FORMAT: Final = 0xE0
_EXTENDED: Final = 0x20
_EXTENDED_HEADER: Final = bytes((0x10, 0, 0, 0))


class PortGroup(NamedTuple):
    """A target port group with the relative identifiers of its ports (SPC-4 6.37).

    `state` is the ASYMMETRIC ACCESS STATE, `supported` the byte of the states that there can be,
    `status` why the state is what it is.
    """

    identifier: int
    state: int
    supported: int
    preferred: bool = False
    status: int = 0
    ports: tuple[int, ...] = ()


def report_target_port_groups(unit: Unit, command: Command) -> Response | Deferred:
    """REPORT TARGET PORT GROUPS, SPC-4 6.37: every group that has ports."""
    cdb = command.cdb
    form = cdb[1] & _FORMAT
    if form not in (0, _EXTENDED):
        return invalid_field(1, 7)

    def look() -> Response:
        body = _EXTENDED_HEADER if form else b""
        body += b"".join(_descriptor(group) for group in unit.port_groups())
        payload = len(body).to_bytes(4, "big") + body
        return parameter_data(command, payload, int.from_bytes(cdb[6:10], "big"))

    return Deferred(look)


def _descriptor(group: PortGroup) -> bytes:
    head = bytes(((0x80 if group.preferred else 0) | group.state & 0x0F, group.supported))
    middle = group.identifier.to_bytes(2, "big") + bytes((0, group.status, 0, len(group.ports)))
    return head + middle + b"".join(bytes(2) + port.to_bytes(2, "big") for port in group.ports)


def port_designators(groups: tuple[PortGroup, ...]) -> bytes:
    """Return the designators of the port that asks (SPC-4 7.8.6.7, 7.8.6.8), as far as known.

    Nobody tells a runner through which port a command came. Where all ports are in one group, the
    group is known; where there is one port, its relative identifier too.
    """
    if len(groups) != 1:
        return b""
    [group] = groups
    found = b""
    if len(group.ports) == 1:
        found = bytes((0x01, 0x14, 0, 4, 0, 0)) + group.ports[0].to_bytes(2, "big")
    return found + bytes((0x01, 0x15, 0, 4, 0, 0)) + group.identifier.to_bytes(2, "big")
