# SPDX-License-Identifier: Apache-2.0
"""A zoned disk: host-managed (PERIPHERAL DEVICE TYPE 14h) or host-aware (00h), ZBC-2."""

from __future__ import annotations

from lioshell.errors import RunnerError
from lioshell.runner.handlers.zoned import ZonedHandler
from lioshell.runner.scsi import zone_management, zoned_block, zoned_vpd
from lioshell.runner.scsi.disk import Disk
from lioshell.runner.scsi.dispatch import action, transfer
from lioshell.runner.scsi.opcodes import OPERATIONS
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.handlers.base import Handler
    from lioshell.runner.scsi.unit import Geometry, Identity
    from lioshell.runner.zones import ZoneTable

_HOST_MANAGED: Final = 0x14

# Of a disk's commands, those that write nothing; a range is written by WRITE alone, in order.
_OF_A_DISK: Final = bytes.fromhex(
    "00 03 12 15 1a 1b 1d 25 2f 34 35 37 4d 55 5a 8f 90 91 9e a0 a3 af b7"
)
ZONED_OPERATIONS: Final = tuple(
    sorted(
        (
            *(o for o in OPERATIONS if o.code in _OF_A_DISK and not o.provisioned),
            transfer("READ (10)", "28 f8 ff ff ff ff 00 ff ff 04", zoned_block.read_10),
            transfer("WRITE (10)", "2a f8 ff ff ff ff 00 ff ff 04", zoned_block.write_10),
            transfer("READ (16)", f"88 f8 {'ff' * 12} 00 04", zoned_block.read_16),
            transfer("WRITE (16)", f"8a f8 {'ff' * 12} 00 04", zoned_block.write_16),
            transfer("READ (12)", f"a8 f8 {'ff' * 8} 00 04", zoned_block.read_12),
            transfer("WRITE (12)", f"aa f8 {'ff' * 8} 00 04", zoned_block.write_12),
            action("CLOSE ZONE", f"94 01 {'ff' * 8} 00000000 01 04", zone_management.close_zone),
            action("FINISH ZONE", f"94 02 {'ff' * 8} 00000000 01 04", zone_management.finish_zone),
            action("OPEN ZONE", f"94 03 {'ff' * 8} 00000000 01 04", zone_management.open_zone),
            action(
                "RESET WRITE POINTER",
                f"94 04 {'ff' * 8} 00000000 01 04",
                zone_management.reset_write_pointer,
            ),
            action("REPORT ZONES", f"95 00 {'ff' * 12} bf 04", zone_management.report_zones),
        ),
        key=lambda operation: (operation.code, operation.service_action or 0),
    )
)
"""Ordered by operation code and service action."""


class ZonedDisk(Disk):
    """A disk whose zones are written from their beginning to their end (a `LogicalUnit`)."""

    __slots__ = ("restricted_reads", "storage", "zones")

    # SAM-5, SPC-4, SBC-3, ZBC, each without a version claimed (SPC-4 table 148).
    version_descriptors = (0x00A0, 0x0460, 0x04C0, 0x0620)
    vpd_pages = zoned_vpd.ZONED_PAGES
    is_zoned = True

    def __init__(
        self,
        identity: Identity | Callable[[], Identity],
        geometry: Geometry,
        handler: Handler,
        *,
        read_only: bool = False,
    ) -> None:
        if not isinstance(handler, ZonedHandler):
            raise RunnerError(
                f"user:{handler.subtype} has no zones, but says that it is zoned",
                hint="Derive its handler from ZonedHandler.",
            )
        super().__init__(identity, geometry, handler, read_only=read_only)
        self.storage = handler
        self.zones: ZoneTable = handler.zones
        self.restricted_reads = handler.restricted_reads
        self.device_type = _HOST_MANAGED if self.zones.is_host_managed else 0x00
        self.set_operations(ZONED_OPERATIONS)
        # The fast path knows nothing of zones.
        self.direct_file = None
