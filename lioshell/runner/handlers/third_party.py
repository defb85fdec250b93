# SPDX-License-Identifier: Apache-2.0
"""Handlers of others: files in /etc/lioshell/handlers.d, entry points `lioshell.handlers`.

A file is named as its subtype, an entry point too; so the names are known without running any of
it, and a handler that does not load harms nothing but its own devices. The code runs as root: a
file that somebody else could have written is not run.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from abc import ABC, abstractmethod

from lioshell.errors import HostError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import EntryPoint
    from typing import Any, Final

    from lioshell.runner.handlers.base import Handler

FOLDER: Final = "/etc/lioshell/handlers.d"
GROUP: Final = "lioshell.handlers"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_folders = [FOLDER]
_files: dict[str, tuple[object, dict[str, Source]]] = {}
_entry_points: dict[tuple[str, ...], dict[str, Source]] = {}


class Source(ABC):
    """Where the class of one subtype comes from; it is loaded once, when it is asked for."""

    def __init__(self, subtype: str) -> None:
        self.subtype = subtype
        self._outcome: type[Handler] | HostError | None = None

    @property
    @abstractmethod
    def where(self) -> str:
        """The file, or the entry point."""

    @abstractmethod
    def fetch(self) -> object:
        """Return what should be the class; raises anything."""

    def load(self) -> type[Handler]:
        """Return the handler class. Raises HostError with what is wrong with it."""
        if self._outcome is None:
            self._outcome = self._loaded()
        if isinstance(self._outcome, HostError):
            raise self._outcome
        return self._outcome

    def _loaded(self) -> type[Handler] | HostError:
        try:
            found = self.fetch()
        except HostError as error:
            return error
        except (Exception, SystemExit) as error:  # noqa: BLE001 - third-party code: anything
            return self.broken(f"{type(error).__name__}: {error}")
        return self._checked(found)

    def _checked(self, found: object) -> type[Handler] | HostError:
        from lioshell.runner.handlers.base import Handler

        if not isinstance(found, type) or not issubclass(found, Handler):
            return self.broken(f"{found!r} is no class of handlers")
        missing = sorted(getattr(found, "__abstractmethods__", ()))
        missing += [name for name in ("help", "config_help") if not hasattr(found, name)]
        if missing:
            return self.broken(f"it has no {', '.join(missing)}")
        if getattr(found, "subtype", self.subtype) != self.subtype:
            return self.broken(f"its class is for the subtype {found.subtype!r}")
        found.subtype = self.subtype
        return found

    def broken(self, reason: str) -> HostError:
        """Return the error that says what is wrong with the handler."""
        return HostError(
            f"The handler of user:{self.subtype} cannot be loaded: {reason}",
            hint=f"Mend {self.where}; docs/handlers.md tells how a handler is written.",
            path=self.where,
        )


class FileSource(Source):
    """A Python file with one class of handlers in it, and perhaps what that derives from."""

    def __init__(self, subtype: str, path: str) -> None:
        super().__init__(subtype)
        self._path = path

    @property
    def where(self) -> str:
        """The file."""
        return self._path

    def fetch(self) -> object:
        """Run the file and return its class. Raises HostError, and whatever the file raises."""
        from types import ModuleType

        from lioshell.runner.handlers.base import Handler

        text = self._trusted_text()
        name = f"lioshell_handlers_d.{self.subtype}"
        module = ModuleType(name)
        module.__file__ = self._path
        # dataclasses and pickle look their module up by name.
        sys.modules[name] = module
        try:
            code = compile(text, self._path, "exec", dont_inherit=True)
            # /etc/lioshell is where an administrator extends the program.
            exec(code, vars(module))  # noqa: S102  # the file is root's own
        except BaseException:
            del sys.modules[name]
            raise
        classes: set[Any] = {
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Handler)
            and value.__module__ == name
            and getattr(value, "subtype", self.subtype) == self.subtype
        }
        # What others in the file derive from is only a part of them.
        classes -= {base for value in classes for base in value.__mro__[1:]}
        if len(classes) != 1:
            raise self.broken(
                f"it has {len(classes) or 'no'} classes of handlers with subtype {self.subtype!r}"
            )
        return classes.pop()

    def _trusted_text(self) -> bytes:
        """Return what is in the file. Raises HostError where others than root could write it."""
        for path in (os.path.dirname(self._path), self._path):
            self._require_ours(path, os.stat(path))
        with open(self._path, "rb") as file:
            self._require_ours(self._path, os.fstat(file.fileno()))
            return file.read()

    def _require_ours(self, path: str, found: os.stat_result) -> None:
        writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if found.st_uid in (0, os.geteuid()) and not writable:
            return
        raise HostError(
            f"The handler of user:{self.subtype} is not loaded: others than root can write {path}",
            hint=f"Look what is in it, then: chown root:root {path}; chmod go-w {path}",
            path=path,
        )


class EntryPointSource(Source):
    """A class in a package that was installed."""

    def __init__(self, entry_point: EntryPoint) -> None:
        super().__init__(entry_point.name)
        self._entry_point = entry_point

    @property
    def where(self) -> str:
        """The entry point, as its package declares it."""
        return f"the entry point {self._entry_point.name} = {self._entry_point.value}"

    def fetch(self) -> object:
        """Import the class; raises whatever its package raises."""
        return self._entry_point.load()


def use_folders(folders: Iterable[str]) -> None:
    """Look for files in other folders than /etc/lioshell/handlers.d; a later one goes first."""
    _folders[:] = folders


def found() -> dict[str, Source]:
    """Return where each subtype of others comes from; a file goes before an entry point.

    Runs none of it. New files are seen at once, new packages by new processes.
    """
    subtypes = dict(_from_packages())
    for folder in _folders:
        subtypes |= _from_files(folder)
    return subtypes


def _from_files(folder: str) -> dict[str, Source]:
    seen = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _is_handler(entry.name):
                    seen[entry.path] = _state(entry)
    except OSError:
        # Usually there is no such folder.
        return {}
    key = tuple(sorted(seen.items()))
    known = _files.get(folder)
    if known is None or known[0] != key:
        paths = sorted(seen)
        sources = [FileSource(os.path.basename(p).removesuffix(".py"), p) for p in paths]
        known = _files[folder] = (key, {source.subtype: source for source in sources})
    return known[1]


def _state(entry: os.DirEntry[str]) -> tuple[int, ...]:
    """Return what changes with a file."""
    try:
        status = entry.stat()
    except OSError:
        # A link to nothing: it is listed, and told of when it is loaded.
        return ()
    return (status.st_mtime_ns, status.st_mode, status.st_uid)


def _is_handler(name: str) -> bool:
    return name.endswith(".py") and _NAME.fullmatch(name.removesuffix(".py")) is not None


def _from_packages() -> dict[str, Source]:
    key = tuple(sys.path)
    if key not in _entry_points:
        # importlib.metadata costs as much as a whole listing; it is asked where it has an answer.
        _entry_points[key] = _declared() if any(map(_declares, _metadata_files(key))) else {}
    return _entry_points[key]


def _declared() -> dict[str, Source]:
    from importlib.metadata import entry_points

    return {e.name: EntryPointSource(e) for e in entry_points(group=GROUP) if _NAME.match(e.name)}


def _metadata_files(path: Iterable[str]) -> Iterator[str]:
    for folder in path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            # A zip file, or nothing: who keeps a handler in an archive names it in handlers.d.
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                yield os.path.join(folder, name, "entry_points.txt")


def _declares(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return f"[{GROUP}]".encode() in file.read()
    except OSError:
        # Most packages have no entry points.
        return False
