# SPDX-License-Identifier: Apache-2.0
"""The configuration string of an RBD device: which image of which cluster, as whom."""

from __future__ import annotations

from lioshell.errors import UsageError
from lioshell.runner.handlers.base import Option
from lioshell.runner.handlers.config_string import split_options
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

_FORM: Final = "As in rbd/vol0, rbd/NAMESPACE/vol0 or rbd/vol0@SNAPSHOT."

OPTIONS: Final = (
    Option("conf", "path", "Ceph's configuration file, by default /etc/ceph/ceph.conf"),
    Option("id", "string", "The user of Ceph without its client., by default admin"),
    Option("keyring", "path", "The file with the user's key, if not where conf says"),
    Option(
        "key",
        "string",
        "Put it into a keyring file that only root can read and name that: ;keyring=/PATH",
        secret=True,
    ),
    Option(
        "osd_op_timeout",
        "int",
        "Seconds after which a command that no OSD answers fails; 0: it waits",
        "0",
    ),
)


class ImageName(NamedTuple):
    """An image, the snapshot of it or "", and how its cluster is reached ("": by default)."""

    pool: str
    namespace: str
    image: str
    snapshot: str
    conf: str
    user: str
    keyring: str
    osd_op_timeout_s: int

    def __str__(self) -> str:
        parts = [part for part in (self.pool, self.namespace, self.image) if part]
        return "/".join(parts) + (f"@{self.snapshot}" if self.snapshot else "")

    @property
    def command(self) -> str:
        """How a command line of `rbd` begins that is to find the same cluster."""
        words = ["rbd"]
        words += ["-c", self.conf] if self.conf else []
        words += ["--id", self.user] if self.user else []
        words += ["--keyring", self.keyring] if self.keyring else []
        return " ".join(words)


def parse(config: str) -> ImageName:
    """Read `POOL[/NAMESPACE]/IMAGE[@SNAPSHOT][;name=value]...`. Raises UsageError."""
    main, options = split_options(config, OPTIONS)
    if "key" in options:
        raise UsageError("A key of Ceph does not belong here", hint=f"{OPTIONS[3].help}.")
    parts = main.split("/")
    if len(parts) == 2:
        parts.insert(1, "")
    if len(parts) != 3 or not parts[0] or not parts[2] or (not parts[1] and main.count("/") > 1):
        raise UsageError(f"{main!r} does not name a pool and an image", hint=_FORM)
    image, at, snapshot = parts[2].partition("@")
    if not image or (at and not snapshot) or "@" in snapshot:
        raise UsageError(f"{main!r} does not name an image and its snapshot", hint=_FORM)
    if any("@" in part for part in parts[:2]):
        raise UsageError(f'{main!r} has "@" in the name of its pool', hint=_FORM)
    return ImageName(
        parts[0],
        parts[1],
        image,
        snapshot,
        options.get("conf", ""),
        options.get("id", "").removeprefix("client."),
        options.get("keyring", ""),
        int(options["osd_op_timeout"]),
    )
