# SPDX-License-Identifier: Apache-2.0
"""The configuration string of a Gluster device: which file of which volume, and where to ask."""

from __future__ import annotations

import re

from lioshell.errors import UsageError
from lioshell.runner.handlers.base import Option
from lioshell.runner.handlers.config_string import split_options
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

_FORM: Final = "As in VOLUME@HOST/vol0.img."
_VOLUME: Final = re.compile(r"[A-Za-z0-9_-]+")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]")
_PORTS: Final = range(1, 65536)

OPTIONS: Final = (
    Option("port", "int", "The port of glusterd", "24007"),
    Option("backup", "string", "Another host to ask for the volume"),
    Option("sync", "bool", "Every write is on the bricks' disks before it is answered", "false"),
    Option("log", "path", "Where Gluster's library logs, by default its own folder"),
)


class FileName(NamedTuple):
    """A file of a volume (`path` begins with "/"), the hosts to ask, and the options."""

    volume: str
    hosts: tuple[str, ...]
    path: str
    port: int
    sync: bool
    log: str

    def __str__(self) -> str:
        return f"{self.volume}@{self.hosts[0]}{self.path}"


def parse(config: str) -> FileName:
    """Read `VOLUME@HOST/PATH[;name=value]...`. Raises UsageError."""
    main, options = split_options(config, OPTIONS)
    where, _, path = main.partition("/")
    volume, _, host = where.partition("@")
    if not _VOLUME.fullmatch(volume) or not path:
        raise UsageError(f"{main!r} does not name a volume, a host and a file", hint=_FORM)
    hosts = (host, options["backup"]) if "backup" in options else (host,)
    for each in hosts:
        if not _HOST.fullmatch(each):
            raise UsageError(f"{each!r} is not the name of a host", hint=_FORM)
    if path.endswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise UsageError(f"{'/' + path!r} is not the path of a file in the volume", hint=_FORM)
    port = int(options["port"])
    if port not in _PORTS:
        raise UsageError(f"There is no port {port}", hint="Give one from 1 to 65535.")
    return FileName(
        volume,
        tuple(each.strip("[]") for each in hosts),
        f"/{path}",
        port,
        options["sync"] == "true",
        options.get("log", ""),
    )
