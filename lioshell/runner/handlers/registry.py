# SPDX-License-Identifier: Apache-2.0
"""The subtypes that there are, and how a device's dev_config becomes a logical unit.

Nothing of a handler is imported before it is asked for: a shell that only lists names pays nothing,
and a handler whose library is missing harms no other.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from lioshell.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.handlers.base import Handler
    from lioshell.runner.scsi.disk import Disk
    from lioshell.runner.scsi.unit import Identity

# Subtype -> module and class.
_HANDLERS: Final = {"file": ("lioshell.runner.handlers.file", "FileHandler")}


def names() -> tuple[str, ...]:
    """Return the subtypes, sorted; imports none of them."""
    return tuple(sorted(_HANDLERS))


def find(subtype: str) -> type[Handler]:
    """Return the handler class of a subtype. Raises NotFoundError."""
    try:
        module, name = _HANDLERS[subtype]
    except KeyError:
        known = ", ".join(names())
        raise NotFoundError(
            f"There is no handler for the subtype {subtype!r}", hint=f"Use one of: {known}."
        ) from None
    handler: type[Handler] = getattr(importlib.import_module(module), name)
    return handler


def split(dev_config: str) -> tuple[str, str]:
    """Return subtype and configuration of a dev_config: "file//srv/a" is ("file", "/srv/a").

    Raises UsageError without both.
    """
    subtype, separator, config = dev_config.partition("/")
    if not subtype or not separator or not config:
        raise UsageError(
            f"{dev_config!r} does not name a subtype and its configuration",
            hint="The form is SUBTYPE/CONFIG, as in file//srv/vol0.img.",
        )
    return subtype, config


def serves(dev_config: str) -> bool:
    """Tell whether a device of this dev_config belongs to one of the subtypes."""
    return dev_config.partition("/")[0] in _HANDLERS and "/" in dev_config


def make_unit(
    dev_config: str,
    *,
    size_bytes: int,
    identity: Identity | Callable[[], Identity],
    block_size_bytes: int = 512,
    hw_max_sectors: int = 0,
    read_only: bool = False,
) -> Disk:
    """Open the storage of a device and return the logical unit in front of it.

    `identity` may be a callable, asked by the first INQUIRY. Raises LioshellError; nothing stays
    open then.
    """
    from lioshell.runner.scsi.disk import Disk
    from lioshell.runner.scsi.unit import Geometry

    subtype, config = split(dev_config)
    geometry = Geometry(size_bytes, block_size_bytes, hw_max_sectors)
    handler = find(subtype).open(config, size_bytes, block_size_bytes, read_only)
    return Disk(identity, geometry, handler)
