# SPDX-License-Identifier: Apache-2.0
"""What may be the matter with a device that is not served, and how an error is said in one line."""

from __future__ import annotations

from lioshell.errors import LioshellError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

SERVED: Final = "served"
FOREIGN: Final = "foreign"
BROKEN: Final = "broken"
NO_HANDLER: Final = "no-handler"
OPENING: Final = "opening"

SERVED_ELSEWHERE: Final = "another process serves it"
"""What is said of a FOREIGN device, and no reason to worry."""


class Note(NamedTuple):
    """Why a device is not served; one with `quarantine` is not tried again by itself."""

    state: str
    message: str
    quarantine: bool = False


def reason(error: BaseException) -> str:
    """Say an error in one sentence."""
    if isinstance(error, LioshellError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"
