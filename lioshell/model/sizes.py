# SPDX-License-Identifier: Apache-2.0
"""Sizes as people type and read them: 4096, 512k, 256M, 10GiB."""

from __future__ import annotations

import re

from lioshell.errors import UsageError

_SIZE = re.compile(r"([0-9]+)\s*([kmgtpe]?)(i?b)?", re.IGNORECASE)
_UNITS = "kmgtpe"


def parse_size(text: str) -> int:
    """Return the bytes that a size such as "256M" or "10GiB" names; units are powers of 1024.

    As in targetcli, "10GB" and "10GiB" are the same. Raises UsageError for anything else, zero
    included.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is not a size",
            hint="Give a whole number with an optional unit k, M, G, T or P, as in 256M or 10GiB.",
        )
    unit = match[2].lower()
    size_bytes = int(match[1])
    if unit:
        size_bytes *= 1024 ** (_UNITS.index(unit) + 1)
    if size_bytes == 0:
        raise UsageError("A size of 0 is no size", hint="Give at least one block, as in 512.")
    if size_bytes >= 1 << 63:
        raise UsageError(f"{text!r} is larger than any device can be", hint="Give less than 8E.")
    return size_bytes


def format_size(size_bytes: int) -> str:
    """Return a size as the tree shows it: 4.0KiB, 256.0MiB; below 1 KiB as 512B."""
    if size_bytes < 1024:
        return f"{size_bytes}B"
    value = float(size_bytes)
    for unit in "KMGTPE":
        value /= 1024
        if value < 1024 or unit == "E":
            return f"{value:.1f}{unit}iB"
    raise AssertionError(unit)


def check_block_multiple(size_bytes: int, block_size_bytes: int) -> None:
    """Raise UsageError unless a size is a whole number of blocks.

    The kernel does not check it for user: backstores and then reports one block too few or too
    many (drivers/target/target_core_user.c, tcmu_get_blocks).
    """
    if size_bytes % block_size_bytes:
        below = size_bytes - size_bytes % block_size_bytes
        raise UsageError(
            f"A size of {size_bytes} bytes is no multiple of the block size, "
            f"{block_size_bytes} bytes",
            hint=f"Use {below or block_size_bytes} or {below + block_size_bytes}.",
        )
