# SPDX-License-Identifier: Apache-2.0
"""/backstores/user:fbo/NAME: a drive whose disc is taken out or exchanged while it is in use."""

from __future__ import annotations

from lioshell.errors import ConflictError, NotFoundError
from lioshell.shell.nodes.user_object import UserObjectNode
from lioshell.shell.values import boolean
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar

EMPTY = "none"
"""The configuration of a drive without a disc (runner/handlers/fbo.py)."""

_FORCE = Parameter("force", "bool", "Even while an initiator has locked the drive", "false")


class OpticalDriveNode(UserObjectNode):
    """A drive that a process serves."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        **UserObjectNode.command_parameters,
        "eject": (_FORCE,),
        "insert": (Parameter("cfgstring", "string", "The disc", required=True), _FORCE),
    }

    def ui_command_eject(self, force: str = "false") -> None:
        """Take the disc out of this drive; its file is free then.

        While an initiator has the disc mounted the drive is locked: it is asked to let go, and the
        disc stays. With FORCE it is taken away from it. The drive stays empty, after a restart too,
        until a disc is inserted.

        Examples:
            eject
            eject force=true
        """
        self.change_medium(EMPTY, boolean(force, "force"))
        if not self.lio.dry_run:
            self.out.say(f"{self.name} is empty now.", "good")

    def ui_command_insert(self, cfgstring: str, force: str = "false") -> None:
        """Put another disc into this drive, in place of the one that is in it.

        CFGSTRING is what `create` takes. Initiators find another disc. After a restart of the
        service it is still in the drive; saveconfig keeps it beyond a reboot.

        Examples:
            insert /srv/other.iso
        """
        size_bytes = self.change_medium(cfgstring, boolean(force, "force"))
        if not self.lio.dry_run:
            self.out.say(f"{cfgstring} is in {self.name} now, {size_bytes} bytes.", "good")

    def insert(self, config: str, size_bytes: int) -> None:
        """Do what `insert` does for a disc of that size, and of no other."""
        found = self.session.handler(self.storage_object.subtype).size_of(config)
        if found not in (None, size_bytes):
            raise ConflictError(
                f"{config} has {found} bytes, not {size_bytes}",
                hint=f"Give {found}, or type: {self.path}/insert {config}",
            )
        self.ui_command_insert(config)

    def change_medium(self, config: str, force: bool) -> int:
        """Have the serving process exchange the medium; return the new size in bytes."""
        from lioshell.lio.backing_use import refuse_second_use
        from lioshell.lio.user_backing import user_backing_path

        storage_object = self.storage_object
        dev_config = f"{storage_object.subtype}/{config}"
        self.session.handler(storage_object.subtype).check_config(config)
        file = user_backing_path(dev_config)
        if file:
            refuse_second_use(self.lio, file)
        if self.lio.dry_run:
            self.out.say(f"{storage_object.path} would stand on {dev_config}", "plain")
            return 0
        request = {"op": "medium", "config": config, "force": force}
        told = self.session.hosting.care(storage_object.path, request)
        if told is None:
            raise NotFoundError(
                f"{self.name} is served by nobody, so nobody can change its disc",
                hint="Serve it with: lioshell serve",
                path=storage_object.path,
            )
        return int(told["size_bytes"])
