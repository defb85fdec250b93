# SPDX-License-Identifier: Apache-2.0
"""Completion at the prompt: candidates as prompt_toolkit wants them, quoted where they need it."""

from __future__ import annotations

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from lioshell.errors import LioshellError
from lioshell.shell import candidates, grammar
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.shell.session import Session


class ShellCompleter(Completer):
    """Completes paths, commands, parameters and values."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._files = PathCompleter()

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """Yield what fits at the cursor; nothing where the line makes no sense so far."""
        text = document.text_before_cursor
        try:
            found = grammar.word_at_end(text)
            if found is None:
                return
            before, current = found
            start = current.start - len(text)
            apart = "" if document.text_after_cursor[:1].isspace() else " "
            for candidate in candidates.candidates(self._session, before, current):
                if candidate.is_file:
                    for name in self._file_names(candidate, complete_event):
                        yield _completion(name, start, apart)
                else:
                    yield _completion(candidate, start, apart)
        except LioshellError:
            # An unknown path or command, or a place that has gone: there is nothing to offer.
            return
        except Exception:  # noqa: BLE001
            # A defect of ours must not break the line that somebody is typing.
            return

    def all_completions(self, document: Document) -> list[Completion]:
        """Return all that fits at the cursor, as asked for with Tab."""
        return list(self.get_completions(document, CompleteEvent(completion_requested=True)))

    def _file_names(
        self, typed: candidates.Candidate, event: CompleteEvent
    ) -> Iterator[candidates.Candidate]:
        """Yield the files that begin with what is typed."""
        for found in self._files.get_completions(Document(typed.text), event):
            name = found.display_text
            is_folder = name.endswith("/")
            text = typed.text + found.text + ("/" if is_folder else "")
            yield typed._replace(text=text, shown=name, goes_on=is_folder)


def _completion(candidate: candidates.Candidate, start: int, apart: str) -> Completion:
    """Return a candidate that replaces all from `start` on; `apart` goes behind a whole word."""
    quote = grammar.quote if candidate.name else grammar.quote_value
    word = quote(candidate.text) if candidate.text else ""
    shown = candidate.shown or candidate.name + candidate.text
    word += "" if candidate.goes_on else apart
    return Completion(candidate.name + word, start, display=shown, display_meta=candidate.meaning)
