# SPDX-License-Identifier: Apache-2.0
"""All or nothing: configfs steps that are undone, last first, when a later one fails."""

from __future__ import annotations

import contextlib
import errno
import os

from lioshell.errors import KernelError, LioshellError
from lioshell.model.secret import SECRET_PARAMETERS
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from lioshell.kernel.ports import ConfigfsPort

    Undo = tuple[str, Callable[[], object]]


class Transaction:
    """A context in which each step remembers how to undo itself; a removal too, by making it again.

    Leaving it with an exception (Ctrl-C is one) undoes the steps; what could not be undone is added
    to the error's `remains`, so that the user is told what is left. Inside another transaction, its
    steps become steps of the `outer` one once it has succeeded.
    """

    def __init__(self, configfs: ConfigfsPort, outer: Transaction | None = None) -> None:
        self._configfs = configfs
        self._outer = outer
        self._undo: list[Undo] = []
        self._last_steps: list[Callable[[], None]] = []

    def mkdir(self, path: str) -> None:
        """Create an object."""
        undo = (f"rmdir {path}", lambda: self._configfs.rmdir(path))
        self._do(undo, lambda: self._configfs.mkdir(path))

    def symlink(self, target: str, path: str) -> None:
        """Link an object."""
        undo = (f"unlink {path}", lambda: self._configfs.unlink(path))
        self._do(undo, lambda: self._configfs.symlink(target, path))

    def rmdir(self, path: str) -> None:
        """Remove an object; undone by making it again, so `keep` its attributes before."""
        undo = (f"mkdir {path}", lambda: self._configfs.mkdir(path))
        self._do(undo, lambda: self._configfs.rmdir(path))

    def unlink(self, path: str) -> None:
        """Remove a link."""
        self._do(self._undo_of_unlink(path), lambda: self._configfs.unlink(path))

    def unlink_all(self, paths: Sequence[str]) -> None:
        """Remove links of which each may make the kernel wait; in no particular order."""
        undo = {path: self._undo_of_unlink(path) for path in paths}
        self._undo += undo.values()
        refused = self._configfs.unlink_all(paths)
        # What was refused is there still.
        gone = [undo[path] for path in refused]
        self._undo = [step for step in self._undo if not any(step is one for one in gone)]
        for error in refused.values():
            raise error

    def _undo_of_unlink(self, path: str) -> Undo:
        target = self._configfs.readlink(path)
        return f"link {path}", lambda: self._configfs.symlink(target, path)

    def keep(self, folder: str, names: Sequence[str] | None = None) -> None:
        """Remember what is set in a folder, or in some of its files, before the folder goes.

        Undoing comes after the folder and its links were made again: what reads otherwise then is
        written as it was.
        """
        if names is None:
            if not self._configfs.is_dir(folder):
                return
            names = self._configfs.listdir(folder)
        before = {}
        for name in names:
            path = f"{folder}/{name}"
            if self._configfs.is_writable(path):
                # Some can only be written, or are folders.
                with contextlib.suppress(KernelError):
                    before[path] = self._configfs.read(path)
        self._undo.append((f"restore {folder}", lambda: self._put_back(before)))

    def _put_back(self, before: Mapping[str, str]) -> None:
        for path, value in before.items():
            if self._configfs.read(path) != value:
                secret = path.rpartition("/")[2] in SECRET_PARAMETERS
                self._configfs.write(path, value, secret=secret)

    def at_the_end(self, step: Callable[[], None]) -> None:
        """Do a step that cannot be undone when all else of the outermost transaction is done."""
        self._last_steps.append(step)

    def write(self, path: str, value: str, *, secret: bool = False) -> None:
        """Write an attribute of an object that this transaction made; needs no undo."""
        self._configfs.write(path, value, secret=secret)

    def change(
        self,
        path: str,
        value: str,
        *,
        secret: bool = False,
        unset: str | None = None,
        to_write: Callable[[str], str] = str,
    ) -> None:
        """Write an attribute of an object that was there before; undone by writing it back.

        `unset` is what is written for one that read as empty: the kernel takes no empty text.
        `to_write` turns what is read into what is written, where the kernel wants it so.
        """
        before = to_write(self._configfs.read(path))
        if not before and unset is not None:
            before = unset
        undo = (f"restore {path}", lambda: self._configfs.write(path, before, secret=secret))
        self._do(undo, lambda: self._configfs.write(path, value, secret=secret))

    def on_failure(self, what: str, undo: Callable[[], object]) -> None:
        """Remember how to undo a step that is no configfs operation."""
        self._undo.append((what, undo))

    def _do(self, undo: Undo, step: Callable[[], None]) -> None:
        """Do a step that is remembered first: Ctrl-C may come right after it was done."""
        self._undo.append(undo)
        try:
            step()
        except LioshellError:
            # Refused: there is nothing to undo.
            self._undo.pop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._succeed()
        else:
            self._fail(error)

    def _succeed(self) -> None:
        if self._outer is not None:
            self._outer._undo += self._undo  # noqa: SLF001  # the same class
            self._outer._last_steps += self._last_steps  # noqa: SLF001  # the same class
            return
        try:
            for step in self._last_steps:
                step()
        except BaseException as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        remains = self._undo_all()
        if isinstance(error, LioshellError):
            error.remains += tuple(remains)
        elif remains:
            error.add_note("Could not be undone: " + "; ".join(remains))

    def _undo_all(self) -> list[str]:
        """Undo all steps, last first, and return what could not be undone."""
        remains = []
        while self._undo:
            what, undo = self._undo.pop()
            try:
                _insist(undo)
            except KeyboardInterrupt:
                remains.append(f"{what}: interrupted")
            except Exception as failure:  # noqa: BLE001  # whatever it is, the others are undone
                if not _is_so_already(failure):
                    remains.append(f"{what}: {_reason(failure)}")
        return remains


def _insist(undo: Callable[[], object]) -> None:
    """Undo a step, and do not let one or two more Ctrl-C leave it half undone."""
    for _ in range(2):
        try:
            undo()
            return
        except KeyboardInterrupt:
            continue
    undo()


def _is_so_already(failure: Exception) -> bool:
    """Tell whether what was to be removed is not there, or what was to be made is.

    The step was interrupted before it; where a folder could not be made again, that is told.
    """
    nothing_to_undo = (errno.ENOENT, errno.EEXIST)
    return isinstance(failure, KernelError | OSError) and failure.errno in nothing_to_undo


def _reason(failure: Exception) -> str:
    if isinstance(failure, OSError) and failure.errno is not None:
        return os.strerror(failure.errno)
    return str(failure) or type(failure).__name__
