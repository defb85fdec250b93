# SPDX-License-Identifier: Apache-2.0
"""The file of a saved configuration: read whole and checked, written whole or not at all.

A name that ends in .yaml or .yml is YAML (`lioshell.config.yaml_form`), any other one targetcli's
JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat

from lioshell.config.additions import apart, together
from lioshell.config.attached import without_attached
from lioshell.config.document import (
    Document,
    check,
    names,
    without_duplicates,
)
from lioshell.config.durable import write_whole
from lioshell.errors import DocumentError, HostError, NotFoundError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Document", "is_yaml", "keep_aside", "read", "write"]

_UNREADABLE_SUFFIX = ".unreadable"


def is_yaml(path: str) -> bool:
    """Tell whether a file is YAML, by its name."""
    return path.endswith((".yaml", ".yml"))


def read(path: str, *, warn: Callable[[str], None] | None = None) -> Document:
    """Return a saved configuration; objects that stand twice in it are taken as one.

    Disks that programs attach are left out: targetcli saves them.

    `warn` is told what an administrator should know: secrets that others can read, another owner.
    Raises NotFoundError, HostError (rights) or DocumentError (no such format, with the line).
    """
    return read_and_count(path, warn=warn)[0]


def read_and_count(
    path: str, *, warn: Callable[[str], None] | None = None
) -> tuple[Document, list[str]]:
    """Return a saved configuration, and the paths of what the file has too much: what stands twice
    in it, and the disks of programs."""
    data = _bytes(path)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{path} is no text (byte {error.start + 1})", hint="Restore another file.", path=path
        ) from None
    if is_yaml(path):
        from lioshell.config import yaml_form

        document = yaml_form.parse(text, path)
    else:
        document = together(check(_parse_json(text, path), path))
    document, twice = without_duplicates(document)
    document, attached = without_attached(document)
    if warn is not None:
        if twice:
            warn(f"{path}: these stand in it more than once, and are taken as one: {names(twice)}")
        if attached:
            warn(f"{path}: these are left to the programs that attach them: {names(attached)}")
        _look_at_rights(path, document, warn)
    return document, [*twice, *attached]


def _bytes(path: str) -> bytes:
    try:
        # Not to wait for who may write into a FIFO, nor to read a device without an end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return file.read()
        raise HostError(
            f"{path} cannot be read: it is no file", hint="Give the name of a file.", path=path
        )
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no saved configuration {path}",
            hint="Save one with: saveconfig",
            path=path,
        ) from None
    except OSError as error:
        raise HostError(
            f"{path} cannot be read: {os.strerror(error.errno or 0)}",
            hint="Check the file.",
            path=path,
        ) from error


def _parse_json(text: str, path: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        reason = str(error)
    if not text.strip():
        reason = "it is empty"
    raise DocumentError(
        f"{path} is no JSON: {reason}",
        hint="Restore another file (older versions are in the folder backup beside it), "
        "or mend this one.",
        path=path,
    )


def _look_at_rights(path: str, document: Document, warn: Callable[[str], None]) -> None:
    status = os.stat(path)
    if status.st_uid not in (0, os.geteuid()):
        warn(f"{path} belongs to user {status.st_uid}, who can change what is restored at boot")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) and has_secrets(document):
        mode = stat.S_IMODE(status.st_mode)
        warn(
            f"{path} holds passwords, and others can read or write it ({mode:o}): chmod 600 {path}"
        )


def has_secrets(found: object) -> bool:
    """Tell whether a document holds a password in plain text."""
    if isinstance(found, dict):
        return any(
            (str(key).endswith("password") and isinstance(value, str) and bool(value))
            or has_secrets(value)
            for key, value in found.items()
        )
    return isinstance(found, list) and any(has_secrets(item) for item in found)


def write(path: str, document: Document) -> bool:
    """Write a saved configuration, and tell whether its bytes differ from what was there.

    Raises HostError; what was there is there then.
    """
    try:
        if is_yaml(path):
            from lioshell.config import yaml_form

            data = yaml_form.text(path, document).encode()
        else:
            data = json_text(document).encode()
        # What is missing or unreadable is written anew, or the attempt says why it cannot be.
        with contextlib.suppress(HostError, NotFoundError):
            if _bytes(path) == data:
                return False
        write_whole(path, data)
        if is_yaml(path):
            from lioshell.config import secret_store

            secret_store.prune(path)
    except OSError as error:
        raise HostError(
            f"{path} cannot be written: {os.strerror(error.errno or 0)}",
            hint="The saved configuration is as it was; check the space and the rights.",
            path=path,
        ) from error
    return True


def json_text(document: Document) -> str:
    """Return a document as targetcli writes it: keys sorted, two spaces, a line break last."""
    from lioshell.config.indented import indented

    return indented(apart(document)) + "\n"


def close_to_others(path: str) -> None:
    """Take a file's rights from others: it may hold passwords. Raises HostError."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            os.chmod(path, mode & stat.S_IRWXU)
    except OSError as error:
        raise HostError(
            f"{path} cannot be closed to others: {os.strerror(error.errno or 0)}",
            hint=f"Type: chmod 600 {path}",
            path=path,
        ) from error


def keep_aside(path: str) -> str:
    """Give a file that is no saved configuration a second name before a save replaces it.

    Returns that name, `path`.unreadable or one with a number. Raises HostError.
    """
    aside, number = path + _UNREADABLE_SUFFIX, 1
    while os.path.lexists(aside):
        aside, number = f"{path}{_UNREADABLE_SUFFIX}.{number}", number + 1
    try:
        os.link(path, aside)
    except OSError as error:
        raise HostError(
            f"{path} is no saved configuration, and cannot be kept aside: "
            f"{os.strerror(error.errno or 0)}",
            hint="Move it away, then save again.",
            path=path,
        ) from error
    return aside
