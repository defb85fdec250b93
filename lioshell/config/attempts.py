# SPDX-License-Identifier: Apache-2.0
"""A restore's attempts: what was tried, what failed and why, written down as it happens."""

from __future__ import annotations

import contextlib
import json

from lioshell.config.document import empty, merged_all
from lioshell.config.unrestored import ENDED, Pending, Unrestored, journal_path, remember
from lioshell.errors import HostError, LioshellError, NotFoundError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lioshell.config.document import Document

    Progress = Callable[[int, int, str], None]

_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What taking a document apart raises that has not the shape it should have."""


class Report:
    """What a restore did: the number of objects tried, and those that are not restored."""

    def __init__(self) -> None:
        self.total = 0
        self.failures: list[Unrestored] = []


class Journal:
    """The list of what is not restored, while it grows; one of a dry run writes nothing."""

    def __init__(self, run_dir: str, pending: Pending, *, dry_run: bool = False) -> None:
        """Write down what is to be restored, before the first change; raises HostError."""
        self._run_dir = run_dir
        self._pending = pending
        self._dry_run = dry_run
        if not dry_run:
            remember(run_dir, pending)

    def add(self, **event: object) -> None:
        """Write down one event; without it more than necessary counts as not restored."""
        if self._dry_run:
            return
        line = f"{json.dumps(event)}\n".encode()
        with (
            contextlib.suppress(OSError),
            open(journal_path(self._run_dir), "ab", buffering=0) as file,
        ):
            # In one write: what a kill leaves is whole lines.
            file.write(line)

    def end(self, document: Document, failures: list[Unrestored]) -> None:
        """Write down what is left at the end, nothing if nothing is; raises HostError."""
        if not self._dry_run:
            ended = Pending(self._pending.source, ENDED, document, tuple(failures))
            remember(self._run_dir, ended)


class Attempts:
    """Tries one object after the other, and goes on past those that fail.

    `progress` is told before each: how many were tried, of how many, the path of the next one. With
    `abort_on_error` the first failure is raised instead. `left` has what to restore later, in a
    document for each failure.
    """

    def __init__(
        self,
        journal: Journal,
        total: int,
        *,
        progress: Progress | None = None,
        abort_on_error: bool = False,
    ) -> None:
        self.report = Report()
        self.left: list[Document] = []
        self._journal = journal
        self._total = total
        self._progress = progress
        self._abort_on_error = abort_on_error

    @contextlib.contextmanager
    def attempt(self, path: str, document: Document, *, counted: bool = True) -> Iterator[None]:
        """Count an object, unless it is a part of one; note as failed what raises inside.

        `document` describes the object alone: it is what stays to be restored then.
        """
        if counted:
            if self._progress is not None:
                self._progress(self.report.total, self._total, path)
            self.report.total += 1
        try:
            yield
        except LioshellError as error:
            remains = "".join(f"; could not be undone: {what}" for what in error.remains)
            missing = error.path if isinstance(error, NotFoundError) else ""
            self._failed(Unrestored(path, str(error) + remains, error.hint, missing), document)
            if self._abort_on_error:
                raise
        except _MALFORMED as error:
            # A document written by hand or by another program: say which object is malformed.
            hint = "Mend the file, and restore it again."
            self._failed(Unrestored(path, f"malformed: {_what_is_wrong(error)}", hint), document)
            if self._abort_on_error:
                raise LioshellError(f"{path} is malformed: {_what_is_wrong(error)}") from error

    def fail(self, path: str, error: LioshellError, document: Document) -> None:
        """Note a failure that costs no object, such as an attribute this kernel does not have."""
        self._failed(Unrestored(path, str(error), error.hint), document)
        if self._abort_on_error:
            raise error

    def done(self, path: str) -> None:
        """Note that all has been tried that is in an object at the top of the document."""
        self._journal.add(done=path)

    def end(self, before: Sequence[Unrestored] = ()) -> None:
        """Write down what is left, `before` too; that this was not possible is a failure too."""
        try:
            self._journal.end(merged_all([empty(), *self.left]), [*before, *self.report.failures])
        except HostError as error:
            # What was and was not restored has to be told all the same.
            self.report.failures.append(Unrestored(error.path, str(error), error.hint))

    def _failed(self, failure: Unrestored, document: Document) -> None:
        self.report.failures.append(failure)
        self.left.append(document)
        self._journal.add(
            failed=failure.path,
            reason=failure.reason,
            hint=failure.hint,
            missing=failure.missing,
            document=document,
        )


def _what_is_wrong(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
