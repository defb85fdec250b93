# SPDX-License-Identifier: Apache-2.0
"""The line below the prompt: which machine, which kernel, what is unsaved, who serves, who is in.

What the machine has to be asked for is asked in a thread of its own: after each command, and then
at a distance that grows with what the last look cost, so that looking is never a load.
"""

from __future__ import annotations

import os
import threading
import time

from lioshell.errors import LioshellError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.formatted_text import StyleAndTextTuples

    from lioshell.shell.session import Session

_EVERY_S = 5.0
_PAUSE_PER_COST = 100
"""A look that took a second is repeated after a hundred: one per cent of a processor."""


class Seen(NamedTuple):
    """What was seen of the machine: devices of user space, those nobody serves, sessions.

    None: not known (yet).
    """

    user_devices: int | None = None
    unserved: int = 0
    by_service: bool = False
    sessions: int | None = None


class Toolbar:
    """Keeps what the toolbar shows."""

    def __init__(self, session: Session, redraw: Callable[[], None]) -> None:
        self._session = session
        self._redraw = redraw
        self._seen = Seen()
        self._asked = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_over = False

    def look(self) -> None:
        """Look at the machine soon: a command has been run."""
        self._asked.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="toolbar", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._is_over = True
        self._asked.set()

    def _run(self) -> None:
        pause_s = 0.0
        while not self._is_over:
            self._asked.wait(pause_s or None)
            self._asked.clear()
            if self._is_over:
                return
            begin = time.monotonic()
            seen = look(self._session)
            pause_s = max(_EVERY_S, (time.monotonic() - begin) * _PAUSE_PER_COST)
            if seen != self._seen:
                self._seen = seen
                self._redraw()

    def fragments(self, width: int) -> StyleAndTextTuples:
        """Return the toolbar; where it is too narrow, the last pieces are left out."""
        shown: StyleAndTextTuples = [("", " ")]
        room = width - 2
        for number, (style, text) in enumerate(pieces(self._session, self._seen)):
            room -= len(text) + 3 * (number > 0)
            if room < 0:
                break
            if number:
                shown.append(("class:toolbar.between", " | "))
            shown.append((style, text))
        return shown


def pieces(session: Session, seen: Seen) -> list[tuple[str, str]]:
    """Return the toolbar's pieces with their styles, the most important first."""
    kernel = session.lio.kernel
    host = os.uname()
    machine = "simulated kernel" if kernel.simulated else f"Linux {host.release.partition('-')[0]}"
    found = [
        ("class:toolbar.host", host.nodename.partition(".")[0]),
        ("class:toolbar.simulated" if kernel.simulated else "", machine),
    ]
    if session.changed:
        found.append(("class:toolbar.attention", "unsaved changes"))
    else:
        found.append(("", "no changes"))
    served = len(session.hosting.served_here())
    if seen.user_devices or served:
        found.append(_serving(seen, served))
    if seen.sessions is not None:
        found.append(("", f"{seen.sessions} session{'s' * (seen.sessions != 1)}"))
    if session.lio.dry_run:
        found.insert(2, ("class:toolbar.attention", "dry run"))
    found.append(("class:toolbar.hint", "Tab completes, Ctrl-R searches"))
    return found


def _serving(seen: Seen, served: int) -> tuple[str, str]:
    if seen.unserved > 0:
        return "class:toolbar.alarm", f"user: {seen.unserved} without a runner"
    if served:
        return "", f"user: served here ({served})"
    return "", "user: service" if seen.by_service else "user: served"


def look(session: Session) -> Seen:
    """Look at the machine; what cannot be seen is not known."""
    from lioshell.service.hosting import HIDDEN_RUNNER, Hosting, service_runs

    kernel = session.lio.kernel
    try:
        devices = kernel.uio.devices()
        unserved = 0
        if devices:
            # Its own, because the session's remembers one answer for each command.
            hosting = Hosting(kernel, lambda: None)
            here = set(session.hosting.served_here())
            paths = {device.configfs_path for device in devices} - here
            unserved = sum(hosting.problem(path) not in ("", HIDDEN_RUNNER) for path in paths)
        return Seen(len(devices), unserved, service_runs(kernel.run_dir), _sessions(session))
    except (LioshellError, OSError):
        # Something changes at this moment, or may not be seen: it is looked at again.
        return Seen()


def _sessions(session: Session) -> int | None:
    from lioshell.lio.sessions import all_logins

    return sum(login.kind != "Discovery" for login in all_logins(session.lio))
