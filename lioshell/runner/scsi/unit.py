# SPDX-License-Identifier: Apache-2.0
"""What the commands of one logical unit share: who it is, how large it is, and its storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lioshell.errors import RunnerError
from lioshell.runner import tuning
from lioshell.runner.handlers.base import require_whole
from lioshell.runner.handlers.completion import CompletionHandler
from lioshell.runner.scsi.attention import with_attention
from lioshell.runner.scsi.cdb import FUA
from lioshell.runner.scsi.dispatch import dispatch_table
from lioshell.runner.scsi.holds import Holds
from lioshell.runner.scsi.sense import INVALID_CDB
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar

    from lioshell.runner.command import Command, Deferred, Response
    from lioshell.runner.handlers.base import Handler
    from lioshell.runner.scsi.alua import PortGroup
    from lioshell.runner.scsi.dispatch import Operation, Run
    from lioshell.runner.scsi.mode import MakePage
    from lioshell.runner.scsi.xcopy import CopyState

KeepModes = Callable[[bool, bool], None]
"""Keeps SWP and WCE for whoever serves the unit next; raises OSError."""

LIO_COMPANY_ID = 0x001405
"""IEEE company id of the Linux target, the default of wwn/company_id."""

_NAA_VENDOR_DIGITS = 25
_NO_LIMIT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a logical unit says it is.

    `unit_serial` is the text of wwn/vpd_unit_serial, empty when none was written. `product` falls
    back to `name`, the storage object's name, as LIO's own backstores show it.
    """

    unit_serial: str = ""
    name: str = ""
    vendor: str = "LIO-ORG"
    product: str = ""
    revision: str = "0001"
    company_id: int = LIO_COMPANY_ID

    def naa(self) -> bytes | None:
        """Return the 16 bytes of the NAA IEEE Registered Extended designator (SPC-4 7.8.6.6.5).

        The same that the kernel makes for its own backstores of this serial: NAA 6h, the company
        id, and the first 25 hex digits of the serial, whatever stands between them, filled with
        zeros (drivers/target/target_core_spc.c, spc_gen_naa_6h_vendor_specific). None without any
        digit: every such device of the world would have the same name.
        """
        digits = [d for d in self.unit_serial if d in "0123456789abcdefABCDEF"]
        if not digits:
            return None
        text = "".join(digits[:_NAA_VENDOR_DIGITS]).ljust(_NAA_VENDOR_DIGITS, "0")
        return bytes.fromhex(f"6{self.company_id:06x}{text}")


@dataclass(frozen=True, slots=True)
class Geometry:
    """The size of a logical unit: whole blocks of a power of two of at least 512 bytes.

    `hw_max_sectors` is the most blocks that one command should transfer, 0 where nothing is known.
    Raises RunnerError for a size that is none: the kernel does not check what it is given.
    """

    size_bytes: int
    block_size_bytes: int = 512
    hw_max_sectors: int = 0

    def __post_init__(self) -> None:
        block = self.block_size_bytes
        if block < 512 or block & (block - 1):
            raise RunnerError(
                f"A block size of {block} bytes cannot be served",
                hint="Delete the device and create it with hw_block_size=512 or 4096.",
            )
        if self.size_bytes < block or self.size_bytes % block:
            raise RunnerError(
                f"A size of {self.size_bytes} bytes is no whole number of {block}-byte blocks",
                hint="Delete the device and create it with a size that is.",
            )

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return self.size_bytes // self.block_size_bytes


class Unit:
    """The state that the functions of the command families work on, and who calls them.

    `identity` is an Identity, or a callable for one: the serial is often written after the device
    was enabled, so it is asked for by the first command that tells it and kept once it is there.
    """

    version_descriptors: ClassVar[tuple[int, ...]]
    """The standards that the standard INQUIRY data claim (SPC-4 table 148)."""
    vpd_pages: ClassVar[Mapping[int, Callable[[Unit], bytes]]]
    """Its vital product data: the page code, and what makes the page without its header."""
    mode_pages: ClassVar[Mapping[int, MakePage]]
    removable: ClassVar[bool] = False
    """RMB of the INQUIRY data: the medium can be another one tomorrow."""
    is_zoned: ClassVar[bool] = False
    has_block_descriptor: ClassVar[bool] = True
    """Mode parameters begin as those of direct access block devices do (SBC-3 6.5.1)."""

    __slots__ = (
        "_commands",
        "_dispatch",
        "_identify",
        "_identity",
        "_protected",
        "attention",
        "block_size_bytes",
        "blocks",
        "careful_writes",
        "copies",
        "device_type",
        "direct_file",
        "engine",
        "geometry",
        "handler",
        "holds",
        "keep_modes",
        "kick",
        "max_in_flight",
        "operations",
        "port_groups",
        "provisioned",
        "read_only",
        "swp",
        "transfer_limit_blocks",
        "try_read",
        "try_write",
        "waited",
        "write_cache",
    )

    def __init__(
        self,
        identity: Identity | Callable[[], Identity],
        geometry: Geometry,
        handler: Handler,
        operations: tuple[Operation, ...],
        read_only: bool = False,
    ) -> None:
        self._identify = identity
        self._identity: Identity | None = None
        self.device_type = 0x00
        self.keep_modes: KeepModes | None = None
        self.port_groups: Callable[[], tuple[PortGroup, ...]] = tuple
        self.holds = Holds()
        self.copies: dict[int, CopyState] = {}
        self.attention = False
        self.set_storage(geometry, handler, read_only)
        self.set_operations(operations)

    def set_storage(self, geometry: Geometry, handler: Handler, read_only: bool = False) -> None:
        """Have this storage from the next command on; nothing of the former is closed."""
        self.geometry = geometry
        self.blocks = geometry.blocks
        self.block_size_bytes = geometry.block_size_bytes
        self.handler = handler
        self.provisioned = handler.can_discard and not handler.read_only
        self.transfer_limit_blocks = geometry.hw_max_sectors or _NO_LIMIT
        self._protected = read_only or handler.read_only
        self.set_modes(False, handler.write_cache)
        # Bound once: they are called for every READ and WRITE.
        self.waited = handler.waited
        self.max_in_flight = handler.max_in_flight
        inline = tuning.has(tuning.INLINE)
        self.try_read = handler.try_read if inline else _not_now
        self.try_write = handler.try_write if inline else _not_now
        self.direct_file = handler.direct_file if inline else None
        self.engine = handler if isinstance(handler, CompletionHandler) else None
        self.kick = None if self.engine is None else self.engine.kick

    def set_operations(self, operations: tuple[Operation, ...]) -> None:
        """Execute these commands, and no others, from the next one on."""
        self.operations = operations
        self._commands: list[Run] = dispatch_table(self, operations)
        self._dispatch = self._commands

    def execute(self, command: Command) -> Response | Deferred:
        """Execute one command, whatever its CDB holds; what may block is returned as Deferred.

        What a handler or the identity callable raises comes through, but for a handler's OSError
        on data: that is answered with the sense data of storage_error.
        """
        try:
            run = self._dispatch[command.cdb[0]]
        except IndexError:
            return INVALID_CDB
        return run(command)

    def report_attention(self, response: Response) -> None:
        """Answer the next command that is for it with a unit attention, then go on as before."""
        self._dispatch = with_attention(self._commands, response, self._reported)
        self.attention = True

    def _reported(self) -> None:
        self.attention = False
        self._dispatch = self._commands

    def close(self) -> None:
        """Close the handler. Raises OSError when its last write-back failed."""
        self.handler.close()

    def read(self, buffers: list[memoryview], offset_bytes: int) -> None:
        """Fill all buffers, however long that takes. Raises OSError."""
        require_whole(self.handler.read(buffers, offset_bytes), buffers)

    def write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> None:
        """Write all buffers, however long that takes. Raises OSError."""
        require_whole(self.handler.write(buffers, offset_bytes, fua), buffers)

    def set_modes(self, swp: bool, write_cache: bool) -> None:
        """Set software write protect, and whether writes may wait in the handler's cache."""
        self.swp = swp
        self.read_only = swp or self._protected
        self.write_cache = write_cache and self.handler.write_cache
        # One look of each WRITE at what makes it more than a call of the handler.
        self.careful_writes = self.read_only or self.write_cache != self.handler.write_cache

    def fua(self, flags: int) -> bool:
        """Tell whether a write with these flags must reach the medium before it is answered."""
        return self.handler.write_cache and (not self.write_cache or flags & FUA != 0)

    def identity(self) -> Identity:
        """Return who the unit is; raises what the callable raises."""
        known = self._identity
        if known is None:
            known = self._identify() if callable(self._identify) else self._identify
            if known.unit_serial:
                self._identity = known
        return known

    def forget_identity(self) -> None:
        """Ask for the identity again at the next command that tells it."""
        self._identity = None


def _not_now(_buffers: list[memoryview], _offset_bytes: int) -> bool:
    return False
