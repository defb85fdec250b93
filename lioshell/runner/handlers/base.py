# SPDX-License-Identifier: Apache-2.0
"""The handler API: what a subtype of user: backstores implements to become a SCSI disk.

A handler knows storage and nothing of SCSI: it moves bytes between buffers and an offset, and
reports failures as OSError with an errno. Offsets and sizes are bytes; the disk in front of it
has checked them, so they are whole blocks inside `size_bytes`.

Three ways to be executed, of which a handler chooses one by what it is made of:

- It never waits for anything but memory: `blocking = False`. All is called in the loop's thread.
- It makes system calls that may wait (a file, a block device, a library): the default. `read`,
  `write`, `flush` and the rest are called on worker threads, up to `max_in_flight` at once, so they
  must be safe to call together. What needs no wait may be done in `try_read` and `try_write`, which
  are called first, in the loop's thread: that saves two thread switches a command.
- Its library answers later, by a callback or on an asyncio loop: derive from `CompletionHandler`
  or `AsyncHandler` (handlers/completion.py). Any number of commands is then in flight without a
  thread each.

Whichever it is: one thread calls the `try_` methods and submits, in the order of the ring; a flush
covers every write that was answered before it was called; buffers are valid until the command is
answered and never after. A handler that hangs delays no other device.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable

from lioshell.errors import RunnerError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

Undo = Callable[[], None]
"""Removes exactly what one `prepare` made."""


def nothing_made() -> None:
    """Undo a `prepare` that found everything in place."""


class TransferError(OSError):
    """A read or write that stopped part of the way.

    `done_bytes` counts what was transferred before the failure; SCSI's INFORMATION field is
    computed from it, which a plain OSError leaves invalid.
    """

    def __init__(self, error: OSError, done_bytes: int) -> None:
        super().__init__(error.errno, error.strerror)
        self.done_bytes = done_bytes


class Extent(NamedTuple):
    """Neighbouring bytes of a device that have storage, or that have none and read as zeros."""

    size_bytes: int
    mapped: bool


class Option(NamedTuple):
    """One option of a configuration string: `;name=value` behind the main part.

    `kind` is one of: string, int, bool, size, path, enum, secret, as the parameters of the specs;
    `values` are the words of an enum. The name is a Python identifier that `create` has no
    parameter of. What is `secret` is never shown, and `create` refuses it: the kernel shows
    dev_config to everybody (/sys/class/uio), so let an option name a file that holds the secret.
    """

    name: str
    kind: str
    help: str
    default: str | None = None
    secret: bool = False
    values: tuple[str, ...] = ()


class Unavailable(NamedTuple):
    """Why a subtype cannot be used on this machine, and what to install: packages by name."""

    why: str
    hint: str


CHUNK_BYTES = 1 << 20
"""How much the operations below move at a time where a handler has nothing better."""

_ZEROS = memoryview(bytes(CHUNK_BYTES))


def require_whole(moved: int | None, buffers: list[memoryview]) -> None:
    """Raise TransferError where a handler says that it moved less than all buffers hold."""
    if moved is not None and moved < sum(map(len, buffers)):
        raise TransferError(
            OSError(errno.EIO, "The handler moved less than it was asked for"), moved
        )


class DirectFile:
    """A file that READ and WRITE may be done on with preadv(2) and pwritev(2), as they are.

    For a handler whose blocks are the bytes of a file: the disk then does the plain ones itself,
    up to these limits, without a call of `try_read` or `try_write`. What is no success, or moves
    less, is done once more by these or by `read` and `write`. The handler may change all of it at
    any time in the loop's thread, but not which object it is. `read_flags` are RWF_* of preadv2(2).
    """

    __slots__ = ("fd", "read_flags", "read_limit_bytes", "write_limit_bytes")

    def __init__(
        self, fd: int, read_flags: int, read_limit_bytes: int, write_limit_bytes: int
    ) -> None:
        self.fd = fd
        self.read_flags = read_flags
        self.read_limit_bytes = read_limit_bytes
        self.write_limit_bytes = write_limit_bytes


class Handler(ABC):
    """An open storage of one device, and the class-level operations of its subtype.

    The class attributes and class methods are used without an open device: to list the subtype,
    to check a configuration string at `create`, and to make the storage behind it.
    """

    subtype: ClassVar[str]
    """The first component of dev_config, e.g. "file"."""
    help: ClassVar[str]
    """One line on what the subtype stores its blocks in."""
    config_help: ClassVar[str]
    """What the configuration string is, e.g. "PATH of the backing file"."""
    options: ClassVar[tuple[Option, ...]] = ()
    """What may stand behind the main part of the configuration string (config_string.py); each is
    a parameter of `create` too."""
    device_type: ClassVar[int] = 0
    """PERIPHERAL DEVICE TYPE of the unit in front of it (SPC-6, 6.7.2): 0 is a disk."""
    keeps_data: ClassVar[bool] = True
    """Whether what is written can be read again; only what is no storage does not."""
    lasts: ClassVar[bool] = True
    """Whether that is so after the storage was closed and opened; memory does not last."""
    blocking: ClassVar[bool] = True
    """Whether an operation may wait for anything but memory; if so it runs on a worker."""
    direct_file: DirectFile | None = None
    """What `try_read` and `try_write` come to, where that is a system call on a file."""
    max_in_flight: ClassVar[int] = 16
    """How many operations of one device may be on workers at once."""

    @classmethod
    def check_config(cls, config: str) -> None:
        """Check a configuration string by its text alone; here, the options in it.

        Raises UsageError with a hint; touches no storage.
        """
        from lioshell.runner.handlers.config_string import split_options

        split_options(config, cls.options)

    @classmethod
    def unavailable(cls) -> Unavailable | None:
        """Tell what is missing on this machine: a library, a program; None: nothing is.

        Asked for when a listing shows the subtype, so it must cost nothing: importlib.util.
        find_spec or shutil.which, no import. The module itself imports without its library.
        """
        return None

    @classmethod
    def size_of(cls, config: str) -> int | None:
        """Return the size in bytes of storage that exists, so that `create` need not be told.

        None: it does not exist, or tells no size. Raises LioshellError.
        """
        del config
        return None

    @classmethod
    def block_size_of(cls, config: str, block_size_bytes: int) -> int:
        """Return the bytes in a block of the device, for which `block_size_bytes` were asked.

        Only storage that has a block size of its own returns another. Raises LioshellError.
        """
        del config
        return block_size_bytes

    @classmethod
    def default_config(cls, name: str) -> str | None:
        """Return the configuration of a device that was given none; None: one has to be given."""
        del name
        return None

    @classmethod
    def scratch_config(cls, folder: str) -> str | None:
        """Return a configuration to try the subtype out in an empty folder; None: there is none.

        What `prepare` makes of it is removed by its undo.
        """
        del folder
        return None

    @classmethod
    def prepare(cls, config: str, size_bytes: int, block_size_bytes: int) -> Undo:
        """Make the storage that `open` will find, and return what removes it again.

        Storage that exists is checked and left alone, and `nothing_made` is returned; a handler
        that makes none need not have this. A failure leaves nothing behind. Raises LioshellError.
        """
        cls.open(config, size_bytes, block_size_bytes).close()
        return nothing_made

    @classmethod
    @abstractmethod
    def open(
        cls, config: str, size_bytes: int, block_size_bytes: int, read_only: bool = False
    ) -> Handler:
        """Open existing storage for one device, excluding every other user of it.

        Storage that is missing is an error and is never made here: it may be there tomorrow, when
        its file system is mounted. Raises LioshellError.
        """

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """The size of the device."""

    @property
    def write_cache(self) -> bool:
        """Whether a write that returned may be lost by a power failure before `flush`.

        As it stands: if the handler has a `flush` of its own.
        """
        return type(self).flush is not Handler.flush

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return False

    @abstractmethod
    def read(self, buffers: list[memoryview], offset_bytes: int) -> int | None:
        """Fill all buffers from `offset_bytes` on, or raise OSError.

        May return how many bytes it moved; fewer than asked for are an error, as is an exception.

        Storage that ends early reads as zeros. The buffers must not be kept after the return.
        """

    @abstractmethod
    def write(self, buffers: list[memoryview], offset_bytes: int, fua: bool) -> int | None:
        """Write all buffers at `offset_bytes`, or raise OSError. Returns as `read` does.

        With `fua` the data is on stable storage when this returns. The buffers must not be kept
        after the return.
        """

    def try_read(self, buffers: list[memoryview], offset_bytes: int) -> bool:
        """Do a `read` that needs no wait; False: it was not done, `read` is called on a worker.

        Raises as `read` does. May leave anything in the buffers when it returns False.
        """
        if self.blocking:
            return False
        self.read(buffers, offset_bytes)
        return True

    def try_write(self, buffers: list[memoryview], offset_bytes: int) -> bool:
        """Do a `write` without `fua` that needs no wait; False: `write` is called on a worker.

        Raises as `write` does. A part may have been written when it returns False.
        """
        if self.blocking:
            return False
        self.write(buffers, offset_bytes, False)
        return True

    def waited(self, seconds: float) -> None:  # noqa: B027 - to be overridden only where useful
        """Learn that a `try_` operation took long; a handler may refuse the next ones."""

    def flush(self) -> None:  # noqa: B027 - without it every write is durable when it returns
        """Put every write that returned on stable storage, or raise OSError.

        Once this failed it must go on failing until the storage is opened again: the data that
        could not be written is gone from the cache.
        """

    # What follows works for every storage; a handler replaces what it can do better.

    @property
    def physical_block_size_bytes(self) -> int:
        """The size of what the storage writes as a whole, 0 where nothing is known."""
        return 0

    @property
    def can_discard(self) -> bool:
        """Whether `discard` gives storage back: the device is then thin provisioned."""
        return False

    def discard(self, offset_bytes: int, size_bytes: int) -> None:
        """Give the storage of a range back; it reads as zeros afterwards. Raises OSError."""
        self.write_zeroes(offset_bytes, size_bytes)

    def write_zeroes(self, offset_bytes: int, size_bytes: int) -> None:
        """Make a range read as zeros and keep storage for it, or raise OSError."""
        end = offset_bytes + size_bytes
        while offset_bytes < end:
            part = min(CHUNK_BYTES, end - offset_bytes)
            self.write([_ZEROS[:part]], offset_bytes, False)
            offset_bytes += part

    def allocation(self, offset_bytes: int, size_bytes: int) -> Iterator[Extent]:
        """Tell in order which parts of a range have storage, or raise OSError."""
        del offset_bytes  # it is the same everywhere
        yield Extent(size_bytes, True)

    def prefetch(self, offset_bytes: int, size_bytes: int) -> None:
        """Bring a range near, if that costs nothing to wait for; a hint, so without errors."""
        del offset_bytes, size_bytes  # nothing is nearer than the rest

    def copy(self, source_bytes: int, target_bytes: int, size_bytes: int) -> None:
        """Copy a range within the device, or raise OSError.

        The ranges may overlap: what arrives is what the source held before.
        """
        buffer = memoryview(bytearray(min(CHUNK_BYTES, size_bytes)))
        backwards = source_bytes < target_bytes
        done = 0
        while done < size_bytes:
            part = min(len(buffer), size_bytes - done)
            start = size_bytes - done - part if backwards else done
            view = buffer[:part]
            self.read([view], source_bytes + start)
            self.write([view], target_bytes + start, False)
            done += part

    def compare_and_write(
        self, expected: memoryview, data: memoryview, offset_bytes: int, fua: bool
    ) -> int | None:
        """Write `data` if the device holds `expected`, and return None; or raise OSError.

        Otherwise nothing is written, and the offset of the first byte that differs is returned.
        The caller lets no other write into the range meanwhile.
        """
        found = bytearray(len(expected))
        self.read([memoryview(found)], offset_bytes)
        if found != expected:
            return first_difference(found, expected)
        self.write([data], offset_bytes, fua)
        return None

    def resize(self, size_bytes: int) -> None:
        """Give the storage another size while it is open; the device is quiet meanwhile.

        What is added reads as zeros. Raises LioshellError, and nothing has changed then.
        """
        raise RunnerError(
            f"A {self.subtype} device of {self.size_bytes} bytes cannot become {size_bytes}",
            hint="Create another one of that size and copy the data.",
        )

    def status(self) -> dict[str, str]:
        """Tell how the storage does, by short names that `info` shows; called on any thread."""
        return {}

    def close(self) -> None:  # noqa: B027 - not everything has something to release
        """Release the storage; nothing is called after it."""


def first_difference(one: bytes | bytearray | memoryview, other: bytes | memoryview) -> int:
    """Return the offset of the first byte that differs between two buffers that are not equal."""
    low, high = 0, len(one)
    a, b = memoryview(one), memoryview(other)
    while high - low > 1:
        middle = (low + high) // 2
        # A bytearray compares as memory, a memoryview item by item.
        if bytearray(a[low:middle]) == b[low:middle]:
            low = middle
        else:
            high = middle
    return low
