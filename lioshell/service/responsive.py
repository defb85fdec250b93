# SPDX-License-Identifier: Apache-2.0
"""Disks that are served by a process which has other work to do as well."""

from __future__ import annotations

import gc
import sys

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_SWITCH_S: Final = 0.0005
"""For so long a thread keeps the interpreter from another that wants it. Python's own is ten times
that, and the loop's thread asks for it several times a command."""
_YOUNG_OBJECTS: Final = 700
"""Python's own; a command that serves nothing looks more seldom (lioshell/__main__.py)."""


def be_responsive() -> None:
    """Have the threads of this process give way to one another soon.

    What exists by now, modules and the tree of commands, is not looked through for garbage any
    more: that would stop every thread for as long as it takes. What is new is looked through often
    and is little each time.
    """
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(_YOUNG_OBJECTS)
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
