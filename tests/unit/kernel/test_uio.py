# SPDX-License-Identifier: Apache-2.0
"""The real kernel's uio devices, on folders that look like sysfs and /dev."""

from __future__ import annotations

import errno
import mmap
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import HostError
from lioshell.kernel.ports import UioDevice
from lioshell.kernel.uio import RealUio, RealUioHandle, is_uio_event, list_devices

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 16384


class Machine:
    def __init__(self, root: Path) -> None:
        self.sys = root / "sys"
        self.dev = root / "dev"
        (self.sys / "class/uio").mkdir(parents=True)
        self.dev.mkdir()
        self.uio = RealUio(str(self.sys), str(self.dev))

    def add(self, uio_name: str, name: str, size: str = hex(SIZE)) -> None:
        folder = self.sys / "class/uio" / uio_name
        (folder / "maps/map0").mkdir(parents=True)
        (folder / "maps/map0/size").write_text(f"{size}\n")
        (folder / "name").write_text(f"{name}\n")
        (folder / "dev").write_text("240:0\n")

    def node(self, uio_name: str) -> None:
        with (self.dev / uio_name).open("wb") as file:
            file.truncate(SIZE)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_no_uio_in_the_kernel_is_no_device(tmp_path: Path) -> None:
    assert list_devices(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcm-user/0/vol0/file//srv/vol0.img", (0, "vol0", "file//srv/vol0.img")),
        ("tcm-user/12/a b/rbd/pool/image;x=1", (12, "a b", "rbd/pool/image;x=1")),
        ("tcm-user/3/bare", (3, "bare", "")),
        ("tcm-user/3/bare/", (3, "bare", "")),
    ],
)
def test_names_are_taken_apart(machine: Machine, text: str, expected: tuple[int, str, str]) -> None:
    machine.add("uio0", text)
    [device] = machine.uio.devices()
    assert device == UioDevice("uio0", *expected, SIZE)


def test_devices_come_in_the_order_of_their_numbers(machine: Machine) -> None:
    for number in (10, 2, 0):
        machine.add(f"uio{number}", f"tcm-user/0/vol{number}/file/x")
    assert [device.uio_name for device in machine.uio.devices()] == ["uio0", "uio2", "uio10"]
    assert machine.uio.devices()[2].configfs_path == "core/user_0/vol10"


def test_what_is_no_tcmu_device_is_left_out(machine: Machine) -> None:
    machine.add("uio0", "igb_uio")
    machine.add("uio1", "tcm-user/x/vol")
    machine.add("uio2", "tcm-user")
    machine.add("uio3", "tcm-user/0/vol/file/x", size="not hex")
    (machine.sys / "class/uio/uio4").mkdir()
    (machine.sys / "class/uio/uiox").mkdir()
    machine.add("uio5", "tcm-user/0/good/file/x")
    assert [device.name for device in machine.uio.devices()] == ["good"]


def test_a_device_whose_maps_are_just_being_added_is_seen(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's event comes before the attributes that say how much to map."""
    monkeypatch.setattr("lioshell.kernel.uio._MAPS_TIMEOUT_S", 20.0)
    machine.add("uio0", "tcm-user/0/vol0/file/x")
    maps = machine.sys / "class/uio/uio0/maps"
    later = machine.sys / "later"
    maps.rename(later)
    timer = threading.Timer(0.02, later.rename, (maps,))
    timer.start()
    assert [device.name for device in machine.uio.devices()] == ["vol0"]
    timer.join()


def test_a_device_that_loses_its_maps_is_going(machine: Machine) -> None:
    machine.add("uio0", "tcm-user/0/vol0/file/x")
    (machine.sys / "class/uio/uio0/maps").rename(machine.sys / "gone")
    assert machine.uio.devices() == []


def test_a_device_is_opened_and_mapped(machine: Machine) -> None:
    machine.add("uio0", "tcm-user/0/vol0/file/x")
    machine.node("uio0")
    handle = machine.uio.open(machine.uio.devices()[0])
    assert len(handle.map) == SIZE
    handle.map[:4] = b"abcd"
    assert (machine.dev / "uio0").read_bytes()[:4] == b"abcd"
    assert not os.get_inheritable(handle.fileno())
    assert not os.get_blocking(handle.fileno())
    fd = handle.fileno()
    view = memoryview(handle.map)
    with pytest.raises(BufferError):
        handle.close()
    view.release()
    handle.close()
    handle.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_it_waits_for_the_node(machine: Machine) -> None:
    machine.add("uio0", "tcm-user/0/vol0/file/x")
    timer = threading.Timer(0.05, machine.node, ("uio0",))
    timer.start()
    handle = machine.uio.open(machine.uio.devices()[0], node_timeout_s=20)
    timer.join()
    handle.close()


def test_a_node_that_never_comes_ends_the_wait(machine: Machine) -> None:
    machine.add("uio0", "tcm-user/0/vol0/file/x")
    with pytest.raises(OSError, match="No usable node") as caught:
        machine.uio.open(machine.uio.devices()[0], node_timeout_s=0.05)
    assert caught.value.errno == errno.ENXIO


def test_a_device_that_has_gone_is_not_waited_for(machine: Machine) -> None:
    started = time.monotonic()
    with pytest.raises(OSError, match="has gone") as caught:
        machine.uio.open(UioDevice("uio0", 0, "vol0", "file/x", SIZE), node_timeout_s=60)
    assert caught.value.errno == errno.ENOENT
    assert time.monotonic() - started < 60


def test_a_number_that_went_to_another_device_is_not_served(machine: Machine) -> None:
    machine.add("uio0", "tcm-user/0/vol0/file/x")
    machine.node("uio0")
    [device] = machine.uio.devices()
    (machine.sys / "class/uio/uio0/name").write_text("tcm-user/0/other/file/y\n")
    with pytest.raises(OSError, match="has gone") as caught:
        machine.uio.open(device)
    assert caught.value.errno == errno.ENOENT


def test_a_stale_node_of_another_number_is_not_used(machine: Machine) -> None:
    machine.add("uio0", "tcm-user/0/vol0/file/x")
    (machine.dev / "uio0").symlink_to("/dev/null")
    with pytest.raises(OSError, match="another device"):
        machine.uio.open(machine.uio.devices()[0], node_timeout_s=0.05)


class TestHandle:
    """Events and notifications, with a socket pair in the place of the uio file."""

    def setup_method(self) -> None:
        ours, self.kernel = socket.socketpair()
        ours.setblocking(False)
        self.kernel.setblocking(False)
        self.fd = ours.detach()
        self.handle = RealUioHandle(self.fd, mmap.mmap(-1, SIZE))

    def teardown_method(self) -> None:
        self.handle.close()
        self.kernel.close()

    def test_an_event_is_read_once(self) -> None:
        assert self.handle.read_event() is False
        self.kernel.send(b"\x05\x00\x00\x00")
        assert self.handle.read_event() is True
        assert self.handle.read_event() is False

    def test_a_notification_is_4_bytes(self) -> None:
        self.handle.notify()
        assert len(self.kernel.recv(100)) == 4

    def test_removal_is_eio(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "read", refuse)
        monkeypatch.setattr(os, "write", refuse)
        with pytest.raises(OSError, match="Input/output"):
            self.handle.read_event()
        self.handle.notify()

    def test_another_error_of_a_notification_is_not_hidden(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> int:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

        monkeypatch.setattr(os, "write", refuse)
        with pytest.raises(OSError, match="Bad file"):
            self.handle.notify()


UEVENT = (
    b"add@/devices/tcm_user/uio/uio0\0ACTION=add\0DEVPATH=/devices/tcm_user/uio/uio0\0"
    b"SUBSYSTEM=uio\0MAJOR=240\0MINOR=0\0DEVNAME=uio0\0SEQNUM=1234\0"
)


def test_only_the_kernels_messages_about_uio_count() -> None:
    assert is_uio_event(UEVENT, 0)
    assert not is_uio_event(UEVENT, 4711)
    assert not is_uio_event(UEVENT.replace(b"=uio\0", b"=block\0"), 0)
    assert not is_uio_event(UEVENT.replace(b"=uio\0", b"=uio_x\0"), 0)
    assert not is_uio_event(b"", 0)


def test_watching_starts_quiet() -> None:
    try:
        watch = RealUio().watch()
    except OSError as error:
        pytest.skip(f"no uevents in this sandbox: {error}")
    assert watch.fileno() >= 0
    assert watch.drain() is False
    watch.close()


class FakeSocket:
    def __init__(self, messages: list[tuple[bytes, tuple[int, int]] | OSError]) -> None:
        self.messages = messages

    def recvfrom(self, size: int) -> tuple[bytes, tuple[int, int]]:
        if not self.messages:
            raise BlockingIOError
        message = self.messages.pop(0)
        if isinstance(message, OSError):
            raise message
        return message


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([(b"add@/x\0SUBSYSTEM=block\0", (0, 1))], False),
        ([(UEVENT, (99, 1))], False),
        ([(b"add@/x\0SUBSYSTEM=block\0", (0, 1)), (UEVENT, (0, 1)), (b"x", (0, 1))], True),
        ([OSError(errno.ENOBUFS, "lost"), (b"x", (0, 1))], True),
    ],
)
def test_all_messages_are_drained(
    messages: list[tuple[bytes, tuple[int, int]] | OSError], expected: bool
) -> None:
    try:
        watch = RealUio().watch()
    except OSError as error:
        pytest.skip(f"no uevents in this sandbox: {error}")
    watch._socket.close()
    watch._socket = FakeSocket(messages)  # type: ignore[assignment]
    assert watch.drain() is expected
    assert messages == []


def test_the_close_of_a_device_by_another_process_wakes(machine: Machine) -> None:
    machine.add("uio0", "tcm-user/0/vol0/file//x")
    machine.node("uio0")
    device = machine.uio.devices()[0]
    watch = machine.uio.watch_close()
    watch.add(device)
    watch.add(device)
    assert watch.drain() is False
    with (machine.dev / "uio0").open("rb"):
        assert watch.drain() is False
    assert watch.drain() is True
    assert watch.drain() is False
    (machine.dev / "uio0").unlink()
    watch.drain()
    # A device that has gone is not watched, and that is no error.
    watch.add(UioDevice("uio7", 0, "gone", "", SIZE))
    watch.close()
    watch.close()


def test_netlink_is_blocked_reset_and_unblocked(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = machine.sys / "module/target_core_user/parameters"
    with pytest.raises(HostError) as caught:
        machine.uio.reset_netlink()
    assert "target_core_user" in caught.value.hint
    folder.mkdir(parents=True)
    for name in ("block_netlink", "reset_netlink"):
        (folder / name).write_text("")
    pauses: list[tuple[str, str]] = []

    def sleep(seconds: float) -> None:
        if seconds:
            texts = ((folder / f"{name}_netlink").read_text() for name in ("block", "reset"))
            pauses.append((next(texts), next(texts)))

    monkeypatch.setattr("lioshell.kernel.uio.time.sleep", sleep)
    machine.uio.reset_netlink()
    # Who was interrupted and tries again finds it blocked.
    assert pauses == [("1", "1")]
    assert (folder / "block_netlink").read_text() == "0"
    assert (folder / "reset_netlink").read_text() == "1"
