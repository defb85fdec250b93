# SPDX-License-Identifier: Apache-2.0
"""An optical drive: PERIPHERAL DEVICE TYPE 05h, MMC-6, with a disc that can be another one."""

from __future__ import annotations

import threading

from lioshell.runner.handlers.optical import BLOCK_SIZE_BYTES, NoMedium
from lioshell.runner.scsi import (
    alua,
    block,
    cache,
    capacity,
    diagnostics,
    inquiry,
    mmc_disc,
    mmc_drive,
    mmc_features,
    mmc_format,
    mode,
    verify,
    vpd,
)
from lioshell.runner.scsi.attention import MEDIUM_CHANGED, with_attention
from lioshell.runner.scsi.dispatch import action, dispatch_table, plain, transfer
from lioshell.runner.scsi.supported_opcodes import report_supported_operation_codes
from lioshell.runner.scsi.unit import Geometry, Unit
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.command import Command, Response
    from lioshell.runner.handlers.base import Handler
    from lioshell.runner.scsi.unit import Identity

    KeepTray = Callable[[bool, bool], None]

_FLUSH_S: Final = 60
_FORMAT_S: Final = 3600
# A CD of 90 minutes, 75 blocks a second; what is larger is taken for a DVD.
_CD_BLOCKS: Final = 90 * 60 * 75

OPTICAL_OPERATIONS: Final = (
    plain("TEST UNIT READY", "00 00 00 00 00 04", mmc_drive.test_unit_ready),
    plain("REQUEST SENSE", "03 01 00 00 ff 04", mmc_drive.request_sense),
    plain("FORMAT UNIT", "04 1f 00 00 00 04", mmc_format.format_unit, _FORMAT_S),
    plain("INQUIRY", "12 03 ff ff ff 04", inquiry.inquiry),
    plain("MODE SELECT (6)", "15 11 00 00 ff 04", mode.mode_select_6, _FLUSH_S),
    plain("MODE SENSE (6)", "1a 08 ff ff ff 04", mode.mode_sense_6),
    plain("START STOP UNIT", "1b 00 00 00 f3 04", mmc_drive.start_stop_unit, _FLUSH_S),
    plain(
        "PREVENT ALLOW MEDIUM REMOVAL",
        "1e 00 00 00 01 04",
        mmc_drive.prevent_allow_medium_removal,
    ),
    plain(
        "READ FORMAT CAPACITIES", "23 00 00 00 00 00 00 ff ff 04", mmc_disc.read_format_capacities
    ),
    plain("READ CAPACITY (10)", "25 00 ff ff ff ff 00 00 01 04", capacity.read_capacity_10),
    transfer("READ (10)", "28 f8 ff ff ff ff 00 ff ff 04", block.read_10),
    transfer("WRITE (10)", "2a f8 ff ff ff ff 00 ff ff 04", block.write_10),
    plain("SEEK (10)", "2b 00 ff ff ff ff 00 00 00 04", mmc_disc.seek_10),
    plain("WRITE AND VERIFY (10)", "2e f6 ff ff ff ff 00 ff ff 04", verify.write_and_verify_10),
    plain("VERIFY (10)", "2f f6 ff ff ff ff 00 ff ff 04", verify.verify_10),
    plain(
        "SYNCHRONIZE CACHE (10)",
        "35 00 ff ff ff ff 00 ff ff 04",
        cache.synchronize_cache_10,
        _FLUSH_S,
    ),
    plain("READ TOC/PMA/ATIP", "43 02 0f 00 00 00 ff ff ff c4", mmc_disc.read_toc),
    plain("GET CONFIGURATION", "46 03 ff ff 00 00 00 ff ff 04", mmc_features.get_configuration),
    plain(
        "GET EVENT STATUS NOTIFICATION",
        "4a 01 00 00 ff 00 00 ff ff 04",
        mmc_drive.get_event_status_notification,
    ),
    plain("READ DISC INFORMATION", "51 07 00 00 00 00 00 ff ff 04", mmc_disc.read_disc_information),
    plain(
        "READ TRACK INFORMATION", "52 03 ff ff ff ff 00 ff ff 04", mmc_disc.read_track_information
    ),
    plain("MODE SELECT (10)", "55 11 00 00 00 00 00 ff ff 04", mode.mode_select_10, _FLUSH_S),
    plain("MODE SENSE (10)", "5a 18 ff ff 00 00 00 ff ff 04", mode.mode_sense_10),
    # drivers/target/target_core_device.c, passthrough_parse_cdb: the kernel's own.
    plain("REPORT LUNS", "a0 00 ff 00 00 00 ff ff ff ff 00 00", None),
    action(
        "REPORT TARGET PORT GROUPS",
        "a3 ea 00 00 00 00 ff ff ff ff 00 04",
        alua.report_target_port_groups,
    ),
    action(
        "REPORT SUPPORTED OPERATION CODES",
        "a3 0c 87 ff ff ff ff ff ff ff 00 04",
        report_supported_operation_codes,
    ),
    action(
        "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
        "a3 0d 80 00 00 00 ff ff ff ff 00 04",
        diagnostics.report_supported_task_management_functions,
    ),
    transfer("READ (12)", f"a8 f8 {'ff' * 8} 00 04", block.read_12),
    transfer("WRITE (12)", f"aa f8 {'ff' * 8} 00 04", block.write_12),
    plain(
        "READ DISC STRUCTURE",
        "ad 0f 00 00 00 00 ff ff ff ff 00 04",
        mmc_disc.read_disc_structure,
    ),
    plain("SET CD SPEED", f"bb 00 {'00' * 9} 04", mmc_drive.set_cd_speed),
    plain("MECHANISM STATUS", f"bd 00 {'00' * 6} ff ff 00 04", mmc_drive.mechanism_status),
)
"""Ordered by operation code and service action."""

_NEED_A_DISC: Final = bytes.fromhex("00 04 25 28 2a 2b 2e 2f 35 43 51 52 a8 aa ad")
# MMC-6 4.1.7: answered while a unit attention waits, beside those that SPC has.
_BESIDE_ATTENTION: Final = (0x46, 0x4A)


class OpticalDrive(Unit):
    """A drive with a tray (a `LogicalUnit`); the disc in it is its handler's storage.

    Takes over `handler`: `close` closes it. `keep_tray` is told whether the tray is open and
    locked, for whoever serves the drive next.
    """

    __slots__ = ("_event", "_moved", "keep_tray", "locked", "tray_open")

    # SAM-5, SPC-4, MMC-5, each without a version claimed (SPC-4 table 148).
    version_descriptors = (0x00A0, 0x0460, 0x0420)
    vpd_pages = vpd.COMMON_PAGES
    mode_pages = mmc_drive.OPTICAL_MODE_PAGES
    removable = True
    has_block_descriptor = False

    def __init__(
        self,
        identity: Identity | Callable[[], Identity],
        geometry: Geometry,
        handler: Handler,
        *,
        read_only: bool = False,
    ) -> None:
        self.tray_open = False
        self.locked = False
        self.keep_tray: KeepTray | None = None
        self._event = 0
        self._moved = threading.Condition()
        super().__init__(identity, geometry, handler, OPTICAL_OPERATIONS, read_only)
        self.device_type = 0x05
        self._settle()

    @property
    def has_disc(self) -> bool:
        """Whether a disc is in the tray, open or closed."""
        return not isinstance(self.handler, NoMedium)

    @property
    def is_loaded(self) -> bool:
        """Whether a disc is there that can be read."""
        return self.has_disc and not self.tray_open

    @property
    def is_cd(self) -> bool:
        """Whether the disc is small enough for a CD, and none that is written."""
        return self.handler.read_only and self.blocks <= _CD_BLOCKS

    @property
    def why_not_ready(self) -> Response | None:
        """What a command that needs a disc is answered with; None: there is one."""
        if self.tray_open:
            return mmc_drive.TRAY_OPEN
        return None if self.has_disc else mmc_drive.NO_MEDIUM

    def set_disc(self, handler: Handler) -> None:
        """Have another disc, or none, in a closed tray from the next command on.

        The former handler stays open: it is the caller's. Raises RunnerError for a size that is
        none.
        """
        size = handler.size_bytes or BLOCK_SIZE_BYTES
        limit = self.geometry.hw_max_sectors
        self.set_storage(Geometry(size, BLOCK_SIZE_BYTES, limit), handler)
        self._event = mmc_drive.NEW_MEDIUM if self.has_disc else mmc_drive.MEDIUM_REMOVED
        self.tray_open = self.locked = False
        self._kept()
        self._settle(changed=self.has_disc)

    def load(self) -> None:
        """Close the tray; a disc in it is to be looked at again."""
        if not self.tray_open:
            return
        self.tray_open = False
        self._event = mmc_drive.NEW_MEDIUM if self.has_disc else 0
        self._kept()
        self._settle(changed=self.has_disc)

    def open_tray(self) -> None:
        """Open the tray; the disc in it is not ready until it is loaded."""
        self.tray_open = True
        self._event = mmc_drive.MEDIUM_REMOVED
        self._kept()
        self._settle()

    def lock(self, locked: bool) -> None:
        """Let no initiator open the tray, or let them."""
        if locked != self.locked:
            self.locked = locked
            self._kept()

    def restore_tray(self, tray_open: bool, locked: bool) -> None:
        """Have tray and lock as another process had left them."""
        self.tray_open, self.locked = tray_open, locked
        self._settle()

    def request_eject(self, timeout_s: float) -> bool:
        """Tell initiators that somebody wants the disc, and whether they let it go in time.

        Linux looks for events every two seconds where udev told it to (events_dfl_poll_msecs).
        """
        self._event = mmc_drive.EJECT_REQUEST
        with self._moved:
            return self._moved.wait_for(lambda: self.tray_open or not self.locked, timeout_s)

    def take_event(self) -> int:
        """Return the media event that nobody has been told of, 0 for none."""
        event, self._event = self._event, 0
        return event

    def _kept(self) -> None:
        with self._moved:
            self._moved.notify_all()
        if self.keep_tray is not None:
            self.keep_tray(self.tray_open, self.locked)

    def _settle(self, *, changed: bool = False) -> None:
        """Answer what needs a disc as it is with the disc; with `changed` say that once."""
        table = dispatch_table(self, self.operations)
        missing = self.why_not_ready
        if missing is not None:

            def not_ready(_command: Command) -> Response:
                return missing

            for code in _NEED_A_DISC:
                table[code] = not_ready
        self._commands = self._dispatch = table
        self.attention = changed
        if changed:
            self._dispatch = with_attention(
                table, MEDIUM_CHANGED, self._reported, _BESIDE_ATTENTION
            )
