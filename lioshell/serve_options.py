# SPDX-License-Identifier: Apache-2.0
"""The words behind `lioshell serve`."""

from __future__ import annotations

from lioshell.errors import UsageError
from lioshell.runner.statistics import SLOW_S
from lioshell.shell.values import seconds
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK, REMOVE = "block", "remove"
"""What becomes of the devices when the service ends: they answer BUSY, or all is removed."""

_WAIT_S = 30.0
_MOST_SPIN_US = 1_000_000
"""As anybody who typed milliseconds or nanoseconds is told."""


class ServeOptions(NamedTuple):
    """How the service runs.

    `restore`: the saved configuration is restored first, that of `savefile` or the usual one.
    `wait_s` is how long storage that is missing then is waited for before the service is ready.
    `on_stop` is BLOCK or REMOVE. Commands that take longer than `slow_s` are remembered;
    busy rings are looked at for up to `spin_us` microseconds before the runner sleeps, None: as is
    usual on this machine. `per_device` gives each device a process of its own. `until_idle`,
    `ready_fd` and `only` (a device's configfs path) are for services that lioshell itself starts.
    """

    until_idle: bool = False
    ready_fd: int | None = None
    restore: bool = False
    savefile: str = ""
    wait_s: float = _WAIT_S
    on_stop: str = BLOCK
    slow_s: float = SLOW_S
    spin_us: int | None = None
    per_device: bool = False
    only: str = ""


def parse(words: Sequence[str]) -> ServeOptions:
    """Return what the words after `serve` say; raises UsageError."""
    options = ServeOptions()
    for word in words:
        key, equals, value = word.partition("=")
        if word == "--until-idle":
            options = options._replace(until_idle=True)
        elif key == "--ready-fd" and value.isdigit():
            options = options._replace(ready_fd=int(value))
        elif key == "--restore" and (value or not equals):
            options = options._replace(restore=True, savefile=value)
        elif key == "--wait" and value.isdigit():
            options = options._replace(wait_s=float(value))
        elif key == "--slow" and value:
            options = options._replace(slow_s=seconds(value, key))
        elif key == "--spin-us" and value.isdigit() and int(value) <= _MOST_SPIN_US:
            options = options._replace(spin_us=int(value))
        elif word == "--process-per-device":
            options = options._replace(per_device=True)
        elif key == "--only" and value:
            options = options._replace(only=value)
        elif key == "--on-stop" and value in (BLOCK, REMOVE):
            options = options._replace(on_stop=value)
        else:
            raise UsageError(
                f"serve does not understand {word!r}",
                hint="It takes: --restore[=FILE] --wait=SECONDS --on-stop=block|remove "
                "--slow=SECONDS --spin-us=MICROSECONDS --process-per-device",
            )
    if options.on_stop == REMOVE and not options.restore:
        raise UsageError(
            "What was not restored here is not removed here",
            hint="Type: lioshell serve --restore --on-stop=remove",
        )
    return options
