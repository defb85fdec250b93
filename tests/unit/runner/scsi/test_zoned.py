# SPDX-License-Identifier: Apache-2.0
"""What a zoned disk says of itself, and which commands it has."""

from __future__ import annotations

import pytest

from lioshell.errors import RunnerError
from lioshell.runner.scsi.unit import Geometry, Identity
from lioshell.runner.scsi.zoned import ZONED_OPERATIONS, ZonedDisk
from lioshell.testing.initiator import Initiator, rw16

from .zoned_bench import ZonedBench, failure


@pytest.fixture
def managed(tmp_path):
    made = ZonedBench(tmp_path / "a.zbc", ";max_open=5;conventional=1")
    yield made
    made.disk.close()


@pytest.fixture
def aware(tmp_path):
    made = ZonedBench(tmp_path / "b.zbc", ";max_open=5;conventional=1;model=host-aware")
    yield made
    made.disk.close()


def inquiry(bench, page: int | None = None) -> bytes:
    cdb = bytes((0x12, page is not None, page or 0, 0, 255, 0))
    answer, data = bench.send(cdb, b"", 255)
    assert answer.status == 0
    return data[: answer.read_len]


def test_a_host_managed_disk_is_of_type_14h(managed) -> None:
    data = inquiry(managed)
    assert data[0] == 0x14
    assert data[5] & 0x08 == 0  # 3PC: there is no EXTENDED COPY
    assert data[58:66] == bytes.fromhex("00a0 0460 04c0 0620")
    for page in inquiry(managed, 0)[4:]:
        assert inquiry(managed, page)[:2] == bytes((0x14, page))
    assert inquiry(managed, 0xB1)[8] == 0


def test_a_host_aware_disk_is_a_disk_that_is_zoned(aware) -> None:
    assert inquiry(aware)[0] == 0
    assert inquiry(aware, 0xB1)[8] == 0x10


def test_zoned_block_device_characteristics(managed, aware, tmp_path) -> None:
    none = b"\xff" * 4
    assert inquiry(managed, 0xB6)[3:20] == b"\x3c\x01\0\0\0" + none + none + b"\0\0\0\x05"
    assert inquiry(aware, 0xB6)[4:20] == b"\x01\0\0\0" + b"\0\0\0\x05" + none + bytes(4)
    assert len(inquiry(managed, 0xB6)) == 64
    restricted = ZonedBench(tmp_path / "c.zbc", ";restricted_reads")
    assert inquiry(restricted, 0xB6)[4] == 0
    restricted.disk.close()


def test_block_limits_promise_nothing_that_is_not_there(managed) -> None:
    assert inquiry(managed, 0xB0)[4:] == bytes(60)
    assert 0xB2 not in inquiry(managed, 0)[4:]


def test_read_capacity_tells_the_last_block_of_all(managed) -> None:
    answer, data = managed.send(bytes((0x9E, 0x10)) + bytes(11) + bytes((32, 0, 0)), b"", 32)
    assert answer.status == 0
    assert int.from_bytes(data[:8], "big") == 8 * 2048 - 1
    assert data[12] == 0x10
    assert data[14] == 0


def test_the_table_is_in_order_and_names_no_command_twice() -> None:
    keys = [(operation.code, operation.service_action or 0) for operation in ZONED_OPERATIONS]
    assert keys == sorted(set(keys))
    for operation in ZONED_OPERATIONS:
        assert operation.usage[0] == operation.code


@pytest.mark.parametrize("code", [0x04, 0x0A, 0x41, 0x42, 0x89, 0x8B, 0x8E, 0x93, 0x83, 0x2E, 0xAE])
def test_what_writes_out_of_order_is_not_there(managed, code) -> None:
    answer, _ = managed.send(bytes((code,)) + bytes(15), b"x" * 512)
    assert failure(answer) == (5, 0x20, 0)


@pytest.mark.parametrize("operation", ZONED_OPERATIONS, ids=lambda o: o.name)
def test_short_cdbs_and_naca_are_refused(managed, operation) -> None:
    if operation.execute is None:
        return
    cdb = bytearray(len(operation.usage))
    cdb[0], cdb[1] = operation.code, operation.service_action or 0
    for length in range(2, len(cdb)):
        assert failure(managed.send(bytes(cdb[:length]), b"", 512)[0]) == (5, 0x24, 0)
    cdb[-1] = 4
    answer, _ = managed.send(bytes(cdb), b"", 512)
    assert failure(answer) == (5, 0x24, 0)
    assert answer.sense[15:18] == bytes((0xCA, 0, len(cdb) - 1))


def test_a_handler_without_zones_is_refused(make_bench) -> None:
    handler = make_bench().handler
    with pytest.raises(RunnerError, match="no zones"):
        ZonedDisk(Identity("1"), Geometry(32768), handler)


def test_the_fast_path_leaves_zones_alone(tmp_path) -> None:
    """Whatever the handler is, READ and WRITE of a zoned disk look at the zones."""
    with Initiator.of(f"zbc/{_made(tmp_path)}", 8 << 20) as disk:
        assert disk.device.unit.direct_file is None
        disk.refused(rw16(0x8A, 7 * 2048 + 1, 1), (5, 0x21, 4), b"x" * 512)
        disk.good(bytes.fromhex("2a00000038000000 0100"), b"x" * 512)
        disk.refused(bytes.fromhex("2a00000038000000 0100"), (5, 0x21, 4), b"x" * 512)


def _made(folder) -> str:
    config = f"{folder}/fast.zbc;zone_size=1M"
    ZonedBench(f"{folder}/fast.zbc").disk.close()
    return config
