# SPDX-License-Identifier: Apache-2.0
"""Unit attentions of the unit's own: another capacity (SBC-3 4.9), another medium (MMC-6 4.1.7).

The ring does not say which initiator sent a command, so the first one that asks is told
(drivers/target/target_core_user.c); Linux and others look at the capacity again then.
"""

from __future__ import annotations

from lioshell.runner.scsi.sense import UNIT_ATTENTION, check_condition
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Final

    from lioshell.runner.command import Command, Deferred, Response

    Run = Callable[[Command], Response | Deferred]

CAPACITY_CHANGED: Final = check_condition(UNIT_ATTENTION, 0x2A, 0x09)
MEDIUM_CHANGED: Final = check_condition(UNIT_ATTENTION, 0x28, 0x00)
"""NOT READY TO READY CHANGE, MEDIUM MAY HAVE CHANGED."""

# SPC-4 5.14: these are answered and leave the unit attention as it is. REPORT LUNS is the kernel's.
_UNAFFECTED: Final = (0x03, 0x12, 0xA0)


def with_attention(
    table: list[Run],
    response: Response,
    reported: Callable[[], None],
    unaffected: Collection[int] = (),
) -> list[Run]:
    """Return a dispatch table that answers the first command with `response` instead.

    `reported` is called then; it puts `table` back. A table costs the commands after it nothing.
    The operation codes `unaffected` are executed beside those that every unit executes.
    """

    def report(_command: Command) -> Response:
        reported()
        return response

    executed = (*_UNAFFECTED, *unaffected)
    return [run if code in executed else report for code, run in enumerate(table)]
