# SPDX-License-Identifier: Apache-2.0
"""SYNCHRONIZE CACHE and PRE-FETCH: what moves blocks between cache and medium only."""

from __future__ import annotations

from lioshell.runner.command import Deferred
from lioshell.runner.scsi.cdb import LAYOUT_10, LAYOUT_16, Layout
from lioshell.runner.scsi.data_in import no_data
from lioshell.runner.scsi.sense import LBA_OUT_OF_RANGE
from lioshell.runner.scsi.storage_error import flush_failed
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.command import Command, Response
    from lioshell.runner.scsi.unit import Unit

    Execute = Callable[[Unit, Command], Response | Deferred]


def _synchronizer(layout: Layout) -> Execute:
    def synchronize_cache(unit: Unit, command: Command) -> Response | Deferred:
        _, lba, count, _ = layout.decode(command.cdb)
        # A count of 0 means up to the last block, of which there must be one.
        if lba + max(count, 1) > unit.blocks:
            return LBA_OUT_OF_RANGE

        def flush() -> Response:
            try:
                unit.handler.flush()
            except OSError as error:
                return flush_failed(error)
            return no_data(command)

        engine = unit.engine
        if engine is None:
            return Deferred(flush)

        def submit(finish: Callable[[Response], None]) -> None:
            def done(error: OSError | None) -> None:
                finish(no_data(command) if error is None else flush_failed(error))

            try:
                engine.submit_flush(done)
            except OSError as error:
                done(error)

        return Deferred(flush, submit=submit)

    return synchronize_cache


def _prefetcher(layout: Layout) -> Execute:
    def pre_fetch(unit: Unit, command: Command) -> Response | Deferred:
        _, lba, count, _ = layout.decode(command.cdb)
        if lba + count > unit.blocks:
            return LBA_OUT_OF_RANGE
        offset_bytes = lba * unit.block_size_bytes
        # A count of 0 means up to the last block.
        size_bytes = (count or unit.blocks - lba) * unit.block_size_bytes

        def prefetch() -> Response:
            unit.handler.prefetch(offset_bytes, size_bytes)
            # GOOD and not CONDITION MET: it is not known that the cache will hold all of it.
            return no_data(command)

        return Deferred(prefetch)

    return pre_fetch


synchronize_cache_10 = _synchronizer(LAYOUT_10)
"""SYNCHRONIZE CACHE (10), SBC-3 5.26: the whole cache, and answered when done, IMMED or not."""
synchronize_cache_16 = _synchronizer(LAYOUT_16)
"""SYNCHRONIZE CACHE (16), SBC-3 5.27: the whole cache, and answered when done, IMMED or not."""
pre_fetch_10 = _prefetcher(LAYOUT_10)
"""PRE-FETCH (10), SBC-3 5.8: a hint to the page cache, answered when it was given, IMMED or not."""
pre_fetch_16 = _prefetcher(LAYOUT_16)
"""PRE-FETCH (16), SBC-3 5.9: as PRE-FETCH (10)."""
