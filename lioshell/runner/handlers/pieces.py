# SPDX-License-Identifier: Apache-2.0
"""Transfers to storage that is kept in units: each command is cut where one unit ends."""

from __future__ import annotations

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def pieces(
    buffers: list[memoryview], offset_bytes: int, unit_bytes: int
) -> Iterator[tuple[int, int, memoryview]]:
    """Cut a transfer at the ends of units of `unit_bytes`: chunks, rows, objects.

    Yields for each piece the number of its unit, its offset there in bytes, and the view of it.
    """
    for view in buffers:
        while view:
            number, start = divmod(offset_bytes, unit_bytes)
            part = view[: unit_bytes - start]
            yield number, start, part
            offset_bytes += len(part)
            view = view[len(part) :]
