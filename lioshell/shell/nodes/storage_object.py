# SPDX-License-Identifier: Apache-2.0
"""/backstores/KIND/NAME: one storage object."""

from __future__ import annotations

import os

from lioshell.errors import HostError, KernelError
from lioshell.lio.backstores import has_groups
from lioshell.model.sizes import format_size
from lioshell.shell.common_commands import ShellNode
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.groups import ParameterGroup
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session


_GONE = {
    "block": "the device is gone",
    "fileio": "the file is gone",
    "pscsi": "the SCSI device is gone",
}


class StorageObjectNode(ShellNode):
    """A storage object in the tree."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "saveconfig": (
            Parameter("savefile", "path", "The file; that of the boot, when not given"),
        ),
    }

    def __init__(self, parent: Node, session: Session, storage_object: StorageObject) -> None:
        super().__init__(storage_object.name, parent, session)
        self.storage_object = storage_object

    def child_names(self) -> list[str]:
        """Return alua, where the kernel answers for it."""
        return ["alua"] if has_groups(self.lio, self.storage_object.path) else []

    @property
    def children(self) -> list[Node]:
        """The ALUA groups, where the kernel answers for them."""
        return [self._alua() for _ in self.child_names()]

    def child(self, name: str) -> Node | None:
        """Return the ALUA groups."""
        return self._alua() if name in self.child_names() else None

    def _alua(self) -> Node:
        from lioshell.shell.nodes.alua import AluaGroupsNode

        return AluaGroupsNode(self, self.session, self.storage_object)

    def summary(self) -> tuple[str, bool | None]:
        """Return what it stands on, its size, and whether a LUN exports it."""
        try:
            return self._summary()
        except KernelError as error:
            # One broken object must not hide the others.
            self.state = "unreadable"
            return (f"unreadable: {error}", False)

    def _summary(self) -> tuple[str, bool | None]:
        storage_object = self.storage_object
        plugin = storage_object.plugin
        if not storage_object.enabled:
            self.state = "not enabled"
            return ("not enabled", False)
        self.state = state = "activated" if storage_object.activated else "deactivated"
        size = self._size()
        healthy = True
        if plugin == "ramdisk":
            text = f"{'nullio ' if storage_object.nullio else ''}({size}) {state}"
        elif plugin == "fileio":
            mode = "write-back" if storage_object.write_back else "write-thru"
            text = f"{storage_object.device} ({size}) {mode} {state}"
        elif plugin == "block":
            mode = "read-only " if storage_object.read_only else ""
            text = f"{storage_object.device} ({size}) {mode}write-thru {state}"
        elif plugin == "user":
            config = self.session.shown_config(storage_object).partition("/")[2]
            text = f"{config} ({size}) {state}"
            problem = self.session.runner_problem(storage_object)
            if problem:
                text, healthy, self.state = f"{text}, {problem}", False, "no runner"
        else:
            text = f"{storage_object.device} {state}"
        if plugin in ("block", "fileio", "pscsi") and not self._backing_is_there():
            # The kernel holds what it has opened: only new logins to a new LUN would tell.
            text, healthy, self.state = f"{text}, offline: {_GONE[plugin]}", False, "offline"
        return (text, healthy)

    def _backing_is_there(self) -> bool:
        """Tell whether the file or device that it stands on still has its name."""
        system, device = self.lio.kernel.system, self.storage_object.device
        if not device or (self.storage_object.plugin == "fileio" and os.path.exists(device)):
            return True
        if self.storage_object.plugin == "pscsi":
            return system.scsi_address(device) is not None
        try:
            return system.block_device(device) is not None
        except HostError:
            # It is there, but cannot be opened.
            return True

    def _size(self) -> str:
        size_bytes = self.storage_object.size_bytes
        return "size unknown" if size_bytes is None else format_size(size_bytes)

    def group_names(self) -> list[str]:
        """Return the group of the kernel's attributes."""
        return ["attribute"]

    def group(self, name: str) -> ParameterGroup:
        """Return the kernel's attributes, as attrib/ has them."""
        from lioshell.lio.groups import ParameterGroup

        storage_object = self.storage_object
        declared = self.lio.specs.backstore(storage_object.plugin).attributes
        return ParameterGroup(self.lio, name, f"{storage_object.path}/attrib", declared)

    def ui_command_saveconfig(self, savefile: str | None = None) -> None:
        """Save this storage object and the targets that export it; what else is saved stays.

        Examples:
            saveconfig
            saveconfig /root/before-change.json
        """
        from lioshell.config.save_part import save_storage_object

        session, usual = self.session, os.path.abspath(self.session.saveconfig_path)
        path = os.path.abspath(os.path.expanduser(savefile or usual))
        storage_object = self.storage_object
        if self.lio.dry_run:
            self.out.say(f"{storage_object.tree_path} would be saved to {path}")
            return
        changed = save_storage_object(
            self.lio,
            storage_object.plugin,
            storage_object.name,
            path,
            max_backups=session.prefs.number("max_backup_files") if path == usual else None,
        )
        if changed:
            self.out.say(f"{storage_object.tree_path} saved to {path}", "good")
        else:
            self.out.say(f"Nothing has changed since {path} was written.")

    def ui_command_version(self) -> None:
        """Show the version of this kind of backstore.

        Examples:
            version
        """
        path = f"core/{self.storage_object.hba}/hba_info"
        self.out.fields({"backstore": self.lio.configfs.read(path).strip()})

    def ui_command_info(self) -> None:
        """Show what this storage object is and where configfs has it.

        Examples:
            info
        """
        self.out.fields(self.info_fields())

    def info_fields(self) -> dict[str, Any]:
        """Return what `info` shows, by name."""
        storage_object = self.storage_object
        fields: dict[str, Any] = {
            "name": storage_object.name,
            "plugin": storage_object.plugin,
            "configfs": f"{self.lio.configfs.location}/{storage_object.path}",
            "status": "activated" if storage_object.activated else "deactivated",
            "wwn": storage_object.serial,
            "size_bytes": storage_object.size_bytes,
        }
        if storage_object.plugin == "user":
            fields["config"] = self.session.shown_config(storage_object)
            fields["runner"] = self.session.runner_problem(storage_object) or "serving"
        elif storage_object.plugin == "ramdisk":
            fields["nullio"] = storage_object.nullio
        else:
            fields["device"] = storage_object.device
        if storage_object.plugin == "fileio":
            fields["write_back"] = storage_object.write_back
        if storage_object.plugin == "block":
            fields["readonly"] = storage_object.read_only
        fields["exported_as"] = ", ".join(storage_object.users()) if fields else ""
        return fields
