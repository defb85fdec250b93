# SPDX-License-Identifier: Apache-2.0
"""What the HBA folders hold, remembered from command to command, so that one listing finds it.

The kernel has one folder `core/<kind>_<N>/` an object, and the object's name and its backing file
stand inside: who looks for a name, or for a second use of a file, had to look into all of them.
What was found there is kept in `run_dir`, with the folder's inode number. configfs never gives an
inode number twice (fs/configfs/inode.c, get_next_ino), so a folder that one listing of `core` shows
with the number that is kept is the same folder still; every other one is looked into anew.

What is kept only says where to look: whoever gets an object from here asks the kernel whether it
is there. A lost or spoilt file costs a look at everything, and nothing else. What it cannot know
is an object that another program adds to a folder that held one already, which targetcli does not
do; a file that such an object holds open is found all the same (backing_use.py).
"""

from __future__ import annotations

import os

from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lioshell.kernel.ports import ConfigfsPort

_SPARE_RECORDS = 64
"""How many outdated records may stand in the file, beside as many as there are objects."""


_NAME = "name:"
"""What begins the key of a name; that of a path begins with "/"."""


class Backing(NamedTuple):
    """What an object stands on: `numbers` is a file's device and inode, or a device's own number.

    Both are empty for an object without a local file or device, `numbers` where none are known.
    """

    numbers: str
    path: str


NO_BACKING = Backing("", "")


def backing_at(path: str) -> Backing:
    """Return what a path means now, links followed."""
    try:
        status = os.stat(path)
    except OSError:
        numbers = ""
    else:
        is_device = status.st_rdev != 0
        numbers = f"b{status.st_rdev}" if is_device else f"{status.st_dev}:{status.st_ino}"
    return Backing(numbers, os.path.realpath(path))


class Held(NamedTuple):
    """One object in its HBA folder."""

    hba: str
    name: str
    backing: Backing


class ObjectIndex:
    """The objects of all HBA folders; `keep` False (a dry run) writes nothing.

    The methods take what `hbas` listed, so that one listing serves a whole command.
    """

    def __init__(self, configfs: ConfigfsPort, run_dir: str, *, keep: bool = True) -> None:
        self._configfs = configfs
        # Another mount point is another name for the same kernel, or another kernel.
        location = configfs.location.replace("/", "%")
        self._file = f"{run_dir}/objects{location}"
        self._keep = keep
        self._stamp: tuple[int, ...] = ()
        self._lines = 0
        self._numbers: dict[str, int] = {}
        self._held: dict[str, list[Held]] = {}
        """A name, a file's numbers and a path, each with what was found under it."""

    def hbas(self) -> dict[str, int]:
        """Return the HBA folders of every kind with their inode numbers, out of one listing."""
        found = self._configfs.folder_numbers("core")
        found.pop("alua", None)
        self._load()
        if self._keep and self._lines > 2 * len(found) + _SPARE_RECORDS:
            self._rewrite(found)
        return found

    def unknown(self, hbas: Mapping[str, int]) -> list[str]:
        """Return the HBA folders that nothing is known of."""
        return [hba for hba, number in hbas.items() if not self._is_known(hba, number)]

    def named(self, hbas: Mapping[str, int], name: str) -> list[str]:
        """Return the HBA folders that are known to have held an object of a name."""
        return self._found(hbas, f"{_NAME}{name}")

    def standing_on(self, hbas: Mapping[str, int], backing: Backing) -> list[str]:
        """Return the HBA folders with an object that is known to stand on a file or device."""
        found = self._found(hbas, backing.path)
        return [*found, *self._found(hbas, backing.numbers)] if backing.numbers else found

    def add(self, hba: str, number: int, objects: Iterable[tuple[str, Backing]]) -> None:
        """Remember all objects of an HBA folder; `number` is its inode number."""
        self.add_all([(Held(hba, name, backing), number) for name, backing in objects])

    def add_all(self, objects: Iterable[tuple[Held, int]]) -> None:
        """Remember all objects of several HBA folders, with the folders' inode numbers."""
        found = [(held, number) for held, number in objects if number]
        if not found or not self._keep:
            return
        self._load()
        data = b"".join(_record(held, number) for held, number in found)
        try:
            self._append(data)
        except OSError:
            # No folder yet, a full disk: the next command looks into that folder again.
            self._forget()
            return
        for held, number in found:
            self._remember(held, number)
        self._lines += len(found)

    def _is_known(self, hba: str, number: int) -> bool:
        return number != 0 and self._numbers.get(hba) == number

    def _found(self, hbas: Mapping[str, int], key: str) -> list[str]:
        found = dict.fromkeys(held.hba for held in self._held.get(key, ()))
        return [hba for hba in found if self._is_known(hba, hbas.get(hba, 0))]

    def _remember(self, held: Held, number: int) -> None:
        self._numbers[held.hba] = number
        for key in (f"{_NAME}{held.name}", held.backing.path, held.backing.numbers):
            if key:
                self._held.setdefault(key, []).append(held)

    def _forget(self) -> None:
        self._numbers, self._held = {}, {}
        self._lines, self._stamp = 0, ()

    # The file

    def _append(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._file, flags, 0o600)
        try:
            if os.write(descriptor, data) != len(data):
                # Half a record would spoil the next one too.
                os.unlink(self._file)
                self._forget()
                return
            self._stamp = _stamp(descriptor)
        finally:
            os.close(descriptor)

    def _load(self) -> None:
        """Read the file where it is another one than was read, or written, last."""
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                stamp = _stamp(descriptor)
                if stamp == self._stamp:
                    return
                data = os.read(descriptor, stamp[1])
            finally:
                os.close(descriptor)
        except OSError:
            # Not written yet, or not for this user's eyes.
            self._forget()
            return
        self._forget()
        self._stamp = stamp
        for record in data.split(b"\0")[:-1]:
            self._lines += 1
            fields = os.fsdecode(record).split("/", 4)
            if len(fields) == 5 and fields[1].isdecimal():
                hba, number, name, numbers, path = fields
                backing = Backing(numbers, path and f"/{path}")
                self._remember(Held(hba, name, backing), int(number))

    def _rewrite(self, hbas: Mapping[str, int]) -> None:
        """Leave out what is outdated; a record that another process adds meanwhile may be lost."""
        live = {h for held in self._held.values() for h in held}
        kept = [held for held in live if self._is_known(held.hba, hbas.get(held.hba, 0))]
        temporary = f"{self._file}.{os.getpid()}"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(b"".join(_record(held, hbas[held.hba]) for held in kept))
            os.replace(temporary, self._file)
        except OSError:
            # It is long, and stays so for now.
            return
        self._load()


def _record(held: Held, number: int) -> bytes:
    hba, name, (numbers, path) = held
    return os.fsencode(f"{hba}/{number}/{name}/{numbers}/{path.removeprefix('/')}") + b"\0"


def _stamp(descriptor: int) -> tuple[int, ...]:
    status = os.fstat(descriptor)
    return status.st_ino, status.st_size, status.st_mtime_ns
