# SPDX-License-Identifier: Apache-2.0
"""The file of a saved configuration: read whole and checked, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from lioshell.errors import DocumentError, HostError, NotFoundError

Document = dict[str, Any]

_SECTIONS = ("storage_objects", "fabric_modules", "targets")
_UNRESTORED_SUFFIX = ".unrestored"
_UNREADABLE_SUFFIX = ".unreadable"


def read(path: str) -> Document:
    """Return a saved configuration in targetcli's format.

    Raises NotFoundError, HostError (rights) or DocumentError (no JSON, not this format).
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no saved configuration {path}",
            hint="Save one with: saveconfig",
            path=path,
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "no text"
        raise HostError(f"{path} cannot be read: {reason}", hint="Check the file.") from error
    try:
        document = json.loads(text)
    except ValueError as error:
        raise DocumentError(
            f"{path} is no JSON: {error}", hint="Restore another file, or mend this one."
        ) from error
    check(document, path)
    assert isinstance(document, dict)
    return document


def check(document: object, path: str) -> None:
    """Raise DocumentError unless a document has the shape of a saved configuration."""
    if not isinstance(document, dict):
        raise DocumentError(f"{path} holds no object", hint="Restore another file.")
    for section in _SECTIONS:
        items = document.get(section, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise DocumentError(
                f"{path}: {section} is no list of objects", hint="Restore another file."
            )


def write(path: str, document: Document) -> bool:
    """Write a saved configuration, and tell whether it differs from what was there.

    To a unique temporary file beside it (0600), fsync, rename, fsync of the folder: after a
    power cut there is either the old file or the new one.
    """
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    folder = os.path.dirname(os.path.abspath(path))
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return False
    except (OSError, UnicodeDecodeError, ValueError):
        # Missing or unreadable: it is written anew, or the attempt below says why it cannot be.
        pass
    temporary = ""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(folder)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise HostError(
            f"{path} cannot be written: {os.strerror(error.errno or 0)}",
            hint="The saved configuration is as it was; check the space and the rights.",
            path=path,
        ) from error
    return True


def keep_aside(path: str) -> None:
    """Rename a file that is no saved configuration to `path`.unreadable before a save replaces it.

    Raises HostError.
    """
    try:
        os.replace(path, path + _UNREADABLE_SUFFIX)
    except OSError as error:
        raise HostError(
            f"{path} is no saved configuration, and cannot be kept aside: "
            f"{os.strerror(error.errno or 0)}",
            hint="Move it away, then save again.",
            path=path,
        ) from error


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unrestored(path: str) -> list[str]:
    """Return what a restore of this file left out and what therefore a save would lose."""
    try:
        with open(path + _UNRESTORED_SUFFIX, encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError) as error:
        raise DocumentError(
            f"{path}{_UNRESTORED_SUFFIX} cannot be read: {error}",
            hint="It lists what the last restore left out; look at it, then remove it.",
        ) from error
    return [str(item) for item in found] if isinstance(found, list) else []


def remember_unrestored(path: str, paths: list[str]) -> None:
    """Keep the list of what a restore left out; an empty one forgets it."""
    marker = path + _UNRESTORED_SUFFIX
    try:
        if paths:
            with open(marker, "w", encoding="utf-8") as file:
                json.dump(paths, file, indent=2)
        elif os.path.exists(marker):
            os.unlink(marker)
    except OSError as error:
        raise HostError(
            f"{marker} cannot be written: {os.strerror(error.errno or 0)}",
            hint="Do not save before the objects shown above are restored.",
        ) from error
