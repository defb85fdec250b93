# SPDX-License-Identifier: Apache-2.0
"""Passwords of a saved configuration in YAML: kept outside, and referred to.

A reference is a table in the place of the password:

    chap_password: {credential: NAME}    a credential of the service (systemd.exec, LoadCredential)
    chap_password: {file: PATH}          a file; one that is not absolute is beside the saved one

What a save puts away itself goes to the folder NAME.secrets beside the file, a file each that is
never changed: a file that is written whole or not at all always refers to passwords that are there.
"""

from __future__ import annotations

import contextlib
import copy
import os
import re

from lioshell.config.document import IDENTITY, Document, entries, identity
from lioshell.config.durable import write_whole
from lioshell.errors import DocumentError, HostError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"


def folder_of(path: str) -> str:
    """Return the folder of a file's passwords."""
    return os.path.splitext(os.path.abspath(path))[0] + ".secrets"


def looked_up(path: str, document: Document) -> Document:
    """Return a document with the passwords themselves.

    A reference that leads nowhere stays: it costs the object that it belongs to, and no other.
    """
    result = copy.deepcopy(document)
    for _, item in _items(result):
        for key, value in item.items():
            if is_reference(key, value):
                with contextlib.suppress(HostError, DocumentError):
                    item[key] = look_up(path, value)
    return result


def put_away(path: str, document: Document, before: Document) -> Document:
    """Return a document with references for passwords; new ones are written. Raises OSError.

    `before` is what the file holds now, its references as they are: those whose password has not
    changed stay.
    """
    known = dict(_items(before))
    result = copy.deepcopy(document)
    for where, item in _items(result):
        for key, value in item.items():
            if not (is_secret(key) and isinstance(value, str) and value):
                continue
            old = known.get(where, {}).get(key)
            if is_reference(key, old) and _leads_to(path, old, value):
                item[key] = old
            else:
                item[key] = {"file": _written(path, f"{where} {key}", value)}
    return result


def is_reference(key: str, value: object) -> bool:
    """Tell whether a table stands where a password belongs."""
    return is_secret(key) and isinstance(value, dict)


def _leads_to(path: str, reference: Any, value: str) -> bool:
    try:
        return look_up(path, reference) == value
    except (HostError, DocumentError):
        return False


def prune(path: str) -> None:
    """Remove the passwords that a file, as it is now, does not refer to; raises OSError."""
    folder = folder_of(path)
    if not os.path.isdir(folder):
        return
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for name in os.listdir(folder):
        if name not in text:
            os.unlink(os.path.join(folder, name))
    if not os.listdir(folder):
        os.rmdir(folder)


def _items(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every entry of every list, with a text that says which it is."""
    for name in IDENTITY:
        for item in entries(dict(document), name) if name in document else ():
            where = " ".join((above, *identity(name, item))).strip()
            yield where, item
            yield from _items(item, where)


def is_secret(key: str) -> bool:
    """Tell whether a key of a document holds a password."""
    return key.endswith("password")


def look_up(path: str, reference: Mapping[str, Any]) -> str:
    """Return the password that a file refers to; raises HostError or DocumentError."""
    if len(reference) == 1 and isinstance(reference.get("credential"), str):
        name = reference["credential"]
        folder = os.environ.get(_CREDENTIALS_DIRECTORY, "")
        if not folder:
            raise HostError(
                f"A password of {path} is the credential {name}, and there are none here",
                hint="Restore it as the service (LoadCredential=), or set CREDENTIALS_DIRECTORY.",
                path=path,
            )
        source = os.path.join(folder, os.path.basename(name))
    elif len(reference) == 1 and isinstance(reference.get("file"), str):
        source = os.path.join(os.path.dirname(os.path.abspath(path)), reference["file"])
    else:
        raise DocumentError(
            f"A password of {path} refers to neither a file nor a credential",
            hint="Write {file: PATH} or {credential: NAME}.",
            path=path,
        )
    try:
        with open(source, encoding="utf-8") as file:
            return file.read().removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise HostError(
            f"A password of {path} is in {source}, which cannot be read: {reason}",
            hint="Bring it back, or write the reference anew.",
            path=source,
        ) from error


def _written(path: str, where: str, value: str) -> str:
    """Write a password to a file of its own, and return its path from the saved file's folder."""
    folder = folder_of(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    readable = re.sub(r"[^A-Za-z0-9._:-]+", "-", where)[-120:]
    name = f"{readable}.{os.urandom(4).hex()}"
    write_whole(os.path.join(folder, name), f"{value}\n".encode())
    return os.path.join(os.path.basename(folder), name)
