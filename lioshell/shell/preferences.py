# SPDX-License-Identifier: Apache-2.0
"""Preferences: the `global` group, kept as JSON in the user's state folder.

The names and defaults are targetcli's. They are written only when one is set, to a temporary file
that is renamed, so that a concurrent reader never sees half of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lioshell.errors import HostError, NotFoundError, UsageError
from lioshell.shell.values import boolean, number

if TYPE_CHECKING:
    from collections.abc import Callable


class Preference(NamedTuple):
    """One preference; `kind` is bool, int or enum, whose words are `values`."""

    kind: str
    default: bool | int | str
    help: str
    values: tuple[str, ...] = ()


PREFERENCES = {
    "auto_add_default_portal": Preference(
        "bool", True, "A new TPG listens on every address, port 3260."
    ),
    "auto_add_mapped_luns": Preference(
        "bool", True, "New LUNs are mapped for every initiator, and new initiators see every LUN."
    ),
    "auto_cd_after_create": Preference("bool", False, "Go to an object after creating it."),
    "auto_enable_tpgt": Preference("bool", True, "A new TPG is enabled at once."),
    "auto_save_on_exit": Preference("bool", True, "An interactive session saves when it ends."),
    "complete_while_typing": Preference(
        "bool", False, "Completions are offered while one types, and not with Tab only."
    ),
    "confirm_destructive": Preference(
        "bool", True, "The prompt asks before a command that takes something away."
    ),
    "editing_mode": Preference("enum", "emacs", "Keys of the line editor.", values=("emacs", "vi")),
    "export_backstore_name_as_model": Preference(
        "bool", True, "Initiators see a storage object's name as the disk's model."
    ),
    "pager": Preference(
        "bool", True, "An answer longer than the screen is shown in $PAGER, or less."
    ),
    "prompt_length": Preference("int", 30, "Longest path in the prompt; 0 means no limit."),
    "tree_max_depth": Preference("int", 0, "Levels that ls shows; 0 means all."),
}


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
        current: dict[str, object] = {**self._read(), **parsed}
        if keep:
            self._write(current)
        self._values = current

    def _text(self, name: str) -> str:
        self._known(name)
        return str(self._value(name)).lower()

    def _value(self, name: str) -> bool | int | str:
        value, known = self._load().get(name), PREFERENCES[name]
        if known.kind == "enum":
            return value if isinstance(value, str) and value in known.values else known.default
        return value if isinstance(value, int) else known.default

    def _parse(self, name: str, text: str) -> bool | int | str:
        known = self._known(name)
        if known.kind == "bool":
            return boolean(text, name)
        if known.kind == "int":
            return number(text, name)
        if text in known.values:
            return text
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

    def _write(self, values: dict[str, object]) -> None:
        import json
        import tempfile

        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=os.path.dirname(self._path), delete=False, encoding="utf-8"
            ) as file:
                json.dump(values, file, indent=2, sort_keys=True)
            os.replace(file.name, self._path)
        except OSError as error:
            raise HostError(
                f"The preferences cannot be kept: {os.strerror(error.errno or 0)}",
                hint=f"Check {os.path.dirname(self._path)}",
            ) from error
