# SPDX-License-Identifier: Apache-2.0
"""Arbitrary commands through SG_IO, run inside the guest: a JSON object of what came of them.

PYTHONPATH=CHECKOUT python3 CHECKOUT/tests/kernel/sg_io.py /dev/sdX COMMANDS SEED
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import random
import sys
from collections import Counter
from typing import Final, NamedTuple

from tests.property.scsi_commands import arbitrary

_SG_IO: Final = 0x2285
_NONE, _TO_DEVICE, _FROM_DEVICE = -1, -2, -3
_SENSE_BYTES: Final = 96
_TIMEOUT_MS: Final = 60_000
BLOCK_SIZE: Final = 512


class _Header(ctypes.Structure):
    """struct sg_io_hdr, include/scsi/sg.h."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("dxfer_direction", ctypes.c_int),
        ("cmd_len", ctypes.c_ubyte),
        ("mx_sb_len", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("dxfer_len", ctypes.c_uint),
        ("dxferp", ctypes.c_void_p),
        ("cmdp", ctypes.c_void_p),
        ("sbp", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("usr_ptr", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sb_len_wr", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("resid", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


class Answer(NamedTuple):
    """What a command was answered: SCSI status, the host's status, sense data and data-in."""

    status: int
    host_status: int
    sense: bytes
    data: bytes
    duration_ms: int


def send(fd: int, cdb: bytes, data_out: bytes = b"", data_in_bytes: int = 0) -> Answer:
    """Send one command and wait for its answer. Raises OSError where the kernel refuses it."""
    size = len(data_out) or data_in_bytes
    data = ctypes.create_string_buffer(data_out, size) if size else None
    command = ctypes.create_string_buffer(cdb, len(cdb))
    sense = ctypes.create_string_buffer(_SENSE_BYTES)
    header = _Header(
        interface_id=ord("S"),
        dxfer_direction=_TO_DEVICE if data_out else _FROM_DEVICE if data_in_bytes else _NONE,
        cmd_len=len(cdb),
        mx_sb_len=_SENSE_BYTES,
        dxfer_len=size,
        dxferp=ctypes.addressof(data) if data is not None else None,
        cmdp=ctypes.addressof(command),
        sbp=ctypes.addressof(sense),
        timeout=_TIMEOUT_MS,
    )
    fcntl.ioctl(fd, _SG_IO, header)
    received = data.raw[: size - header.resid] if data is not None and data_in_bytes else b""
    return Answer(
        header.status,
        header.host_status,
        sense.raw[: header.sb_len_wr],
        received,
        header.duration,
    )


def main(device: str, count: int, seed: int) -> None:
    """Send `count` commands made of `seed` and print how they were answered."""
    fd = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    blocks = int.from_bytes(send(fd, b"\x25" + bytes(9), b"", 8).data[:4], "big") + 1
    rng = random.Random(seed)
    statuses: Counter[str] = Counter()
    unanswered: list[str] = []
    longest_ms = 0
    for _ in range(count):
        command = arbitrary(rng, blocks, BLOCK_SIZE)
        try:
            answer = send(fd, command.cdb, command.data_out, command.data_in_bytes)
        except OSError as error:
            statuses[f"errno {error.errno}"] += 1
            continue
        longest_ms = max(longest_ms, answer.duration_ms)
        key = f"{answer.sense[2] & 15:x}" if len(answer.sense) > 2 else ""
        statuses[f"{answer.status:02x}/{key}"] += 1
        if answer.host_status:
            unanswered.append(f"{command.cdb.hex(' ')}: host status {answer.host_status}")
    print(
        json.dumps({"statuses": statuses, "unanswered": unanswered[:20], "longest_ms": longest_ms})
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
