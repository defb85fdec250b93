# SPDX-License-Identifier: Apache-2.0
"""The configuration string of `zbc`: a path with options behind it, or tcmu-runner's form.

tcmu-runner's `zbc/[model-HM/lba-512/zsize-256/conv-1/open-128@]PATH` formats the file each time
that it is opened with options; here they say what a new file is, and what an existing one must be.
"""

from __future__ import annotations

import re

from lioshell.errors import UsageError
from lioshell.runner.handlers import backing_file, config_string
from lioshell.runner.handlers.base import Option
from lioshell.runner.handlers.zone_file import HOST_AWARE, HOST_MANAGED, ZoneFileHeader
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

_MODELS: Final = {"host-managed": HOST_MANAGED, "host-aware": HOST_AWARE}
_MODEL_NAMES: Final = {number: name for name, number in _MODELS.items()}
_LEGACY: Final = re.compile(r"(model)-(HM|HA)|(lba)-(\d+)|(zsize)-(\d+)|(conv)-(\d+)|(open)-(\d+)")
_LEGACY_MODELS: Final = {"HM": "host-managed", "HA": "host-aware"}
_DEFAULT_ZONE_BYTES: Final = 256 << 20
_LEAST_ZONE_BYTES: Final = 1 << 20
_FEWEST_ZONES: Final = 16
_DEFAULT_MAX_OPEN: Final = 128

OPTIONS: Final = (
    Option("model", "enum", "Who keeps the zones' rules", values=tuple(_MODELS)),
    Option("zone_size", "size", "Bytes in a zone, a power of two; as the file has it, or 256M"),
    Option("conventional", "int", "Zones that can be written anywhere; as the file has it, or 1%"),
    Option("max_open", "int", "Zones that are open at once; as the file has it, or 128"),
    Option("restricted_reads", "bool", "Refuse reads behind a write pointer", "false"),
    Option("sync", "bool", "Every write goes to the disk before it is answered", "false"),
)


class ZbcConfig(NamedTuple):
    """What a configuration string says; None: nothing, so it is as the file has it."""

    path: str
    model: int | None = None
    zone_bytes: int | None = None
    conventional: int | None = None
    max_open: int | None = None
    block_size_bytes: int | None = None
    restricted_reads: bool = False
    sync: bool = False

    def header(self, size_bytes: int, block_size_bytes: int) -> ZoneFileHeader:
        """Return the header of a new file for a device of that size. Raises UsageError."""
        model = HOST_MANAGED if self.model is None else self.model
        zone_bytes = self.zone_bytes or _zone_bytes_for(size_bytes)
        count = -(-size_bytes // zone_bytes)
        conventional = max(1, count // 100) if self.conventional is None else self.conventional
        if zone_bytes < block_size_bytes:
            raise UsageError(
                f"A zone of {zone_bytes} bytes is less than one block",
                hint=f"Give zone_size={_LEAST_ZONE_BYTES >> 20}M or more.",
            )
        if conventional >= count:
            raise UsageError(
                f"Of {count} zones, {conventional} cannot be conventional: one has to be written"
                " in order",
                hint="Give a larger size, a smaller zone_size, or fewer with conventional=.",
            )
        sequential = count - conventional
        max_open = min(_DEFAULT_MAX_OPEN if self.max_open is None else self.max_open, sequential)
        return ZoneFileHeader(
            model,
            size_bytes // block_size_bytes,
            block_size_bytes,
            zone_bytes // block_size_bytes,
            conventional,
            max_open,
        )

    def differs(self, header: ZoneFileHeader) -> str:
        """Tell in words what of an existing file is not as the options say, "" for nothing."""
        zone_bytes = header.zone_blocks * header.block_size_bytes
        sequential = header.zone_count - header.conventional
        max_open = None if self.max_open is None else min(self.max_open, sequential)
        for name, wanted, found in (
            ("model", self.model, header.model),
            ("zone_size", self.zone_bytes, zone_bytes),
            ("conventional", self.conventional, header.conventional),
            ("max_open", max_open, header.max_open),
            ("the block size", self.block_size_bytes, header.block_size_bytes),
        ):
            if wanted is not None and wanted != found:
                shown = _MODEL_NAMES[found] if name == "model" else found
                return f"{name} is {shown}"
        return ""


def parse(config: str) -> ZbcConfig:
    """Return what a configuration string says. Raises UsageError."""
    main, values = config_string.split_options(config, OPTIONS)
    path, block_size = main, None
    if not main.startswith("/") and "@" in main:
        text, _, path = main.partition("@")
        old, block_size = _legacy(text)
        twice = old.keys() & values.keys()
        if twice:
            raise UsageError(f"{min(twice)} is given twice", hint="Give it once.")
        values |= old
    backing_file.check_path(path, f"zbc/{config[: max(0, len(config) - len(path))]}")
    zone_bytes = _number(values, "zone_size")
    if zone_bytes is not None and (not zone_bytes or zone_bytes & (zone_bytes - 1)):
        raise UsageError(
            f"zone_size={zone_bytes} is no power of two", hint="Give 64M, 128M or 256M."
        )
    max_open = _number(values, "max_open")
    if max_open == 0:
        raise UsageError("max_open=0: no zone could be written", hint="Give 1 or more.")
    return ZbcConfig(
        path,
        _MODELS[values["model"]] if "model" in values else None,
        zone_bytes,
        _number(values, "conventional"),
        max_open,
        block_size,
        values["restricted_reads"] == "true",
        values["sync"] == "true",
    )


def _number(values: Mapping[str, str], name: str) -> int | None:
    return int(values[name]) if name in values else None


def _legacy(text: str) -> tuple[dict[str, str], int | None]:
    """Return the options that stand before "@", and the block size. Raises UsageError."""
    values: dict[str, str] = {}
    block_size = None
    for piece in text.split("/"):
        match = _LEGACY.fullmatch(piece)
        if match is None:
            raise UsageError(
                f"{piece!r} is no option of zbc",
                hint="Write the path first and options behind it: /srv/a.zbc;zone_size=64M",
            )
        name, value = (group for group in match.groups() if group is not None)
        if name == "model":
            values["model"] = _LEGACY_MODELS[value]
        elif name == "lba":
            if value not in ("512", "4096"):
                raise UsageError(f"lba-{value} is no block size", hint="Give 512 or 4096.")
            block_size = int(value)
        elif name == "zsize":
            values["zone_size"] = str(int(value) << 20)
        else:
            values["conventional" if name == "conv" else "max_open"] = str(int(value))
    return values, block_size


def _zone_bytes_for(size_bytes: int) -> int:
    """Return the zones' size where none is given: at least some zones even in a small device."""
    zone_bytes = _DEFAULT_ZONE_BYTES
    while zone_bytes > _LEAST_ZONE_BYTES and size_bytes < zone_bytes * _FEWEST_ZONES:
        zone_bytes >>= 1
    return zone_bytes
