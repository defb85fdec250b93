# SPDX-License-Identifier: Apache-2.0
"""Values of configfs as they are saved: what can be read and written, numbers as numbers."""

from __future__ import annotations

from lioshell.errors import KernelError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.root import Lio

_CREDENTIALS = ("userid", "password", "mutual_userid", "mutual_password")


def attributes(lio: Lio, folder: str) -> dict[str, int | str]:
    """Return every attribute that can be read and written: the unknown ones too."""
    return {name: number(text) for name, text in texts(lio, folder).items()}


def texts(lio: Lio, folder: str) -> dict[str, str]:
    """Return the attributes of a folder as texts; none where there is no such folder."""
    try:
        return dict(sorted(lio.configfs.values(folder).items()))
    except KernelError:
        # Not every fabric has every folder; another program may have deleted it just now.
        return {}


def number(text: str) -> int | str:
    """Return a number where writing it gives the same text again."""
    digits = text.removeprefix("-")
    is_number = digits.isascii() and digits.isdigit() and str(int(text)) == text
    return int(text) if is_number else text


def text_of(lio: Lio, path: str) -> str:
    """Return one attribute, "" where this kernel does not have it or does not show it."""
    try:
        return lio.configfs.read(path)
    except KernelError:
        return ""


def credentials(group: ParameterGroup, prefix: str) -> dict[str, str]:
    """Return the CHAP users and passwords that are set."""
    values = {}
    for name in _CREDENTIALS:
        value = group.get(name, reveal=True)
        if value:
            values[prefix + name] = value
    return values
