# SPDX-License-Identifier: Apache-2.0
"""What go-tcmu does wrong, by the numbers of docs/library.md: here it does not happen."""

import signal
import struct
import threading
from pathlib import Path

import pytest

from lioshell import lio
from lioshell.errors import ConflictError
from lioshell.kernel.sim.initiator import SimDisk
from tests.unit.tcmu.conftest import SIZE, Memory
from tests.unit.tcmu.test_attach import run

READ_6, INQUIRY, MODE_SELECT_6, MODE_SENSE_6 = 0x08, 0x12, 0x15, 0x1A


@pytest.fixture
def host(attach, memory, initiator):
    """An initiator of an attached disk."""
    with attach(memory) as disk, initiator(disk) as host:
        yield host


def still_answers(host):
    return host.execute(bytes(6)).status == 0 and len(host.read(0, 1)) == 512


def test_1_read_6_has_21_bits_of_address_and_0_means_256_blocks(attach, initiator):
    memory = Memory(0x20000 * 512)
    memory.data[0x10203 * 512 : 0x10203 * 512 + 5] = b"there"
    with attach(memory, size=len(memory.data)) as disk, initiator(disk) as host:
        answer = host.execute(bytes((READ_6, 0x01, 0x02, 0x03, 1, 0)), data_in_bytes=512)
        assert (answer.status, answer.data_in[:5]) == (0, b"there")
        answer = host.execute(bytes((READ_6, 0, 0, 0, 0, 0)), data_in_bytes=256 * 512)
        assert (answer.status, len(answer.data_in)) == (0, 256 * 512)
        # A 0 in the address is the block 0, and no length.
        answer = host.execute(bytes((READ_6, 0, 0, 0, 1, 0)), data_in_bytes=512)
        assert (answer.status, len(answer.data_in)) == (0, 512)


def test_2_a_block_outside_is_refused_however_long_the_transfer_is(host):
    for lba, blocks in ((SIZE // 512, 1), (0, SIZE // 512 + 1), (0, 0xFFFFFFFF), (2**64 - 1, 2)):
        cdb = struct.pack(">BBQIxx", 0x88, 0, lba, blocks)
        answer = host.execute(cdb, data_in_bytes=4096)
        assert answer.status == 2
        assert answer.sense[2] & 0xF == 5
    assert still_answers(host)


@pytest.mark.parametrize("size", [0, 1, 5, 35])
def test_3_short_inquiries(host, size):
    for _ in range(5):
        answer = host.execute(bytes((INQUIRY, 0, 0, 0, size, 0)), data_in_bytes=size)
        assert (answer.status, len(answer.data_in)) == (0, size)
        assert host.execute(bytes((INQUIRY, 1, 0x83, 0, size, 0)), data_in_bytes=size).status == 0
    assert still_answers(host)


def test_4_two_mode_selects_and_the_page_control_of_mode_sense(attach, initiator):
    class Cached(Memory):
        def flush(self):
            """Nothing waits here."""

    with attach(Cached()) as disk, initiator(disk) as host:
        sense = host.execute(bytes((MODE_SENSE_6, 8, 8, 0, 255, 0)), data_in_bytes=255).data_in
        parameters = bytes(4) + sense[4 : 4 + 20]
        select = bytes((MODE_SELECT_6, 0x10, 0, 0, len(parameters), 0))
        for _ in range(5):
            assert host.execute(select, parameters).status == 0
        # As `echo "write through" >cache_type` sends it, and back.
        through = bytearray(parameters)
        through[6] &= ~4
        for wanted in (bytes(through), parameters):
            assert host.execute(select, wanted).status == 0
            found = host.execute(bytes((MODE_SENSE_6, 8, 8, 0, 255, 0)), data_in_bytes=255)
            assert found.data_in[6] & 4 == wanted[6] & 4
        for page_control in (0x00, 0x40, 0x80):
            cdb = bytes((MODE_SENSE_6, 8, page_control | 8, 0, 255, 0))
            answer = host.execute(cdb, data_in_bytes=255)
            assert (answer.status, answer.data_in[4]) == (0, 8)
        assert still_answers(host)


def test_5_the_commands_that_were_missing(host):
    for cdb, size in (
        (b"\x25" + bytes(9), 8),  # READ CAPACITY (10)
        (b"\x35" + bytes(9), 0),  # SYNCHRONIZE CACHE (10)
        (b"\x91" + bytes(15), 0),  # SYNCHRONIZE CACHE (16)
        (b"\x2f" + bytes(9), 0),  # VERIFY (10)
        (b"\x03\0\0\0\x12\0", 18),  # REQUEST SENSE
        (b"\x1b\0\0\0\x01\0", 0),  # START STOP UNIT
        (b"\xa3\x0c" + bytes(4) + b"\0\0\x10\0\0\0", 4096),  # REPORT SUPPORTED OPERATION CODES
        *((bytes((INQUIRY, 1, page, 0, 255, 0)), 255) for page in (0x80, 0xB0, 0xB1, 0xB2)),
    ):
        assert host.execute(cdb, data_in_bytes=size).status == 0, cdb.hex(" ")
    data = bytes(512)
    assert host.execute(struct.pack(">BxQxxxBxx", 0x89, 0, 1), data + b"c" * 512).status == 0
    assert host.execute(struct.pack(">BBQIxx", 0x93, 0, 1, 3), b"w" * 512).status == 0
    assert host.read(0, 4) == b"c" * 512 + b"w" * 1536


def test_6_a_write_that_is_acknowledged_is_durable_or_there_is_a_flush(attach, initiator):
    class Cached(Memory):
        def flush(self):
            self.calls.append("flush")

    def wce(host):
        data = host.execute(bytes((MODE_SENSE_6, 8, 8, 0, 255, 0)), data_in_bytes=255).data_in
        return bool(data[6] & 4)

    with attach(Memory()) as disk, initiator(disk) as host:
        assert not wce(host)
    cached = Cached()
    with attach(cached) as disk, initiator(disk) as host:
        assert wce(host)
        host.execute(struct.pack(">BBQIxx", 0x8A, 8, 0, 1), b"f" * 512)  # FUA
        assert cached.calls[-1] == "flush"
        cached.calls.clear()
        host.flush()
        assert cached.calls == ["flush"]


def test_7_each_disk_has_a_name_of_its_own_in_the_world(attach, initiator, monkeypatch):
    def page_83(name):
        with attach(Memory(), name=name) as disk, initiator(disk) as host:
            return host.inquiry(0x83)[8:24]

    first, second = page_83("vol0"), page_83("vol1")
    assert first[0] >> 4 == 6
    assert first == page_83("vol0") != second
    assert any(first[5:])
    monkeypatch.setattr("lioshell.tcmu.identity._machine", lambda: "another host")
    assert page_83("vol0") not in (first, second)


def test_8_any_operation_code_is_answered(attach, initiator):
    class Handler(Memory):
        def handle_command(self, command):
            assert command.cdb_length > 0

    for storage in (Memory(), Handler()):
        with attach(storage) as disk, initiator(disk) as host:
            for code in range(256):
                host.execute(bytes((code,)) + bytes(15), data_in_bytes=512)
            assert still_answers(host)


def test_9_what_a_short_answer_leaves_is_not_another_commands_data(host):
    host.write(0, b"\xa5" * 65536)
    host.read(0, 128)
    answer = host.execute(bytes((INQUIRY, 0, 0, 0x10, 0, 0)), data_in_bytes=4096)
    assert b"\xa5" not in answer.data_in


def test_10_commands_that_were_queued_before_the_disk_was_opened(sim, tmp_path, attach, memory):
    with run(sim, str(tmp_path), "sys.stdin.readline()") as program:
        program.send_signal(signal.SIGKILL)
    memory.data[:512] = b"q" * 512
    found = []

    def read():
        with SimDisk.open(sim, "core/user_0/vol0", timeout_s=30) as host:
            found.append(host.execute(b"\x88" + bytes(12) + b"\x01\0\0", data_in_bytes=512))
            found.append(host.read(0, 1))

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(0.3)
    assert found == []  # nobody answers yet
    with attach(memory, directory=tmp_path):
        reader.join(30)
    assert found[1] == b"q" * 512


def test_11_a_device_that_cannot_be_served_is_an_error(attach, memory, monkeypatch):
    monkeypatch.setattr("lioshell.kernel.sim.uio.SimUio.devices", lambda _self: [])
    monkeypatch.setattr("lioshell.tcmu.serving._APPEARS_S", 0.1)
    with pytest.raises(lio.LioshellError, match="cannot be served: the kernel shows no device"):
        attach(memory).open()


def test_12_several_luns_and_targets_have_a_node_each(attach, tmp_path):
    wwn = "naa.5001405aabbccdde"
    disks = [
        attach(Memory(), name=f"vol{lun}", wwn=wwn, lun=lun, directory=tmp_path).open()
        for lun in (10, 1, 0)
    ]
    assert len({Path(disk.path).readlink() for disk in disks}) == 3


def test_13_what_others_have_of_that_name_is_not_torn_down(attach, memory, sim, tree):
    system = lio.open(sim=sim)
    with system:
        lio.create_user(system, "vol0", SIZE, "go-tcmu//vol0")
        system.fabric("loopback").create_target("naa.5001405aabbccdde")
    before = tree()
    with pytest.raises(ConflictError):
        attach(memory, wwn="naa.5001405aabbccdde").open()
    assert tree() == before


def test_14_it_waits_for_no_answer_on_netlink(attach, memory, sim):
    with attach(memory) as disk:
        read = lio.open(sim=sim).configfs.read
        assert read(f"{disk.configfs_path}/attrib/nl_reply_supported") == "-1"
