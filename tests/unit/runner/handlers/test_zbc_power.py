# SPDX-License-Identifier: Apache-2.0
"""The power fails: what was synced, or written with FUA, is there with its write pointer.

A model of the page cache: each sector of 512 bytes holds, after the failure, what it held at some
moment since it was last synced, independent of all others.
"""

from __future__ import annotations

import os
import random

import pytest

from lioshell.runner.handlers.zbc import ZbcHandler

MIB = 1 << 20
SIZE = 4 * MIB
SECTOR = 512


class Disk:
    """Records what is written to one file, and which of it must survive."""

    def __init__(self, path: str, monkeypatch) -> None:
        with open(path, "rb") as file:
            self.base = file.read()
        # Of each sector that was written: its contents in order, and how many of them are durable.
        self.held: dict[int, list[bytes]] = {}
        self.durable: dict[int, int] = {}
        self.now = bytearray(self.base)
        plain_write, plain_sync = os.pwritev, os.fdatasync

        def pwritev(descriptor, views, offset, flags=0):
            data = b"".join(views)
            self.now[offset : offset + len(data)] = data
            sectors = range(offset // SECTOR, (offset + len(data) - 1) // SECTOR + 1)
            for sector in sectors:
                contents = bytes(self.now[sector * SECTOR : (sector + 1) * SECTOR])
                self.held.setdefault(sector, []).append(contents)
            if flags & os.RWF_DSYNC:
                self.sync(sectors)
            return plain_write(descriptor, views, offset, flags)

        def fdatasync(descriptor):
            self.sync(self.held)
            plain_sync(descriptor)

        monkeypatch.setattr(os, "pwritev", pwritev)
        monkeypatch.setattr(os, "fdatasync", fdatasync)

    def sync(self, sectors) -> None:
        self.durable |= {sector: len(self.held[sector]) for sector in sectors}

    def after_failure(self, chance: random.Random) -> bytes:
        """Return what is in the file when the power is back."""
        image = bytearray(self.base)
        for sector, contents in self.held.items():
            kept = chance.randint(self.durable.get(sector, 0), len(contents))
            if kept:
                image[sector * SECTOR : (sector + 1) * SECTOR] = contents[kept - 1]
        return bytes(image)


def put(handler: ZbcHandler, lba: int, data: bytes, durable: bool) -> None:
    """Write as the unit does."""
    handler.zones.begin_write(lba, len(data) // 512)
    handler.write([memoryview(data)], lba * 512, durable)
    handler.zones.end_write(lba, len(data) // 512, durable)


@pytest.mark.parametrize("seed", range(12))
def test_what_was_synced_is_there_with_its_pointer(tmp_path, monkeypatch, seed) -> None:
    chance = random.Random(seed)
    path = f"{tmp_path}/a.zbc"
    # Small zones: their records lie in many sectors, and across the ends of some.
    config = f"{path};zone_size=128k;conventional=1;max_open=4"
    ZbcHandler.prepare(config, SIZE, 512)
    with monkeypatch.context() as patch:
        disk = Disk(path, patch)
        handler = ZbcHandler.open(config, SIZE, 512)
        written: dict[int, bytes] = {}
        synced: dict[int, bytes] = {}
        for number in range(chance.randint(20, 120)):
            zone = handler.zones[chance.randrange(1, 32)]
            count = min(chance.choice((1, 8, 16)), zone.end - zone.pointer)
            if count:
                data = number.to_bytes(4, "big") * (count * 128)
                fua = chance.random() < 0.2
                put(handler, zone.pointer, data, fua)
                written[zone.pointer] = data
                if fua:
                    synced[zone.pointer] = data
            if chance.random() < 0.1:
                handler.flush()
                synced |= written
        handler.close()
    failed = f"{tmp_path}/failed.zbc"
    for _ in range(5):
        with open(failed, "wb") as file:
            file.write(disk.after_failure(chance))
        handler = ZbcHandler.open(failed, SIZE, 512)
        for lba, data in synced.items():
            zone = handler.zones[lba // 256]
            assert zone.pointer >= lba + len(data) // 512
            found = bytearray(len(data))
            handler.read([memoryview(found)], lba * 512)
            assert found == data
        handler.close()
    assert synced
