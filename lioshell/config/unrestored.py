# SPDX-License-Identifier: Apache-2.0
"""What the last restore could not bring back: remembered until it is restored or forgotten.

It belongs to the running kernel, not to a file, so it is kept in the run folder and is gone with
the next boot, as the running configuration is; the saved file has everything all the same, because
a save carries over what is listed here (`lioshell.config.save`).

The file is a journal: its first line is a table (`source`: the file restored, `phase`, `document`:
what is to be restored), each further line tells what has become of one object. A restore that is
killed leaves it as it was at that moment. `phase` is "clearing" while what ran before is being
removed, "restoring", and "ended".
"""

from __future__ import annotations

import os

from lioshell.errors import DocumentError, HostError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from lioshell.config.document import Document
    from lioshell.lio.root import Lio

CLEARING, RESTORING, ENDED = "clearing", "restoring", "ended"
INTERRUPTED = "the restore was interrupted"
_NAME = "unrestored"
_VERSION = 1


class Unrestored(NamedTuple):
    """One object that is not restored: its path in the tree, why, what to do, what it waits for.

    `missing` is the path of a file or device that was not there, "" where that is not the reason.
    """

    path: str
    reason: str
    hint: str = ""
    missing: str = ""


class Pending(NamedTuple):
    """All that is not restored; `document` describes it, and nothing else."""

    source: str
    phase: str
    document: Document
    objects: tuple[Unrestored, ...]
    begun: tuple[str, ...] = ()
    """Paths of all objects of a restore that was interrupted, made or not."""

    @property
    def interrupted(self) -> bool:
        """Whether the restore did not come to its end: some objects may be half made."""
        return self.phase != ENDED


def journal_path(run_dir: str) -> str:
    """Return the journal's path."""
    return os.path.join(run_dir, _NAME)


def unrestored(run_dir: str) -> list[Unrestored]:
    """Return what is not restored, in the order of the saved file; costs one open where all is.

    Who may not read the journal is told nothing: it holds secrets. Raises DocumentError for one
    that cannot be understood.
    """
    if not os.access(journal_path(run_dir), os.R_OK):
        return []
    pending = read(run_dir)
    return [] if pending is None else list(pending.objects)


def read(run_dir: str) -> Pending | None:
    """Return what is pending, None where nothing is; raises DocumentError or HostError."""
    path = journal_path(run_dir)
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise HostError(f"{path} cannot be read: {reason}", path=path) from error
    import json

    from lioshell.config.pending import pending_of

    try:
        head = json.loads(lines[0])
        # The last line may have been cut off in the middle by a kill: it says nothing then.
        events = [json.loads(line) for line in lines[1:-1]]
        return pending_of(head, events)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DocumentError(
            f"{path}, the list of what is not restored, cannot be understood: {error}",
            hint="Look at it, then remove it: the next save keeps only what runs.",
            path=path,
        ) from error


def remember(run_dir: str, pending: Pending) -> None:
    """Replace the journal; nothing pending removes it. Raises HostError."""
    path = journal_path(run_dir)
    try:
        if pending.phase == ENDED and not pending.objects:
            if os.path.exists(path):
                os.unlink(path)
            return
        import json
        import tempfile

        head: dict[str, Any] = {
            "version": _VERSION,
            "source": pending.source,
            "phase": pending.phase,
            "document": pending.document,
            "begun": pending.begun,
        }
        lines = [json.dumps(head), *(_failed(one) for one in pending.objects)]
        os.makedirs(run_dir, mode=0o755, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=run_dir, prefix=f".{_NAME}.", delete=False, encoding="utf-8"
        ) as file:
            file.write("\n".join(lines) + "\n")
        os.replace(file.name, path)
    except OSError as error:
        raise HostError(
            f"What is not restored cannot be remembered in {path}: {os.strerror(error.errno or 0)}",
            hint="Do not save before everything is restored.",
            path=path,
        ) from error


def _failed(one: Unrestored) -> str:
    import json

    return json.dumps({"failed": one.path, "reason": one.reason, "hint": one.hint,
                       "missing": one.missing})  # fmt: skip


def forget(lio: Lio, paths: list[str]) -> list[str]:
    """Give up objects that are not restored, and what belongs to them; return their paths.

    Every one for no path at all. Raises DocumentError or HostError.
    """
    pending = read(lio.kernel.run_dir)
    if pending is None:
        return []
    from lioshell.config.document import is_empty
    from lioshell.config.pending import without

    everything = pending._replace(document={}, objects=())
    left = without(pending, paths) if paths else everything
    if left.interrupted and is_empty(left.document):
        left = left._replace(phase=ENDED)
    remember(lio.kernel.run_dir, left)
    gone = {one.path for one in pending.objects} - {one.path for one in left.objects}
    return [one.path for one in pending.objects if one.path in gone]
