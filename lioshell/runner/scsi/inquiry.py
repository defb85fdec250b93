# SPDX-License-Identifier: Apache-2.0
"""INQUIRY: what the unit is, in the standard data and the vital product data pages."""

from __future__ import annotations

from struct import Struct

from lioshell.runner.scsi import vpd
from lioshell.runner.scsi.data_in import parameter_data
from lioshell.runner.scsi.sense import invalid_field
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

_FIELDS = Struct(">xBBH")
_EVPD = 0x01
_CMDDT = 0x02

_SPC4: Final = 0x06
_RESPONSE_DATA_FORMAT: Final = 0x02
_TPGS_IMPLICIT: Final = 0x10
_3PC: Final = 0x08
_CMDQUE: Final = 0x02
_RMB: Final = 0x80
_EXTENDED_COPY: Final = 0x83
_DESCRIPTORS_BYTES: Final = 16


def inquiry(unit: Unit, command: Command) -> Response:
    """INQUIRY, SPC-4 6.6: standard data, or the VPD page that EVPD asks for.

    CmdDt, obsolete since SPC-3, is refused: REPORT SUPPORTED OPERATION CODES took its place.
    """
    flags, page_code, allocation_length = _FIELDS.unpack_from(command.cdb)
    if flags & _CMDDT:
        return invalid_field(1, 1)
    if flags & _EVPD:
        payload = vpd.page(unit, page_code)
        if payload is None:
            return invalid_field(2)
    elif page_code:
        return invalid_field(2)
    else:
        payload = standard_data(unit)
    return parameter_data(command, payload, allocation_length)


def standard_data(unit: Unit) -> bytes:
    """Return the standard INQUIRY data (SPC-4 6.6.2), 74 bytes with the version descriptors."""
    identity = unit.identity()
    # Asymmetric access means something only to who can find out the group of its own port.
    alone = len(unit.port_groups()) == 1
    copies = any(operation.code == _EXTENDED_COPY for operation in unit.operations)
    standards = b"".join(number.to_bytes(2, "big") for number in unit.version_descriptors)
    body = (
        bytes(((_3PC if copies else 0) | (_TPGS_IMPLICIT if alone else 0), 0, _CMDQUE))
        + vpd.ascii_field(identity.vendor, 8)
        + vpd.ascii_field(vpd.product(unit), 16)
        + vpd.ascii_field(identity.revision, 4)
        + bytes(22)
        + standards.ljust(_DESCRIPTORS_BYTES, b"\0")
    )
    return (
        bytes(
            (
                unit.device_type,
                _RMB if unit.removable else 0,
                _SPC4,
                _RESPONSE_DATA_FORMAT,
                len(body),
            )
        )
        + body
    )
