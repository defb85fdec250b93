# SPDX-License-Identifier: Apache-2.0
"""All or nothing: configfs steps that are undone, last first, when a later one fails."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from lioshell.errors import LioshellError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from lioshell.kernel.ports import ConfigfsPort


class Transaction:
    """A context in which each mkdir, symlink and write remembers how to undo itself.

    Leaving it with an exception undoes the steps; what could not be undone is added to the
    exception's `remains`, so that the user is told what is left.
    """

    def __init__(self, configfs: ConfigfsPort) -> None:
        self._configfs = configfs
        self._undo: list[tuple[str, Callable[[], None]]] = []

    def mkdir(self, path: str) -> None:
        """Create an object."""
        self._configfs.mkdir(path)
        self.on_failure(f"rmdir {path}", lambda: self._configfs.rmdir(path))

    def symlink(self, target: str, path: str) -> None:
        """Link an object."""
        self._configfs.symlink(target, path)
        self.on_failure(f"unlink {path}", lambda: self._configfs.unlink(path))

    def write(self, path: str, value: str, *, secret: bool = False) -> None:
        """Write an attribute of an object that this transaction made; needs no undo."""
        self._configfs.write(path, value, secret=secret)

    def change(self, path: str, value: str, *, secret: bool = False) -> None:
        """Write an attribute of an object that was there before; undone by writing it back."""
        before = self._configfs.read(path)
        self._configfs.write(path, value, secret=secret)
        self.on_failure(
            f"restore {path}", lambda: self._configfs.write(path, before, secret=secret)
        )

    def on_failure(self, what: str, undo: Callable[[], None]) -> None:
        """Remember how to undo a step that is no configfs operation."""
        self._undo.append((what, undo))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            return
        remains = []
        for what, undo in reversed(self._undo):
            try:
                undo()
            except (LioshellError, OSError) as failure:
                reason = failure.strerror if isinstance(failure, OSError) else str(failure)
                remains.append(f"{what}: {reason or os.strerror(0)}")
        if isinstance(error, LioshellError):
            error.remains += tuple(remains)
        elif remains:
            error.add_note("Could not be undone: " + "; ".join(remains))
