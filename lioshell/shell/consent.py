# SPDX-License-Identifier: Apache-2.0
"""Whether something may be taken away: a person is asked, a script is refused where it hurts.

The question is asked while nothing is locked: the command is left before its first step, and
begun again once the answer is yes. What it would take away is looked at again then, and asked
about again where it is more than was agreed to.
"""

from __future__ import annotations

import contextlib

from lioshell.errors import ConflictError, DeclinedError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from lioshell.lio.impact import Impact

    T = TypeVar("T")


class Unanswered(Exception):  # noqa: N818  # a question and no error
    """A command was left because somebody has to be asked first.

    `question` is an impact or a sentence; a yes to it is one to all of `impacts`.
    """

    def __init__(self, question: Impact | str, impacts: Sequence[Impact] = ()) -> None:
        super().__init__(question)
        self.question = question
        self.impacts = impacts


class Consent:
    """Decides about destructive commands, before their first step.

    `confirm` shows what would vanish, asks and returns the answer; None where nobody can be asked.
    """

    def __init__(self, *, assume_yes: bool) -> None:
        self.assume_yes = assume_yes
        self.confirm: Callable[[Impact | str], bool] | None = None
        self._agreed: list[Impact] = []
        self._agreed_sentences: set[str] = set()
        self._is_foreseeing = False

    def run(self, change: Callable[[], T]) -> T:
        """Run a change, and ask what it needs to know; raises DeclinedError for a no."""
        self._agreed, self._agreed_sentences = [], set()
        while True:
            try:
                return change()
            except Unanswered as asked:
                question, impacts = asked.question, asked.impacts
            if self.confirm is None or not self.confirm(question):
                deed = question if isinstance(question, str) else question.deed
                raise DeclinedError(
                    f"Nothing was changed: {deed} was declined", hint="Say y to do it."
                )
            if isinstance(question, str):
                self._agreed_sentences.add(question)
            else:
                self._agreed += [question, *impacts]

    @contextlib.contextmanager
    def given(self, given: bool) -> Iterator[None]:
        """Take one line's --yes for an answer to all that it would be asked."""
        before, self.assume_yes = self.assume_yes, self.assume_yes or given
        try:
            yield
        finally:
            self.assume_yes = before

    def require_word(self, deed: str) -> None:
        """Let a command go on that a person has to agree to, whatever it takes away."""
        if not self.assume_yes and self.confirm is not None and deed not in self._agreed_sentences:
            raise Unanswered(deed)

    def require_all(self, deed: str, removals: Sequence[Callable[[], object]]) -> None:
        """Let several removals go on that are one deed; one question is asked for all of them.

        Each is begun, and left before its first step, to learn what it would take away.
        """
        if not self.assume_yes:
            foreseen = [impact for removal in removals for impact in self._foreseen(removal)]
            self.require_together(deed, foreseen)

    def require_together(self, deed: str, impacts: Sequence[Impact]) -> None:
        """Let a deed go on that takes away all of `impacts`; one question is asked for it."""
        from lioshell.lio.impact import Impact

        if not impacts:
            return
        luns = dict.fromkeys(lun for impact in impacts for lun in impact.luns)
        logins = dict.fromkeys(login for impact in impacts for login in impact.logins)
        is_slight = len(impacts) == 1 and impacts[0].is_slight
        try:
            self.require(Impact(deed, tuple(luns), tuple(logins), is_slight))
        except Unanswered as asked:
            raise Unanswered(asked.question, impacts) from None

    def _foreseen(self, removal: Callable[[], object]) -> list[Impact]:
        self._is_foreseeing = True
        try:
            removal()
        except Unanswered as asked:
            return [] if isinstance(asked.question, str) else [asked.question]
        finally:
            self._is_foreseeing = False
        return []

    def require(self, impact: Impact) -> None:
        """Let a command go on; raises Unanswered, or ConflictError where nobody can be asked.

        Whoever is logged in to what would vanish would lose it: without --yes a one-liner or a
        script does not do that.
        """
        if self._is_foreseeing:
            raise Unanswered(impact)
        if self.assume_yes:
            return
        if self.confirm is not None:
            if not any(_covers(agreed, impact) for agreed in self._agreed):
                raise Unanswered(impact)
            return
        if impact.logins:
            names = ", ".join(dict.fromkeys(str(login) for login in impact.logins))
            raise ConflictError(
                f"{impact.deed}: {names} {'is' if len(impact.logins) == 1 else 'are'} logged in",
                hint="Log out there first, or do it all the same with: lioshell --yes",
                path=impact.deed.rpartition(" ")[2],
            )


def _covers(agreed: Impact, impact: Impact) -> bool:
    """Tell whether a yes to one impact is a yes to another: the same deed, and no more lost."""
    return (
        agreed.deed == impact.deed
        and _luns(impact) <= _luns(agreed)
        and _logins(impact) <= _logins(agreed)
    )


def _luns(impact: Impact) -> set[tuple[str, int]]:
    return {(tpg.tree_path, index) for tpg, index in impact.luns}


def _logins(impact: Impact) -> set[tuple[str, str]]:
    return {(login.initiator, login.tpg) for login in impact.logins}
