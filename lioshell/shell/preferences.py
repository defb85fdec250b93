# SPDX-License-Identifier: Apache-2.0
"""Preferences: the `global` group, kept as JSON in the user's state folder.

They are written only when one is set, under a lock and to a temporary file that is renamed, so that
a concurrent reader never sees half of them and no change of another shell is undone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from lioshell.errors import HostError, NotFoundError, UsageError
from lioshell.shell.known_preferences import PREFERENCES, Preference
from lioshell.shell.values import boolean, number
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lioshell.render.output import Output

__all__ = ["PREFERENCES", "Preference", "Preferences"]
_BOOKMARKS = "bookmarks"
_LARGEST = 2**31 - 1


class Preferences:
    """The preferences of one user."""

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._path = os.path.join(folder, "preferences.json")
        self._values: dict[str, object] | None = None

    def flag(self, name: str) -> bool:
        """Return a boolean preference."""
        return bool(self._value(name))

    def number(self, name: str) -> int:
        """Return a number preference."""
        return int(self._value(name))

    def word(self, name: str) -> str:
        """Return a preference that is one of some words."""
        return str(self._value(name))

    def shown(self, names: list[str]) -> dict[str, str]:
        """Return preferences as text, all of them where `names` is empty."""
        return {name: self._text(name) for name in names or sorted(PREFERENCES)}

    def rows(self, names: list[str]) -> list[tuple[str, str, str, bool]]:
        """Return name, value, help and "can be set" of preferences, all where `names` is empty."""
        shown = self.shown(names)
        return [(name, value, PREFERENCES[name].help, True) for name, value in shown.items()]

    def set_all(self, values: dict[str, str], *, keep: bool = True) -> None:
        """Change preferences, all or none; raises NotFoundError or UsageError.

        `keep` False changes them for this run only.
        """
        parsed = {name: self._parse(name, text) for name, text in values.items()}
        if keep:
            self._change(parsed)
        else:
            self._values = {**self._load(), **parsed}

    def apply(self, out: Output) -> None:
        """Let an output show what these preferences want to see, and no more."""
        level = self.word("loglevel_console")
        out.prefer(
            color=self.flag("color_mode"),
            says=level in ("debug", "info"),
            notes=level not in ("error", "critical"),
        )

    def bookmarks(self) -> dict[str, str]:
        """Return the bookmarks: names and paths."""
        kept = self._load().get(_BOOKMARKS)
        pairs = kept.items() if isinstance(kept, dict) else ()
        return {name: path for name, path in pairs if isinstance(path, str)}

    def set_bookmarks(self, bookmarks: dict[str, str]) -> None:
        """Keep the bookmarks; raises HostError or UsageError."""
        self._change({_BOOKMARKS: bookmarks})

    def _text(self, name: str) -> str:
        self._known(name)
        value = self._value(name)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _value(self, name: str) -> bool | int | str:
        value, known = self._load().get(name), PREFERENCES[name]
        if not isinstance(value, bool | int | str) or type(value) is not type(known.default):
            return known.default
        return known.default if known.values and value not in known.values else value

    def _parse(self, name: str, text: str) -> bool | int | str:
        known = self._known(name)
        if known.kind == "bool":
            return boolean(text, name)
        if known.kind == "int":
            if number(text, name) > _LARGEST:
                raise UsageError(f"{name}={text} is too much", hint=f"Give up to {_LARGEST}.")
            return number(text, name)
        if known.kind == "string" or text in known.values:
            return str(text)
        words = " or ".join(known.values)
        raise UsageError(f"{name}={text!r} is none of its words", hint=f"Say {words}.")

    @staticmethod
    def _known(name: str) -> Preference:
        if name not in PREFERENCES:
            raise NotFoundError(f"There is no preference {name}", hint="See them with: get global")
        return PREFERENCES[name]

    def _load(self) -> dict[str, object]:
        """Return what the file holds, all of it: a newer version may know more.

        A file that cannot be understood is told of once, and the defaults hold.
        """
        if self._values is None:
            try:
                self._values = self._read()
            except UsageError as error:
                self._values = {}
                self._warn(f"{error.message}; the defaults hold. {error.hint}")
        return self._values

    def _read(self) -> dict[str, object]:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            # None were ever set, or they are not ours to read: the defaults hold.
            return {}
        import json

        try:
            found = json.loads(text)
            reason = "they are no object"
        except ValueError as error:
            found, reason = None, str(error)
        if isinstance(found, dict):
            return found
        raise UsageError(
            f"The preferences in {self._path} cannot be read: {reason}",
            hint=f"Mend or remove {self._path}",
        )

    def _change(self, values: Mapping[str, object]) -> None:
        """Replace some values in the file as it is now, and no other: two shells may do so."""
        folder = os.path.dirname(self._path)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            with _locked(folder):
                current: dict[str, object] = {**self._read(), **values}
                self._write(current)
        except OSError as error:
            raise HostError(
                f"The preferences cannot be kept: {os.strerror(error.errno or 0)}",
                hint=f"Check {folder}",
            ) from error
        self._values = current

    def _write(self, values: dict[str, object]) -> None:
        """Write the file anew and rename it; a failure leaves the old one, and no other."""
        import json
        import tempfile

        with tempfile.NamedTemporaryFile(
            "w", dir=os.path.dirname(self._path), delete=False, encoding="utf-8"
        ) as file:
            try:
                json.dump(values, file, indent=2, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, self._path)
            except OSError:
                os.unlink(file.name)
                raise


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Be the only one that changes the preferences in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
