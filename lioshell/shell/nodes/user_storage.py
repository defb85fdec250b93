# SPDX-License-Identifier: Apache-2.0
"""What a new user: object is to stand on: its configuration, its size, and who makes the storage.

A handler of ours checks and makes it. Where a running tcmu-runner has registered the subtype, it is
asked whether it takes the configuration, and the rest is its own affair.
"""

from __future__ import annotations

from lioshell.errors import UsageError
from lioshell.model.sizes import parse_size
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.handlers.base import Handler, Undo
    from lioshell.shell.session import Session


class Storage(NamedTuple):
    """What `create` and `changemedium` give to the kernel; `prepare` takes the block's bytes."""

    config: str
    size_bytes: int
    prepare: Callable[[int], Undo] | None


def wanted(
    session: Session,
    subtype: str,
    name: str,
    size: str | None,
    cfgstring: str | None,
    options: dict[str, str],
) -> Storage:
    """Return what was asked for, checked; nothing is made yet. Raises LioshellError.

    A word with a "/" is no size: `create vol0 /srv/vol0.img` names storage that has one.
    """
    if cfgstring is None and size is not None and "/" in size:
        size, cfgstring = None, size
    if subtype in session.lio.kernel.system.foreign_subtypes():
        return _of_tcmu_runner(session, subtype, size, cfgstring)
    config = _config(session.handler(subtype), name, cfgstring, options)
    size_bytes = _size_bytes(session.handler_for_new(subtype, config), size, config)
    return Storage(config, size_bytes, preparing(session, subtype, config, size_bytes))


def preparing(
    session: Session, subtype: str, config: str, size_bytes: int
) -> Callable[[int], Undo] | None:
    """Return what makes or checks the storage; None where that is tcmu-runner's affair."""
    if subtype in session.lio.kernel.system.foreign_subtypes():
        return None
    handler = session.handler(subtype)
    return lambda block: handler.prepare(config, size_bytes, block)


def block_size_of(session: Session, subtype: str, config: str, asked_bytes: int) -> int:
    """Return the bytes in a block of the new object; some storage has its own."""
    if subtype in session.lio.kernel.system.foreign_subtypes():
        return asked_bytes
    return session.handler(subtype).block_size_of(config, asked_bytes)


def _of_tcmu_runner(
    session: Session, subtype: str, size: str | None, cfgstring: str | None
) -> Storage:
    missing = [n for n, v in (("size", size), ("cfgstring", cfgstring)) if v is None]
    if size is None or cfgstring is None:
        raise UsageError(
            f"create: missing required parameter {missing[0]}",
            hint="tcmu-runner serves this subtype: see its documentation.",
        )
    problem = session.lio.kernel.system.foreign_problem(subtype, cfgstring)
    if problem:
        raise UsageError(
            f"tcmu-runner does not take {cfgstring!r}: {problem}",
            hint="See its documentation for the form of the text.",
        )
    return Storage(cfgstring, parse_size(size), None)


def _config(
    handler: type[Handler], name: str, cfgstring: str | None, options: dict[str, str]
) -> str:
    """Return the configuration string, with options that were given by name."""
    from lioshell.runner.handlers import config_string

    if cfgstring is None:
        cfgstring = handler.default_config(name)
    if cfgstring is None:
        raise UsageError(
            "create: missing required parameter cfgstring", hint=f"It is {handler.config_help}."
        )
    return config_string.merged(cfgstring, options, handler.options)


def _size_bytes(handler: type[Handler], size: str | None, config: str) -> int:
    """Return the size that was given, or that of storage that is there."""
    if size is not None:
        return parse_size(size)
    found = handler.size_of(config)
    if found is None:
        raise UsageError(
            "create: missing required parameter size",
            hint="Nothing is there that has one: give it, as in size=10G.",
        )
    return found
