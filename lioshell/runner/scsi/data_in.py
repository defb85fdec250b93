# SPDX-License-Identifier: Apache-2.0
"""Answers with parameter data, and answers without any, that leave nothing stale behind.

The kernel zeroes data pages only when it first allocates them, and hands the whole expected length
to the initiator unless a response says otherwise - but a length of 0 says nothing to it
(drivers/target/target_core_user.c, tcmu_handle_completion). So what is not filled is zeroed too.
"""

from __future__ import annotations

from lioshell.runner.command import GOOD, Response
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.runner.command import Command


def parameter_data(command: Command, payload: bytes, allocation_length: int) -> Response:
    """Return GOOD with `payload`, truncated to the CDB's allocation length (SPC-4 4.2.5.6)."""
    return filled(command, command.scatter(payload[:allocation_length]))


def filled(command: Command, length_bytes: int) -> Response:
    """Return GOOD for data-in of which the first `length_bytes` have been filled."""
    if length_bytes >= command.size_bytes:
        return GOOD
    command.zero_fill(length_bytes)
    return Response(0, b"", length_bytes)


def no_data(command: Command) -> Response:
    """Return GOOD to a command that transfers nothing, whatever the initiator expected."""
    return filled(command, 0)
