# SPDX-License-Identifier: Apache-2.0
"""The configuration that was applied last: what a file had before somebody changed it.

It says what somebody removed from the file on purpose, and, as it is kept in the run folder and
gone with the next boot, whether the configuration was restored since this one.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile

from lioshell.errors import HostError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.config.document import Document

_NAME = "applied"


def read(run_dir: str) -> Document | None:
    """Return the document that was applied last; None where none was since the boot.

    One that cannot be read counts as empty: nothing is deleted for its sake.
    """
    try:
        with open(os.path.join(run_dir, _NAME), encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def remember(run_dir: str, document: Document) -> None:
    """Remember a document (mode 0600, as it may hold passwords); raises HostError."""
    path = os.path.join(run_dir, _NAME)
    try:
        os.makedirs(run_dir, mode=0o755, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=run_dir, prefix=f".{_NAME}.", delete=False, encoding="utf-8"
        ) as file:
            json.dump(document, file)
        os.replace(file.name, path)
    except OSError as error:
        raise HostError(
            f"What was applied cannot be remembered in {path}: {os.strerror(error.errno or 0)}",
            hint="The next `apply` deletes nothing for want of it.",
            path=path,
        ) from error


def forget(run_dir: str) -> None:
    """Forget it, because the configuration was removed."""
    with contextlib.suppress(FileNotFoundError):  # nothing was applied
        os.unlink(os.path.join(run_dir, _NAME))
