# SPDX-License-Identifier: Apache-2.0
"""A disk: a logical unit that answers the commands of SPC-4 and SBC-3 from a handler's storage."""

from __future__ import annotations

from dataclasses import replace

from lioshell.runner.scsi import mode, vpd
from lioshell.runner.scsi.attention import CAPACITY_CHANGED
from lioshell.runner.scsi.fast_path import FastPath
from lioshell.runner.scsi.opcodes import operations_of
from lioshell.runner.scsi.unit import Unit
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

    from lioshell.runner.handlers.base import Handler
    from lioshell.runner.ring import Ring
    from lioshell.runner.scsi.unit import Geometry, Identity


class Disk(Unit):
    """A direct access block device, PERIPHERAL DEVICE TYPE 00h (a `LogicalUnit`).

    Takes over `handler`: `close` closes it. Keeps no reference to a command's buffers.
    """

    __slots__ = ()

    # SAM-5, SPC-4, SBC-3, each without a version claimed (SPC-4 table 148).
    version_descriptors: ClassVar[tuple[int, ...]] = (0x00A0, 0x0460, 0x04C0)
    vpd_pages = vpd.DISK_PAGES
    mode_pages = mode.DISK_PAGES

    def __init__(
        self,
        identity: Identity | Callable[[], Identity],
        geometry: Geometry,
        handler: Handler,
        *,
        read_only: bool = False,
    ) -> None:
        super().__init__(identity, geometry, handler, (), read_only)
        self.set_operations(operations_of(self.provisioned))

    def fast_path(self, ring: Ring, slow: Callable[[bytes, float], None]) -> FastPath:
        """Return what executes the plain READs and WRITEs of a ring."""
        return FastPath(self, ring, slow)

    def set_size(self, size_bytes: int) -> None:
        """Have another size from the next command on, and tell initiators that it changed.

        Raises RunnerError for a size that is none. The handler's storage is the caller's affair.
        """
        self.geometry = replace(self.geometry, size_bytes=size_bytes)
        self.blocks = self.geometry.blocks
        self.report_attention(CAPACITY_CHANGED)
