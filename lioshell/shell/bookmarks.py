# SPDX-License-Identifier: Apache-2.0
"""Bookmarks: places of the tree by a name of one's own, typed as @NAME.

They are kept with the preferences. @last is the object that was created last; it is remembered for
a session only: two shells at once would overwrite each other's.
"""

from __future__ import annotations

import re

from lioshell.errors import NotFoundError, UsageError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.shell.preferences import Preferences

LAST = "last"
_NAME = re.compile(r"[A-Za-z0-9:_.\-]+")


class Bookmarks:
    """The bookmarks of one user, and @last of one session."""

    def __init__(self, prefs: Preferences) -> None:
        self._prefs = prefs
        self._last = ""

    def created(self, path: str) -> None:
        """Remember the object that was created last."""
        self._last = path

    def all(self) -> dict[str, str]:
        """Return names and paths, sorted."""
        found = dict(sorted(self._prefs.bookmarks().items()))
        return found | ({LAST: self._last} if self._last else {})

    def path_of(self, name: str) -> str:
        """Return the path of a bookmark; raises NotFoundError."""
        path = self.all().get(name)
        if path is None:
            raise NotFoundError(
                f"There is no bookmark @{name}",
                hint="See them with: bookmarks show; make one with: bookmarks add NAME",
            )
        return path

    def add(self, name: str, path: str) -> None:
        """Give a place a name; raises UsageError."""
        if not _NAME.fullmatch(name) or name == LAST:
            raise UsageError(
                f"{name!r} is no name for a bookmark",
                hint=f"Use letters, digits and : _ . - only; @{LAST} is the latest object.",
            )
        self._prefs.set_bookmarks({**self._prefs.bookmarks(), name: path})

    def delete(self, name: str) -> None:
        """Forget a bookmark; raises NotFoundError."""
        kept = self._prefs.bookmarks()
        if name not in kept:
            self.path_of(name)
            raise UsageError(f"@{LAST} is not kept", hint="It goes with the session.")
        self._prefs.set_bookmarks({each: path for each, path in kept.items() if each != name})
