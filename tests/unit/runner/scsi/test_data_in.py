# SPDX-License-Identifier: Apache-2.0
"""Short answers leave nothing behind."""

from __future__ import annotations

from lioshell.runner.command import GOOD, Command
from lioshell.runner.scsi.data_in import filled, no_data, parameter_data


def command(size: int, cut: int = 0) -> tuple[Command, bytearray]:
    area = bytearray(b"\xa5" * size)
    view = memoryview(area)
    data = [view[:cut], view[cut:]] if cut else [view]
    return Command(b"", data, size), area


def test_parameter_data_that_fills_the_buffers_is_plain_good() -> None:
    sent, area = command(4)
    assert parameter_data(sent, b"abcd", 255) is GOOD
    assert area == b"abcd"


def test_shorter_parameter_data_sets_read_len_and_zeroes_the_rest() -> None:
    sent, area = command(8, 2)
    assert parameter_data(sent, b"abc", 255) == (0, b"", 3)
    assert area == b"abc\0\0\0\0\0"


def test_allocation_length_truncates() -> None:
    sent, area = command(8)
    assert parameter_data(sent, b"abcdef", 2) == (0, b"", 2)
    assert area == b"ab\0\0\0\0\0\0"


def test_buffers_shorter_than_the_data_truncate() -> None:
    sent, area = command(3, 1)
    assert parameter_data(sent, b"abcdef", 255) is GOOD
    assert area == b"abc"


def test_allocation_length_of_0_transfers_nothing() -> None:
    sent, area = command(3)
    assert parameter_data(sent, b"abcdef", 0) == (0, b"", 0)
    assert area == bytes(3)


def test_no_data() -> None:
    sent, area = command(5, 2)
    assert no_data(sent) == (0, b"", 0)
    assert area == bytes(5)
    assert no_data(Command(b"", [], 0)) is GOOD


def test_filled_keeps_what_was_filled() -> None:
    sent, area = command(5, 2)
    assert filled(sent, 3) == (0, b"", 3)
    assert area == b"\xa5\xa5\xa5\0\0"
