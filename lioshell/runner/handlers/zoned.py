# SPDX-License-Identifier: Apache-2.0
"""What a handler of zoned storage has beside the blocks: the zones."""

from __future__ import annotations

from abc import abstractmethod

from lioshell.runner.handlers.base import Handler
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.runner.zones import Zone, ZoneTable


class ZonedHandler(Handler):
    """Storage that is written from the beginning of each zone to its end.

    The unit in front of it keeps the rules of the zones and calls `read` and `write` as for any
    other storage; write pointers are kept by the `store` of its ZoneTable. Host-managed unless its
    zones are sequential write preferred ones.
    """

    device_type = 0x14

    zones: ZoneTable
    """The zones as they were found when the storage was opened."""
    restricted_reads: bool = False
    """Whether reads behind a write pointer and across zones are refused (URSWRZ = 0)."""

    @abstractmethod
    def erase(self, zone: Zone) -> None:
        """Make the blocks of a zone that was reset read as zeros. Raises OSError."""
