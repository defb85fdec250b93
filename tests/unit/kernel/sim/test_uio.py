# SPDX-License-Identifier: Apache-2.0
"""Simulated TCMU devices: sysfs, exclusive open, wake-ups, removal, uevents."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lioshell.errors import NotFoundError
from lioshell.kernel.ports import UioDevice
from lioshell.kernel.sim import uio
from lioshell.kernel.sim.uio import SimUio
from lioshell.kernel.sim.uio_state import TO_KERNEL, TO_USER, DeviceState, Fifo, is_region_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024


@pytest.fixture
def sim(tmp_path: Path) -> str:
    return str(tmp_path / "sim")


def add(sim: str, name: str = "vol0", hba: int = 0, config: str = "file//srv/x") -> UioDevice:
    uio_name = uio.register(sim, hba, name, config, max_data_area_mb=2, cmd_ring_size_mb=1)
    return next(d for d in SimUio(sim).devices() if d.uio_name == uio_name)


def readable(fd: int, timeout_s: float = 0) -> bool:
    return bool(select.select([fd], [], [], timeout_s)[0])


def test_a_device_is_listed_as_by_sysfs(sim: str) -> None:
    assert SimUio(sim).devices() == []
    assert uio.register(sim, 3, "vol0", "file//srv/a/b", max_data_area_mb=2) == "uio0"
    assert SimUio(sim).devices() == [UioDevice("uio0", 3, "vol0", "file//srv/a/b", (8 + 2) * MIB)]
    size = Path(sim, "sys/class/uio/uio0/maps/map0/size").read_text()
    assert size.startswith("0x")
    assert int(size, 16) == 10 * MIB


def test_an_empty_config_has_no_third_part(sim: str) -> None:
    add(sim, config="")
    assert Path(sim, "sys/class/uio/uio0/name").read_text() == "tcm-user/0/vol0\n"
    assert SimUio(sim).devices()[0].dev_config == ""


def test_the_region_is_sparse(sim: str) -> None:
    uio.register(sim, 0, "vol0", "file/x", max_data_area_mb=1024)
    status = Path(sim, "dev/uio0").stat()
    assert status.st_size == 1032 * MIB
    assert status.st_blocks * 512 < MIB


def test_the_lowest_free_number_is_taken(sim: str) -> None:
    names = [add(sim, f"vol{index}").uio_name for index in range(3)]
    assert names == ["uio0", "uio1", "uio2"]
    uio.unregister(sim, "uio1")
    assert add(sim, "new").uio_name == "uio1"
    assert [d.name for d in SimUio(sim).devices()] == ["vol0", "new", "vol2"]


def test_nothing_is_left_of_a_removed_device(sim: str) -> None:
    add(sim)
    uio.unregister(sim, "uio0")
    assert SimUio(sim).devices() == []
    files = [
        name
        for folder in ("sys/class/uio", "dev", "run/uio")
        for name in os.listdir(f"{sim}/{folder}")
    ]
    assert files == [".lock"]


@pytest.mark.parametrize(
    "call",
    [
        lambda sim: uio.unregister(sim, "uio5"),
        lambda sim: uio.set_blocked(sim, "uio5", True),
        lambda sim: uio.is_blocked(sim, "uio5"),
        lambda sim: uio.reset_ring(sim, "uio5", 1),
    ],
)
def test_an_unknown_device_is_not_found(sim: str, call: object) -> None:
    with pytest.raises(NotFoundError, match="uio5"):
        call(sim)  # type: ignore[operator]


def test_leftovers_of_a_killed_process_are_replaced(sim: str) -> None:
    os.makedirs(f"{sim}/sys/class/uio/.new-uio0/maps")
    os.makedirs(f"{sim}/run/uio/uio0")
    os.makedirs(f"{sim}/dev")
    Path(sim, "dev/uio0").write_text("half")
    Path(sim, "run/uio/uio0/state").write_text("half")
    device = add(sim)
    SimUio(sim).open(device).close()


def test_open_is_exclusive_until_the_map_is_closed(sim: str) -> None:
    device = add(sim)
    port = SimUio(sim)
    handle = port.open(device)
    with pytest.raises(OSError, match="busy") as caught:
        port.open(device)
    assert caught.value.errno == errno.EBUSY
    view = memoryview(handle.map)
    with pytest.raises(BufferError):
        handle.close()
    with pytest.raises(OSError, match="busy"):
        port.open(device)
    view.release()
    handle.close()
    handle.close()
    port.open(device).close()


def test_another_process_is_refused_and_its_death_frees_the_device(sim: str) -> None:
    device = add(sim)
    program = (
        "import sys\n"
        "from lioshell.kernel.sim.uio import SimUio\n"
        "port = SimUio(sys.argv[1])\n"
        "handle = port.open(port.devices()[0])\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, sim],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(OSError, match="busy"):
            SimUio(sim).open(device)
        other.kill()
        other.wait()
    SimUio(sim).open(device).close()


def test_a_vanished_device_cannot_be_opened(sim: str) -> None:
    device = add(sim)
    uio.unregister(sim, "uio0")
    with pytest.raises(OSError, match="No such file") as caught:
        SimUio(sim).open(device)
    assert caught.value.errno == errno.ENOENT
    add(sim, "other")
    with pytest.raises(OSError, match="No such file") as caught:
        SimUio(sim).open(device)
    assert caught.value.errno == errno.ENOENT
    SimUio(sim).open(SimUio(sim).devices()[0]).close()


def test_a_removal_in_the_middle_of_an_open_is_noticed(
    sim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name goes to an equal device: the handle must not mix the two."""
    device = add(sim)
    real = DeviceState

    def replace(*arguments: str) -> DeviceState:
        monkeypatch.setattr(uio, "DeviceState", real)
        uio.unregister(sim, "uio0")
        assert add(sim) == device
        return real(*arguments)

    monkeypatch.setattr(uio, "DeviceState", replace)
    with pytest.raises(OSError, match="No such file") as caught:
        SimUio(sim).open(device)
    assert caught.value.errno == errno.ENOENT
    SimUio(sim).open(device).close()


def test_a_removal_just_before_the_first_look_is_not_lost(
    sim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = add(sim)
    real = is_region_of

    def remove(*arguments: object) -> bool:
        answer = real(*arguments)  # type: ignore[arg-type]
        uio.unregister(sim, "uio0")
        return answer

    monkeypatch.setattr(uio, "is_region_of", remove)
    handle = SimUio(sim).open(device)
    assert readable(handle.fileno())
    with pytest.raises(OSError, match="Input/output"):
        handle.read_event()
    handle.close()


def test_events_before_the_open_wake_nobody(sim: str) -> None:
    device = add(sim)
    kernel = Fifo(sim, "uio0", TO_USER)
    kernel.signal()
    handle = SimUio(sim).open(device)
    assert not readable(handle.fileno())
    assert handle.read_event() is False
    kernel.signal()
    kernel.signal()
    assert readable(handle.fileno())
    assert handle.read_event() is True
    assert handle.read_event() is False
    handle.close()
    kernel.close()


def test_any_number_of_wake_ups_never_blocks(sim: str) -> None:
    device = add(sim)
    handle = SimUio(sim).open(device)
    for _ in range(70000):
        handle.notify()
    kernel = Fifo(sim, "uio0", TO_KERNEL)
    assert kernel.drain() is True
    assert kernel.drain() is False
    kernel.close()
    handle.close()


def test_removal_wakes_who_serves_and_is_eio(sim: str) -> None:
    device = add(sim)
    handle = SimUio(sim).open(device)
    uio.unregister(sim, "uio0")
    assert readable(handle.fileno())
    with pytest.raises(OSError, match="Input/output") as caught:
        handle.read_event()
    assert caught.value.errno == errno.EIO
    handle.notify()
    handle.close()


def test_block_and_reset(sim: str) -> None:
    add(sim)
    kernel = Fifo(sim, "uio0", TO_KERNEL)
    assert not uio.is_blocked(sim, "uio0")
    uio.set_blocked(sim, "uio0", True)
    assert uio.is_blocked(sim, "uio0")
    assert kernel.drain()
    uio.reset_ring(sim, "uio0", 1)
    assert uio.is_blocked(sim, "uio0")
    assert kernel.drain()
    uio.set_blocked(sim, "uio0", False)
    assert not uio.is_blocked(sim, "uio0")
    with pytest.raises(OSError, match="Invalid") as caught:
        uio.reset_ring(sim, "uio0", 3)
    assert caught.value.errno == errno.EINVAL
    kernel.close()


def test_resets_are_told_once_with_the_first_tail(sim: str) -> None:
    add(sim)
    state = DeviceState(sim, "uio0")
    assert state.take_reset() is None
    state.note_reset(1, 240)
    state.note_reset(2, 0)
    assert state.take_reset() == (2, 240)
    assert state.take_reset() is None
    state.close()


class TestWatch:
    @pytest.fixture(autouse=True)
    def _watch(self, sim: str) -> Iterator[None]:
        self.watch = SimUio(sim).watch()
        yield
        self.watch.close()

    def test_coming_and_going_wakes(self, sim: str) -> None:
        assert self.watch.drain() is False
        add(sim)
        assert readable(self.watch.fileno())
        assert self.watch.drain() is True
        assert not readable(self.watch.fileno())
        uio.unregister(sim, "uio0")
        assert self.watch.drain() is True
        assert self.watch.drain() is False

    def test_all_watchers_are_told_and_dead_ones_swept(self, sim: str) -> None:
        second = SimUio(sim).watch()
        dead = SimUio(sim).watch()
        dead._socket.close()
        assert len(os.listdir(f"{sim}/run/uevent")) == 3
        add(sim)
        assert second.drain() is True
        assert self.watch.drain() is True
        second.close()
        assert len(os.listdir(f"{sim}/run/uevent")) == 1

    def test_a_watcher_that_never_looks_blocks_nobody(self, sim: str) -> None:
        from lioshell.kernel.sim import uevent

        for _ in range(3000):
            uevent.send(sim, "add", "uio0")
        assert self.watch.drain() is True


def test_a_long_folder_name_is_no_problem(tmp_path: Path) -> None:
    sim = str(tmp_path.joinpath(*["a-rather-long-name" * 5] * 3))
    assert len(sim) > 250
    watch = SimUio(sim).watch()
    add(sim)
    assert watch.drain() is True
    watch.close()


def test_a_number_that_a_dead_process_had_is_taken_over(
    sim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lioshell.kernel.sim import uevent

    dead = SimUio(sim).watch()
    name = dead._name
    dead._socket.close()
    number = int(name.split("-")[1])
    monkeypatch.setattr(uevent, "_numbers", iter([number]))
    watch = SimUio(sim).watch()
    assert watch._name == name
    add(sim)
    assert watch.drain() is True
    watch.close()
