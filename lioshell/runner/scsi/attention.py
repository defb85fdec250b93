# SPDX-License-Identifier: Apache-2.0
"""A unit attention of the unit's own: CAPACITY DATA HAS CHANGED after a resize (SBC-3 4.9).

The ring does not say which initiator sent a command, so the first one that asks is told
(drivers/target/target_core_user.c); Linux and others look at the capacity again then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lioshell.runner.scsi.sense import UNIT_ATTENTION, check_condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.command import Command, Deferred, Response

    Run = Callable[[Command], Response | Deferred]

CAPACITY_CHANGED: Final = check_condition(UNIT_ATTENTION, 0x2A, 0x09)

# SPC-4 5.14: these are answered and leave the unit attention as it is. REPORT LUNS is the kernel's.
_UNAFFECTED: Final = (0x03, 0x12, 0xA0)


def with_attention(table: list[Run], response: Response, reported: Callable[[], None]) -> list[Run]:
    """Return a dispatch table that answers the first command with `response` instead.

    `reported` is called then; it puts `table` back. A table costs the commands after it nothing.
    """

    def report(_command: Command) -> Response:
        reported()
        return response

    return [run if code in _UNAFFECTED else report for code, run in enumerate(table)]
