# SPDX-License-Identifier: Apache-2.0
"""The subtypes that there are, and how a device's dev_config becomes a logical unit.

Nothing of a handler is imported before it is asked for: a shell that only lists names pays nothing,
and a handler whose library is missing harms no other.
"""

from __future__ import annotations

import importlib
import os

from lioshell.errors import HostError, NotFoundError, UsageError
from lioshell.runner.handlers import third_party
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.runner.handlers.base import Handler, Unavailable
    from lioshell.runner.scsi.unit import Geometry, Identity, Unit

    MakeUnit = Callable[[Identity | Callable[[], Identity], Geometry, Handler], Unit]

# Subtype -> module below lioshell.runner.handlers, and class.
_HANDLERS: Final = {
    "fault": ("fault", "FaultHandler"),
    "fbo": ("fbo", "FboHandler"),
    "file": ("file", "FileHandler"),
    "glfs": ("glfs", "GlfsHandler"),
    "nbd": ("nbd", "NbdHandler"),
    "null": ("null", "NullHandler"),
    "overlay": ("overlay", "OverlayHandler"),
    "qcow": ("qcow", "QcowHandler"),
    "ram": ("ram", "RamHandler"),
    "rbd": ("rbd", "RbdHandler"),
    "zbc": ("zbc", "ZbcHandler"),
}

# What a listing looks for, without importing the handler: a Python module, a shared library, or a
# program (any of those between "|"). `Handler.unavailable` says more.
_NEEDS: Final[dict[str, tuple[str, str]]] = {
    "glfs": ("library", "libgfapi.so.0"),
    "qcow": ("program", "qemu-nbd"),
    "rbd": ("library", "librbd.so.1"),
}

# Known without an import: a listing asks.
_WITH_TRAY: Final = frozenset(("fbo",))


def lacking(subtype: str) -> str:
    """Return what one of our own subtypes lacks on this machine, for a listing; "" for nothing."""
    kind, names = _NEEDS.get(subtype, ("", ""))
    if kind == "module":
        return "" if _has_module(names) else f"no Python module {names}"
    if kind == "library":
        from lioshell.runner.handlers import shared_library

        return "" if shared_library.is_there(names) else f"no {names}"
    if kind == "program":
        there = any(map(_has_program, names.split("|")))
        return "" if there else f"no {names.replace('|', ' or ')}"
    return ""


def _has_program(name: str) -> bool:
    # shutil.which says the same; its import costs more than all of this module.
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(os.access(os.path.join(folder, name), os.X_OK) for folder in folders)


def _has_module(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def names() -> tuple[str, ...]:
    """Return the subtypes, sorted, our own and third parties'; imports none of them."""
    return tuple(sorted({*_HANDLERS, *third_party.found()}))


def is_built_in(subtype: str) -> bool:
    """Tell whether a subtype is one of our own; no other code of that name is ever run."""
    return subtype in _HANDLERS


def origin(subtype: str) -> str:
    """Return where a subtype's code comes from: a file, or an entry point."""
    source = None if is_built_in(subtype) else third_party.found().get(subtype)
    return "lioshell" if source is None else source.where


def find(subtype: str) -> type[Handler]:
    """Return the handler class of a subtype.

    Raises NotFoundError, and HostError for a third party's that cannot be loaded.
    """
    built_in = _HANDLERS.get(subtype)
    if built_in is not None:
        module, name = built_in
        handler: type[Handler] = getattr(
            importlib.import_module(f"lioshell.runner.handlers.{module}"), name
        )
        return handler
    source = third_party.found().get(subtype)
    if source is not None:
        return source.load()
    known = ", ".join(names())
    raise NotFoundError(
        f"There is no handler for the subtype {subtype!r}", hint=f"Use one of: {known}."
    )


def unavailable(subtype: str) -> Unavailable | None:
    """Tell why a subtype cannot be used on this machine, None where it can."""
    from lioshell.runner.handlers.base import Unavailable

    try:
        return find(subtype).unavailable()
    except HostError as error:
        return Unavailable(error.message, error.hint)


def require(subtype: str) -> type[Handler]:
    """Return the handler class of a subtype that can be used on this machine.

    Raises NotFoundError, and HostError with what to install.
    """
    handler = find(subtype)
    missing = handler.unavailable()
    if missing is not None:
        raise HostError(f"user:{subtype} is not available: {missing.why}", hint=missing.hint)
    return handler


def for_new(subtype: str, config: str) -> type[Handler]:
    """Return the handler class for a new device, whose configuration it has checked.

    Raises as `require`, and UsageError: for what the kernel cannot keep, for secrets, and for what
    the handler does not understand.
    """
    from lioshell.runner.handlers import config_string

    handler = require(subtype)
    config_string.check_text(config, f"{subtype}/")
    config_string.refuse_secrets(config, handler.options)
    handler.check_config(config)
    return handler


def shown(dev_config: str) -> str:
    """Return a dev_config as it may be shown, with the secrets that an option holds as ***."""
    from lioshell.runner.handlers import config_string

    subtype, separator, config = dev_config.partition("/")
    if ";" not in config or not is_built_in(subtype):
        return config_string.shown(dev_config)
    return f"{subtype}{separator}{config_string.shown(config, find(subtype).options)}"


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
    subtype, separator, _ = dev_config.partition("/")
    return bool(separator) and (subtype in _HANDLERS or subtype in third_party.found())


def has_tray(subtype: str) -> bool:
    """Tell whether the devices of a subtype are drives whose medium can be changed."""
    return subtype in _WITH_TRAY


def make_unit(
    dev_config: str,
    *,
    size_bytes: int,
    identity: Identity | Callable[[], Identity],
    block_size_bytes: int = 512,
    hw_max_sectors: int = 0,
    read_only: bool = False,
) -> Unit:
    """Open the storage of a device and return the logical unit in front of it.

    `identity` may be a callable, asked by the first INQUIRY. Raises LioshellError; nothing stays
    open then.
    """
    from lioshell.runner.scsi.unit import Geometry

    subtype, config = split(dev_config)
    kind = require(subtype)
    block = kind.block_size_of(config, block_size_bytes)
    # The kernel counts hw_max_sectors in its own blocks.
    limit = max(1, hw_max_sectors * block_size_bytes // block) if hw_max_sectors else 0
    geometry = Geometry(size_bytes, block, limit)
    make = _unit_class(kind)
    handler = kind.open(config, size_bytes, block, read_only)
    try:
        return make(identity, geometry, handler)
    except BaseException:
        handler.close()
        raise


def _unit_class(kind: type[Handler]) -> MakeUnit:
    """Return the logical unit for a handler's peripheral device type. Raises HostError."""
    from lioshell.runner.scsi.disk import Disk
    from lioshell.runner.scsi.optical import OpticalDrive
    from lioshell.runner.scsi.zoned import ZonedDisk

    units: dict[int, MakeUnit] = {0x00: Disk, 0x05: OpticalDrive, 0x14: ZonedDisk}
    try:
        return units[kind.device_type]
    except KeyError:
        raise HostError(
            f"user:{kind.subtype} wants a unit of device type {kind.device_type:#04x}",
            hint=f"There is: {', '.join(f'{number:#04x}' for number in units)}.",
        ) from None
