# SPDX-License-Identifier: Apache-2.0
"""/backstores/user:SUBTYPE/NAME: a disk that a process serves; asked, resized and repaired."""

from __future__ import annotations

from lioshell.errors import ConflictError, NotFoundError, UsageError
from lioshell.model.sizes import format_size, parse_size
from lioshell.shell.nodes.storage_object import StorageObjectNode
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar

_RING, _NETLINK = "ring", "netlink"
_HERE, _SERVICE = "here", "service"
_ABOUT = {
    _RING: (
        "The device is blocked (initiators get BUSY and try again), its ring is emptied with "
        "commands in flight retried, and a process of lioshell serves it anew. No data is lost."
    ),
    _NETLINK: (
        "Every configfs operation of user: devices that waits in the kernel for an answer of some "
        "daemon, of whichever program, fails now. lioshell's own "
        "devices wait for nobody; this frees those of others, such as tcmu-runner's."
    ),
}


class UserObjectNode(StorageObjectNode):
    """A storage object that a process serves."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        **StorageObjectNode.command_parameters,
        "resize": (Parameter("size", "size", "The new size, as in 20G", required=True),),
        "serve": (Parameter("where", "enum", "Which process", _HERE, values=(_HERE, _SERVICE)),),
        "repair": (Parameter("what", "enum", "What is stuck", _RING, values=(_RING, _NETLINK)),),
    }

    def info_fields(self) -> dict[str, Any]:
        """Return what `info` shows, with what the serving process says of its commands."""
        fields = super().info_fields()
        told = self.session.hosting.care(self.storage_object.path, {"op": "info"})
        if not isinstance(told, dict):
            return fields
        fields["served_by"] = told["pid"]
        for name in ("commands", "failures", "hangs"):
            fields[name] = told[name]
        storage = told.get("storage", {})
        if self.out.form != "text":
            more = {"in_flight": told["in_flight"], "slow": told["slow"], "storage": storage}
            return {**fields, **more}
        fields |= {f"storage_{name}": text for name, text in storage.items()}
        fields["in_flight"] = "; ".join(
            f"{c['cdb']} ({'waits' if c['age_s'] is None else format(c['age_s'], '.1f') + ' s'})"
            for c in told["in_flight"]
        )
        fields[f"slower_than_{told['slow_s']:g}_s"] = "; ".join(
            f"{c['cdb']} ({c['took_s']:.1f} s)" for c in told["slow"]
        )
        return fields

    def ui_command_resize(self, size: str) -> None:
        """Give this disk another size while it is in use.

        Initiators are told that the capacity has changed. A smaller size cuts off
        what lies behind it, for ever, and so it has to be agreed to.

        Examples:
            resize 20G
        """
        storage_object = self.storage_object
        before = storage_object.size_bytes or 0
        wanted = parse_size(size)
        block = self._block_size_bytes()
        if wanted < block or wanted % block:
            raise UsageError(
                f"{size} is no whole number of blocks of {block} bytes",
                hint=f"Give {max(block, wanted - wanted % block)}.",
            )
        if wanted == before:
            self.out.say(f"{self.name} has that size already.")
            return
        if wanted < before:
            self._require(
                f"{self.name} shrinks from {format_size(before)} to {format_size(wanted)}, and "
                "what lies behind that is lost"
            )
        if self.lio.dry_run:
            self.out.say(f"resize {storage_object.path} to {wanted} bytes", "plain")
            return
        request = {"op": "resize", "size_bytes": wanted}
        if self.session.hosting.care(storage_object.path, request) is None:
            raise NotFoundError(
                f"{self.name} is served by nobody, so nobody can resize it",
                hint="Serve it with: lioshell serve",
                path=storage_object.path,
            )
        self.out.say(f"{self.name} has {format_size(wanted)} now.")

    def ui_command_serve(self, where: str = _HERE) -> None:
        """Have this disk served by this session, or by the service; nobody who uses it notices.

        WHERE is here or service. When the session ends, the service takes the disk
        again.

        Examples:
            serve here
            serve service
        """
        path = self.storage_object.path
        hosting = self.session.hosting
        if where not in (_HERE, _SERVICE):
            raise UsageError(f"{where!r} can serve nothing", hint="Give here or service.")
        if self.lio.dry_run:
            self.out.say(f"{path} would be served: {where}", "plain")
            return
        for line in hosting.serve_here(path) if where == _HERE else hosting.to_service(path):
            self.out.say(line)

    def ui_command_repair(self, what: str = _RING) -> None:
        """Get a device going again that is stuck.

        WHAT is ring, for a device that does not answer or whose ring is broken, or
        netlink, for commands of other programs that hang in the kernel. What will
        be done is explained first.

        Examples:
            repair
            repair netlink
        """
        if what not in _ABOUT:
            raise UsageError(f"{what!r} cannot be repaired", hint="Give ring or netlink.")
        self.out.note(_ABOUT[what])
        if self.lio.dry_run:
            return
        self._require(f"repair of {self.name} ({what})")
        if what == _NETLINK:
            self.lio.kernel.uio.reset_netlink()
            self.out.say("Whatever waited for a daemon has been told to give up.")
            return
        for line in self.session.hosting.repair(self.storage_object.path):
            self.out.say(line)

    def _require(self, deed: str) -> None:
        """Let a person agree; where nobody can be asked, --yes is wanted."""
        consent = self.session.consent
        if consent.confirm is None and not consent.assume_yes:
            raise ConflictError(
                f"Nothing was changed: {deed}",
                hint="If that is what you want, type it with: lioshell --yes",
                path=self.storage_object.path,
            )
        consent.require_word(deed)

    def _block_size_bytes(self) -> int:
        path = f"{self.storage_object.path}/attrib/hw_block_size"
        return int(self.lio.configfs.read(path)) or 512
