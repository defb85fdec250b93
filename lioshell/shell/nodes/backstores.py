# SPDX-License-Identifier: Apache-2.0
"""/backstores and the kernel's kinds: block, fileio, pscsi, ramdisk."""

from __future__ import annotations

import os

from lioshell.errors import NotFoundError
from lioshell.lio.backstores import (
    USER_PREFIX,
    StorageObject,
    find_storage_object,
    list_storage_objects,
)
from lioshell.model.sizes import parse_size
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.node import by_number
from lioshell.shell.nodes.storage_object import StorageObjectNode
from lioshell.shell.values import boolean, optional_boolean
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session


_NAME = Parameter("name", "string", "Name of the storage object")
_SAVE = Parameter("save", "bool", "Take it out of the saved configuration too", "false")


class BackstoresNode(ShellNode):
    """/backstores."""

    def child_names(self) -> list[str]:
        """List the kernel's kinds, then user: for each subtype that we have or that is in use."""
        kernel_kinds = [n for n in sorted(self.lio.specs.backstore_names()) if n != "user"]
        subtypes = set(self.session.handler_names())
        subtypes |= self.lio.kernel.system.foreign_subtypes()
        subtypes |= {o.subtype for o in list_storage_objects(self.lio, "user")}
        return [*kernel_kinds, *(USER_PREFIX + s for s in sorted(subtypes))]

    def aliases(self) -> dict[str, str]:
        """Return the older names: iblock, rd_mcp, rd_dr."""
        return {
            alias: plugin
            for plugin in self.lio.specs.backstore_names()
            for alias in self.lio.specs.backstore(plugin).aliases
        }

    def child(self, name: str) -> Node | None:
        """Return a kind, by today's or an older name (iblock, rd_mcp, rd_dr)."""
        if name.startswith(USER_PREFIX):
            subtype = name.removeprefix(USER_PREFIX)
            if subtype in self.session.handler_names() or name in self.child_names():
                from lioshell.shell.nodes.user_backstore import UserBackstoreNode

                return UserBackstoreNode(name, self, self.session, subtype)
            return None
        for plugin in self.lio.specs.backstore_names():
            if plugin != "user" and name in (plugin, *self.lio.specs.backstore(plugin).aliases):
                return _KINDS.get(plugin, BackstoreNode)(plugin, self, self.session)
        return None


class BackstoreNode(ShellNode):
    """A kind of backstore with its storage objects."""

    def __init__(self, name: str, parent: Node | None, session: Session) -> None:
        super().__init__(name, parent, session)
        self.plugin = name.partition(":")[0]

    def objects(self) -> list[StorageObject]:
        """Return the storage objects of this kind."""
        return list_storage_objects(self.lio, self.plugin)

    def child_names(self) -> list[str]:
        """List the storage objects by name."""
        return by_number([o.name for o in self.objects()])

    @property
    def children(self) -> list[Node]:
        """All storage objects, out of one listing."""
        by_name = {o.name: o for o in self.objects()}
        return [StorageObjectNode(self, self.session, by_name[n]) for n in by_number([*by_name])]

    def child(self, name: str) -> Node | None:
        """Return one storage object without reading the others."""
        try:
            found = find_storage_object(self.lio, self.plugin, name)
        except NotFoundError:
            return None
        return StorageObjectNode(self, self.session, found)

    def summary(self) -> tuple[str, bool | None]:
        """Count the storage objects."""
        return (f"Storage Objects: {len(self.objects())}", None)

    def parameters_of(self, command: str) -> tuple[Parameter, ...]:
        """Return what the spec says of `create`, and what all kinds have in common."""
        if command == "create":
            return (_NAME, *self.lio.specs.backstore(self.plugin).create)
        return (_NAME, _SAVE) if command == "delete" else super().parameters_of(command)

    def ui_command_delete(self, name: str, save: str = "false") -> None:
        """Delete a storage object; its LUNs go first. Files and devices are left as they are.

        With save=true it is taken out of the saved configuration too, and all else there is left.

        Examples:
            delete disk1
            delete disk1 save=true
        """
        saves = boolean(save, "save")
        node = self.get_child(name)
        assert isinstance(node, StorageObjectNode)
        from lioshell.lio import impact

        found = impact.of_storage_object(node.storage_object)
        self.session.before_removal(found)
        with self.lio.transaction() as steps:
            for tpg, index in found.luns:
                tpg.delete_lun(index)
                self.out.say(f"Deleted LUN {index} at {tpg.tree_path}.")
            node.storage_object.remove(steps)
        self.out.say(f"Deleted storage object {name}.")
        if saves and not self.lio.dry_run:
            from lioshell.config.save_part import forget_storage_object

            path = os.path.abspath(self.session.saveconfig_path)
            limit = self.session.prefs.number("max_backup_files")
            forget_storage_object(self.plugin, name, path, max_backups=limit)
            self.out.say(f"{path} does not have it any more.")

    def created(self, storage_object: StorageObject, text: str) -> Node | None:
        """Tell of a new storage object, and go there where the preference says so."""
        self.out.say(text, "good")
        return self.session.after_create(StorageObjectNode(self, self.session, storage_object))


class FileioNode(BackstoreNode):
    """/backstores/fileio."""

    def ui_command_create(
        self,
        name: str,
        file_or_dev: str,
        size: str | None = None,
        write_back: str = "true",
        sparse: str = "true",
        wwn: str | None = None,
    ) -> Node | None:
        """Create a storage object on a file, which is made where it is missing.

        Examples:
            create disk1 /srv/disk1.img 10G
            create disk1 file_or_dev=/srv/disk1.img size=1G write_back=false
        """
        from lioshell.lio.backstore_create import create_fileio

        made = create_fileio(
            self.lio,
            name,
            file_or_dev,
            None if size is None else parse_size(size),
            write_back=boolean(write_back, "write_back"),
            sparse=boolean(sparse, "sparse"),
            wwn=wwn,
            model_alias=self.session.prefs.flag("export_backstore_name_as_model"),
        )
        if size is not None and made.size_bytes != parse_size(size):
            self.out.note(f"{file_or_dev} existed: its own size counts, not {size}.")
        return self.created(made, f"Created fileio {name} with size {made.size_bytes}")


class BlockNode(BackstoreNode):
    """/backstores/block."""

    def ui_command_create(
        self,
        name: str,
        dev: str,
        readonly: str | None = None,
        wwn: str | None = None,
        exclusive: str = "true",
    ) -> Node | None:
        """Create a storage object on a block device.

        Examples:
            create disk1 /dev/sdb
            create name=disk1 dev=/dev/sdb readonly=true
        """
        from lioshell.lio.backstore_create import create_block

        made = create_block(
            self.lio,
            name,
            dev,
            readonly=optional_boolean(readonly, "readonly"),
            exclusive=boolean(exclusive, "exclusive"),
            wwn=wwn,
            model_alias=self.session.prefs.flag("export_backstore_name_as_model"),
        )
        return self.created(made, f"Created block storage object {name} using {dev}.")


class RamdiskNode(BackstoreNode):
    """/backstores/ramdisk."""

    def ui_command_create(
        self, name: str, size: str, nullio: str = "false", wwn: str | None = None
    ) -> Node | None:
        """Create a disk in memory; its data is gone with it.

        Examples:
            create scratch 1G
        """
        from lioshell.lio.backstore_create import create_ramdisk

        made = create_ramdisk(
            self.lio,
            name,
            parse_size(size),
            nullio=boolean(nullio, "nullio"),
            wwn=wwn,
            model_alias=self.session.prefs.flag("export_backstore_name_as_model"),
        )
        return self.created(made, f"Created ramdisk {name} with size {size}.")


class PscsiNode(BackstoreNode):
    """/backstores/pscsi."""

    def ui_command_create(self, name: str, dev: str) -> Node | None:
        """Pass the commands of initiators through to a SCSI device.

        Examples:
            create disk1 /dev/sdc
        """
        from lioshell.lio.backstore_create import create_pscsi

        made = create_pscsi(self.lio, name, dev)
        return self.created(made, f"Created pscsi storage object {name} using {dev}")


_KINDS: dict[str, type[BackstoreNode]] = {
    "fileio": FileioNode,
    "block": BlockNode,
    "ramdisk": RamdiskNode,
    "pscsi": PscsiNode,
}
