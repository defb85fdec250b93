# SPDX-License-Identifier: Apache-2.0
"""Which file describes which fabric or backstore, and which files are refused.

Of the specs that come along only the first lines are read: `kind:` and `name:` stand first (and
`aliases:` third), so that names cost no parsing. An administrator's own files are parsed at once,
out of the cache where nothing changed: what is wrong with them must not surface in the middle of
an unrelated command.
"""

from __future__ import annotations

import os
import re

from lioshell import spec_cache
from lioshell.errors import NotFoundError, SpecError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_HEAD_BYTES = 4096
_SUFFIXES = (".yaml", ".yml")
_LEGACY = ".spec"


class SpecIndex:
    """The files of some folders; of two that describe one thing the first counts.

    Folders count in their order, files by name. Every file outside `own_folder` is checked whole.
    """

    def __init__(
        self,
        folders: Sequence[str],
        own_folder: str,
        cache_folder: str | None = None,
        *,
        without: str = "",
    ) -> None:
        """Index `folders`; the file `without` is left out."""
        self._cache_folder = spec_cache.default_folder() if cache_folder is None else cache_folder
        self._files: dict[str, dict[str, str]] = {"fabric": {}, "backstore": {}}
        self._aliases: dict[str, dict[str, str]] = {"fabric": {}, "backstore": {}}
        self._parsed: dict[str, dict[str, Any]] = {}
        self._refused: dict[tuple[str, str], SpecError] = {}
        self.problems: list[SpecError] = []
        for folder in folders:
            for name in self._names_in(folder):
                path = f"{folder}/{name}"
                if without and _is_same(path, without):
                    continue
                if name.endswith(_LEGACY):
                    self._add(path, self._legacy)
                elif name.endswith(_SUFFIXES):
                    self._add(path, self._own if folder == own_folder else self._drop_in)

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted, without aliases."""
        return sorted(self._files[kind])

    def words(self, kind: str) -> dict[str, str]:
        """Return every name and alias of a kind with the name that it stands for."""
        return {name: name for name in self.names(kind)} | self._aliases[kind]

    def name(self, kind: str, word: str) -> str:
        """Return the name that a name or an alias stands for."""
        return word if word in self._files[kind] else self._aliases[kind].get(word, word)

    def path(self, kind: str, word: str) -> str:
        """Return the file that describes a name.

        Raises NotFoundError, or the SpecError for which its file was refused.
        """
        path = self._files[kind].get(self.name(kind, word))
        if path is not None:
            return path
        if (kind, word) in self._refused:
            raise self._refused[kind, word]
        raise NotFoundError(
            f"There is no {kind} {word}", hint=f"Known are: {', '.join(self.names(kind))}"
        )

    def plain(self, kind: str, word: str) -> dict[str, Any]:
        """Return what a name's file says; raises as `path`, or SpecError."""
        return self._load(self.path(kind, word))

    def check(self, path: str) -> dict[str, Any]:
        """Return what a file says that is not among these; raises SpecError."""
        if path.endswith(_LEGACY):
            self._legacy(path)
            from lioshell import spec_legacy

            return spec_legacy.parse(path)
        if not path.endswith(_SUFFIXES):
            suffixes = ", ".join((*_SUFFIXES, _LEGACY))
            raise SpecError(f"{path} has the name of no spec", hint=f"They end with {suffixes}.")
        self._cache_folder = ""
        self._drop_in(path)
        return self._parsed[path]

    def _load(self, path: str) -> dict[str, Any]:
        if path not in self._parsed:
            plain = spec_cache.load(self._cache_folder, path) if self._cache_folder else None
            if plain is None:
                from lioshell.spec_loader import parse

                plain = parse(path)
                if self._cache_folder:
                    spec_cache.store(self._cache_folder, path, plain)
            self._parsed[path] = plain
        return self._parsed[path]

    def _names_in(self, folder: str) -> list[str]:
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            # Nobody has made a folder of drop-ins here.
            return []
        except OSError as error:
            problem = f"The specs in {folder} cannot be read: {error.strerror}"
            self.problems.append(SpecError(problem, path=folder))
            return []
        return sorted(name for name in names if not name.startswith("."))

    def _add(self, path: str, read: Callable[[str], None]) -> None:
        try:
            read(path)
        except SpecError as error:
            self.problems.append(error)

    def _own(self, path: str) -> None:
        kind, name, aliases, line = read_head(path)
        self._require_free(path, kind, (name, *aliases), line)
        self._enter(path, kind, name, aliases)

    def _drop_in(self, path: str) -> None:
        kind, name, aliases, line = read_head(path)
        try:
            plain = self._load(path)
            if plain["name"] != name or plain.get("aliases", ()) != aliases:
                # They would be found under other words than the ones that the file says.
                raise _error(path, line, "aliases", "name and aliases stand each in a line alone")
            self._require_free(path, kind, (name, *aliases), line)
            self._require_own_folder(path, plain, line)
        except SpecError as error:
            self._refused.setdefault((kind, name), error)
            raise
        self._enter(path, kind, name, aliases)

    def _legacy(self, path: str) -> None:
        """Take a `.spec`; one of a fabric that is described more fully already adds nothing."""
        from lioshell import spec_legacy

        name = os.path.basename(path).removesuffix(_LEGACY)
        try:
            plain = spec_legacy.parse(path)
            fuller = self._files["fabric"].get(self.name("fabric", name))
            if fuller is not None:
                differing = spec_legacy.differences(plain, self._load(fuller))
                if differing:
                    problem = f"fabric {name} is described by {fuller} already, and differently"
                    raise _error(path, 1, differing[0], problem)
                return
            self._require_own_folder(path, plain, 1)
        except SpecError as error:
            self._refused.setdefault(("fabric", name), error)
            raise
        self._parsed[path] = plain
        self._enter(path, "fabric", name, ())

    def _enter(self, path: str, kind: str, name: str, aliases: tuple[str, ...]) -> None:
        self._files[kind][name] = path
        self._aliases[kind].update(dict.fromkeys(aliases, name))

    def _require_free(self, path: str, kind: str, words: tuple[str, ...], line: int) -> None:
        for word in words:
            other = self._files[kind].get(self.name(kind, word))
            if other is not None:
                raise _error(
                    path,
                    line,
                    "name",
                    f"{kind} {word} is described by {other} already",
                    "Give it another name, or remove one of the two files.",
                )

    def _require_own_folder(self, path: str, plain: dict[str, Any], line: int) -> None:
        """Refuse a second spec for one folder of configfs: each object would be there twice."""
        kind = plain["kind"]
        key = "group" if kind == "fabric" else "hba_prefix"
        for other in self._files[kind].values():
            try:
                taken = self._load(other)[key]
            except SpecError:
                # Whoever asks for that spec is told what is wrong with it.
                continue
            if taken == plain[key]:
                at = _line_of(path, key) or line
                raise _error(path, at, key, f"{taken} is described by {other} already")


def _error(path: str, line: int, key: str, problem: str, hint: str = "") -> SpecError:
    message = f"{path}:{line}: {key}: {problem}"
    return SpecError(message, hint=hint, path=path, line=line, key=key)


def _is_same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        # One of the two has gone, or cannot be looked at: its reader says so.
        return False


def _line_of(path: str, key: str) -> int:
    """Return the line where a key of the file stands, 0 where none begins with it."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    return next(
        (n for n, line in enumerate(lines, 1) if re.match(rf"(configfs_)?{key}\b", line)), 0
    )


def read_head(path: str) -> tuple[str, str, tuple[str, ...], int]:
    """Return kind, name, aliases and the name's line from a file's first keys, as plain text."""
    try:
        # Without the layers of a text file: that is half of what a look at a spec costs.
        with open(path, "rb", buffering=0) as file:
            data = file.read(_HEAD_BYTES)
        # The last line may be cut within a character.
        whole = data.rpartition(b"\n")[0] if len(data) == _HEAD_BYTES else data
        lines = whole.decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise SpecError(f"{path} cannot be read: {reason}", path=path) from error
    head: dict[str, tuple[str, int]] = {}
    first = 1
    for number, line in enumerate(lines, 1):
        key, colon, value = line.partition(":")
        if not line.strip() or line.startswith(("#", "---")):
            continue
        first = number if not head else first
        if not colon or key not in ("kind", "name", "aliases") or key in head:
            break
        head[key] = (value.partition(" #")[0].strip().strip("'\""), number)
    if list(head)[:2] != ["kind", "name"] or head["kind"][0] not in ("fabric", "backstore"):
        problem = 'a spec begins with "kind: fabric" or "kind: backstore" and then "name: ..."'
        raise _error(path, first, "kind", problem)
    words = head.get("aliases", ("", 0))[0].strip("[]").split(",")
    aliases = tuple(w.strip().strip("'\"") for w in words if w.strip())
    return head["kind"][0], head["name"][0], aliases, head["name"][1]
