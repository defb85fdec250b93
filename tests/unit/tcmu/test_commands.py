# SPDX-License-Identifier: Apache-2.0
"""Handlers of SCSI commands, what a command tells them, and each emulate_ helper."""

import inspect
import struct

import pytest

from lioshell import tcmu
from lioshell.errors import UsageError
from lioshell.runner.command import Command, Response
from lioshell.runner.scsi.unit import Geometry, Identity
from lioshell.tcmu.commands import CommandDisk, ScsiCommand
from lioshell.tcmu.storage import ObjectHandler
from tests.unit.tcmu.conftest import SIZE, Memory


@pytest.fixture
def unit(memory):
    memory.discard = lambda n, offset: memory.pwrite(bytes(n), offset)
    memory.flush = lambda: None
    identity = Identity("0123456789abcdef0123456789", "vol0")
    return CommandDisk(identity, Geometry(SIZE), ObjectHandler(memory, SIZE, 1))


@pytest.fixture
def command(unit):
    """Return a command on a unit: its CDB, data-out or a buffer for data-in, in odd pieces."""

    def command(cdb, data=b"", size=0):
        buffer = bytearray(data) or bytearray(b"\xee" * size)
        view = memoryview(buffer)
        cut = len(buffer) // 3
        pieces = [view[:cut], view[cut:]] if cut else [view] if view else []
        made = ScsiCommand(Command(bytes(cdb).ljust(16, b"\0"), pieces, len(buffer)), unit)
        made.buffer = buffer
        return made

    return command


@pytest.mark.parametrize(
    ("cdb", "length", "lba", "blocks"),
    [
        ("08 1f ff fe 00 00", 6, 0x1FFFFE, 256),
        ("08 00 00 00 07 00", 6, 0, 7),
        ("28 00 00 00 00 00 00 00 00 00", 10, 0, 0),
        ("2a 00 12 34 56 78 00 9a bc 00", 10, 0x12345678, 0x9ABC),
        ("a8 00 12 34 56 78 00 00 9a bc 00 00", 12, 0x12345678, 0x9ABC),
        ("88 00 11 22 33 44 55 66 77 88 00 00 00 09 00 00", 16, 0x1122334455667788, 9),
        (f"7f {'00 ' * 6}18 00 09 00 00 {'00 ' * 7}05 {'00 ' * 8}00 00 00 06", 32, 5, 6),
    ],
)
def test_what_a_command_tells_of_itself(command, cdb, length, lba, blocks):
    made = command(bytes.fromhex(cdb))
    assert (made.cdb_length, made.lba, made.transfer_blocks) == (length, lba, blocks)
    assert made.opcode == made.cdb[0]
    assert made.disk is None


def test_a_command_of_a_vendor_has_no_address(command):
    with pytest.raises(UsageError, match="has no block address"):
        _ = command(b"\xc1").lba
    with pytest.raises(UsageError, match="has no block address"):
        _ = command(b"\x7f").lba


def test_data_is_read_and_written_piece_by_piece(command):
    made = command(b"\xc1", data=b"0123456789")
    assert made.data_bytes == 10
    assert [made.read(4), made.read(3), made.read(), made.read(1)] == [b"0123", b"456", b"789", b""]
    assert made.ok() == Response(0)
    assert made.buffer == b"0123456789"

    made = command(b"\xc1", size=10)
    assert [made.write(b"ab"), made.write(b"cdef"), made.write(b"ghijkl")] == [2, 4, 4]
    assert made.buffer == b"abcdefghij"
    assert made.write(b"more") == 0


def test_a_short_answer_leaks_nothing(command):
    made = command(b"\xc1", size=10)
    made.write(b"abc")
    assert made.ok() == Response(0, b"", 3)
    assert made.buffer == b"abc" + bytes(7)
    made = command(b"\xc1", size=10)
    assert made.respond_status(0).status == 0
    assert made.buffer == bytes(10)


def test_each_answer(command):
    made = command(b"\xc1")

    def sense(response):
        assert response.status == 2
        return response.sense[2], response.sense[12], response.sense[13]

    assert sense(made.not_handled()) == (5, 0x20, 0)
    assert sense(made.medium_error()) == (3, 0x11, 0)
    assert sense(made.illegal_request()) == (5, 0x24, 0)
    assert sense(made.target_failure()) == (4, 0x44, 0)
    assert sense(made.check_condition(6, 0x29, 1)) == (6, 0x29, 1)
    assert made.respond_status(0x18) == Response(0x18)
    assert made.respond_sense(2, b"s" * 200) == Response(2, b"s" * 96)


class Vendor(Memory):
    """Answers a vendor's command, counts, and leaves the rest to the disk."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_command(self, command):
        self.seen.append(command.opcode)
        if command.opcode == 0xC1:
            command.write(b"vendor!" + command.disk.name.encode())
            return command.ok()
        if command.opcode == 0xC2:
            raise RuntimeError("a bug")
        if command.opcode == 0x12:
            return tcmu.emulate_inquiry(command, tcmu.InquiryInfo("ACME", "Anvil", "42"))
        if command.opcode == 0x88:
            return tcmu.emulate_read(command)
        return None


@pytest.mark.parametrize("threads", [1, 3])
def test_a_handler_of_commands(attach, initiator, threads):
    vendor = Vendor()
    with attach(vendor, threads=threads) as disk, initiator(disk) as host:
        assert host.execute(b"\xc1" + bytes(5), data_in_bytes=64).data_in == b"vendor!vol0"
        for _ in range(3):
            failed = host.execute(b"\xc2" + bytes(5))
            assert (failed.status, failed.sense[2] & 0xF) == (2, 4)
        assert host.inquiry()[8:36] == b"ACME    Anvil           42  "
        host.write(9, b"k" * 512)
        assert host.read(9, 1) == b"k" * 512
        assert host.execute(b"\xc3" + bytes(5)).sense[12] == 0x20
    assert {0xC1, 0xC2, 0xC3, 0x12, 0x88, 0x8A} <= set(vendor.seen)


def test_a_handler_without_storage_answers_alone(attach, initiator):
    class Pattern:
        def handle_command(self, command):
            if command.opcode == 0x88:
                return tcmu.emulate_read(command, self)
            return None

        def pread(self, n, offset):
            return offset.to_bytes(8, "big") * (n // 8)

    with attach(Pattern()) as disk, initiator(disk) as host:
        assert host.read(3, 1) == (3 * 512).to_bytes(8, "big") * 64


def cdb16(code, lba=0, blocks=1, flags=0):
    return struct.pack(">BBQIxx", code, flags, lba, blocks)


HELPERS = {
    "compare_and_write": (struct.pack(">BxQxxxBxx", 0x89, 0, 1), bytes(1024), 0),
    "extended_copy": (b"\x83", b"", 0),
    "format_unit": (b"\x04", b"", 0),
    "inquiry": (b"\x12\0\0\0\xff\0", b"", 255),
    "log_sense": (b"\x4d\0\x40\0\0\0\0\0\xff\0", b"", 255),
    "maintenance_in": (b"\xa3\x0c" + bytes(4) + b"\0\0\x10\0", b"", 4096),
    "mode_select": (b"\x15\x10\0\0\0\0", b"", 0),
    "mode_sense": (b"\x1a\0\x3f\0\xff\0", b"", 255),
    "orwrite": (cdb16(0x8B), bytes(512), 0),
    "pre_fetch": (cdb16(0x90), b"", 0),
    "read": (cdb16(0x88), b"", 512),
    "read_capacity": (b"\x25" + bytes(9), b"", 8),
    "read_capacity_16": (b"\x9e\x10" + bytes(8) + b"\0\0\0\x20\0\0", b"", 32),
    "read_defect_data": (b"\x37\0\x08" + bytes(4) + b"\0\x08\0", b"", 8),
    "receive_copy_results": (b"\x84\x03" + bytes(8) + b"\0\0\0\xff\0\0", b"", 255),
    "request_sense": (b"\x03\0\0\0\x12\0", b"", 18),
    "send_diagnostic": (b"\x1d\x04\0\0\0\0", b"", 0),
    "service_action_in": (b"\x9e\x12" + bytes(8) + b"\0\0\0\x18\0\0", b"", 24),
    "standard_inquiry": (b"\x12\0\0\0\xff\0", b"", 255),
    "start_stop_unit": (b"\x1b\0\0\0\x01\0", b"", 0),
    "synchronize_cache": (b"\x35" + bytes(9), b"", 0),
    "test_unit_ready": (bytes(6), b"", 0),
    "unmap": (b"\x42" + bytes(6) + b"\0\0\0", b"", 0),
    "variable_length": (
        b"\x7f" + bytes(6) + b"\x18\0\x09" + bytes(21) + b"\x01",
        b"",
        512,
    ),
    "verify": (cdb16(0x8F), b"", 0),
    "vpd_inquiry": (b"\x12\x01\x83\0\xff\0", b"", 255),
    "write": (cdb16(0x8A), bytes(512), 0),
    "write_and_verify": (cdb16(0x8E), bytes(512), 0),
    "write_same": (cdb16(0x93), bytes(512), 0),
}


def test_each_helper_has_its_test():
    helpers = {name.removeprefix("emulate_") for name in tcmu.__all__ if "emulate_" in name}
    assert helpers == set(HELPERS)


@pytest.mark.parametrize("name", HELPERS)
def test_a_helper_executes_its_command_and_refuses_others(command, name):
    cdb, data, size = HELPERS[name]
    helper = getattr(tcmu, f"emulate_{name}")
    made = command(cdb, data, size)
    assert helper(made).status == 0
    assert b"\xee" * 8 not in made.buffer
    assert tcmu.emulate(command(cdb, data, size)).status == 0
    with pytest.raises(UsageError, match="command of another kind"):
        helper(command(b"\xc1"))
    assert inspect.getdoc(helper)


def test_a_helper_takes_another_storage(command, memory):
    other = Memory()
    assert tcmu.emulate_write(command(cdb16(0x8A, 2), b"o" * 512), other).status == 0
    assert other.data[1024:1536] == b"o" * 512
    assert memory.data == bytes(SIZE)
    made = command(cdb16(0x88, 2), size=512)
    assert tcmu.emulate_read(made, other).status == 0
    assert made.buffer == b"o" * 512


def test_the_kinds_of_inquiry_are_told_apart(command):
    with pytest.raises(UsageError):
        tcmu.emulate_standard_inquiry(command(b"\x12\x01\x83\0\xff\0", size=255))
    with pytest.raises(UsageError):
        tcmu.emulate_vpd_inquiry(command(b"\x12\0\0\0\xff\0", size=255))
    made = command(b"\x12\x01\x83\0\xff\0", size=255)
    tcmu.emulate_vpd_inquiry(made, tcmu.InquiryInfo(vendor="ACME"))
    assert b"ACME    vol0:0123" in made.buffer


def test_small_things():
    assert tcmu.fixed_string("LIO", 8) == b"LIO     "
    assert tcmu.fixed_string("a long product name", 16) == b"a long product n"
    assert tcmu.caching_mode_page(write_cache=True) == b"\x08\x12\x04" + bytes(17)
    assert tcmu.caching_mode_page(write_cache=False) == b"\x08\x12" + bytes(18)


def test_names():
    assert tcmu.NaaWwn("0012AB", "01234567").device_id() == "naa.50012ab001234567"
    assert tcmu.NaaWwn("0012ab", "01234567").nexus_id() == "naa.50012ab101234567"
    long = tcmu.NaaWwn("0012ab", "01234567", "89abcdef01234567")
    assert long.device_id() == "naa.60012ab00123456789abcdef01234567"
    assert len(long.device_id()) == 4 + 32
    for wrong in (("12ab", "01234567"), ("0012ab", "0123456x"), ("0012ab", "01234567", "89")):
        with pytest.raises(UsageError, match="hexadecimal digits"):
            tcmu.NaaWwn(*wrong)
    assert tcmu.generate_serial("a") == tcmu.generate_serial("a") != tcmu.generate_serial("b")
    assert tcmu.generate_wwn("a") != tcmu.generate_wwn("b")


def test_another_host_has_other_names(monkeypatch):
    here = tcmu.generate_serial("a")
    monkeypatch.setattr("lioshell.tcmu.identity._machine", lambda: "another")
    assert tcmu.generate_serial("a") != here
