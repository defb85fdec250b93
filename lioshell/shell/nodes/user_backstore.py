# SPDX-License-Identifier: Apache-2.0
"""/backstores/user:SUBTYPE: disks that a process serves, such as this one."""

from __future__ import annotations

import contextlib
from functools import partial

from lioshell.errors import ConflictError, HostError, LioshellError, UsageError
from lioshell.lio.transaction import Transaction
from lioshell.shell.nodes.backstores import BackstoreNode
from lioshell.shell.nodes.optical_drive import OpticalDriveNode
from lioshell.shell.nodes.storage_object import StorageObjectNode
from lioshell.shell.nodes.user_object import UserObjectNode
from lioshell.shell.nodes.user_storage import block_size_of, preparing, wanted
from lioshell.shell.values import number
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any, ClassVar

    from lioshell.lio.backstores import StorageObject
    from lioshell.runner.handlers.base import Option
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session


_BLOCK_SIZES = (512, 1024, 2048, 4096)
_BLOCK_SIZE = Parameter(
    "hw_block_size",
    "enum",
    "Bytes in a block",
    default="512",
    values=tuple(str(size) for size in _BLOCK_SIZES),
)
_TIME_OUT = Parameter(
    "cmd_time_out",
    "int",
    "Seconds after which the kernel gives a command up, 0 for never",
    default="30",
)


_OPTIONS = ("hw_max_sectors", "max_data_area_mb", "data_pages_per_blk", "cmd_ring_size_mb")
_OF_THE_MEDIUM = frozenset(("dev_config", "dev_size", "emulate_write_cache", "nl_reply_supported"))
"""Attributes that say what the device stands on, and how the kernel asks for it."""


class Medium(NamedTuple):
    """What a user: object was made with."""

    size_bytes: int
    config: str
    serial: str
    block_size_bytes: int
    control: tuple[str, ...]

    @classmethod
    def of(cls, storage_object: StorageObject) -> Medium:
        """Return what a storage object stands on now."""
        configfs, folder = storage_object.lio.configfs, f"{storage_object.path}/attrib"
        options = [name for name in _OPTIONS if configfs.exists(f"{folder}/{name}")]
        return cls(
            storage_object.size_bytes or 0,
            storage_object.config,
            storage_object.serial,
            int(configfs.read(f"{folder}/hw_block_size")),
            tuple(f"{name}={configfs.read(f'{folder}/{name}')}" for name in options),
        )


class UserBackstoreNode(BackstoreNode):
    """/backstores/user:SUBTYPE, served by the embedded runner."""

    _DEFAULT_CONTROL: ClassVar[dict[str, str]] = {
        "hw_max_sectors": "8192",
        "max_data_area_mb": "128",
        "data_pages_per_blk": "16",
    }
    """4 MiB a command instead of the kernel's 64 KiB; 128 MiB instead of 1 GiB of buffers a
    device; 64 KiB blocks, so that a large command is a few pieces instead of hundreds."""

    def __init__(self, name: str, parent: Node | None, session: Session, subtype: str) -> None:
        super().__init__(name, parent, session)
        self.subtype = subtype

    def objects(self) -> list[StorageObject]:
        """Return the storage objects of this subtype."""
        return [o for o in super().objects() if o.subtype == self.subtype]

    def child(self, name: str) -> Node | None:
        """Return a storage object if it is of this subtype."""
        node = super().child(name)
        if isinstance(node, StorageObjectNode) and node.storage_object.subtype == self.subtype:
            return self._node(node.storage_object)
        return None

    @property
    def children(self) -> list[Node]:
        """All storage objects, out of one listing."""
        return [
            self._node(node.storage_object)
            for node in super().children
            if isinstance(node, StorageObjectNode)
        ]

    def _node(self, storage_object: StorageObject) -> UserObjectNode:
        kind = OpticalDriveNode if self.session.has_tray(self.subtype) else UserObjectNode
        return kind(self, self.session, storage_object)

    def summary(self) -> tuple[str, bool | None]:
        """Count the storage objects, and tell what the subtype lacks on this machine."""
        text, healthy = super().summary()
        if self.session.is_foreign(self.subtype):
            return (f"{text}, served by tcmu-runner", healthy)
        lacking = self.session.lacking(self.subtype)
        if not lacking:
            return (text, healthy)
        self.state = "unavailable"
        return (f"{text}, unavailable: {lacking}", None)

    def _options(self) -> tuple[Option, ...]:
        """Return the options of the configuration string; none where nobody knows them."""
        if self.session.is_foreign(self.subtype):
            return ()
        try:
            return self.session.handler(self.subtype).options
        except LioshellError:
            # Another runner's, or a third party's that does not load: create says so.
            return ()

    def get_command_signature(self, command: str) -> tuple[list[str], Any, Any]:
        """Return configshell's, and the handler's options behind the parameters of create."""
        found, more, any_name = super().get_command_signature(command)
        if command != "create":
            return found, more, any_name
        return [*found, *(option.name for option in self._options())], more, False

    def parameters_of(self, command: str) -> tuple[Parameter, ...]:
        """Return what the spec says, what is a kernel option there, and the handler's options."""
        found = super().parameters_of(command)
        if command == "changemedium":
            of_create = {p.name: p for p in self.parameters_of("create")}
            return tuple(of_create[name] for name in ("name", "size", "cfgstring"))
        if command != "create":
            return found
        options = [
            Parameter(o.name, o.kind, o.help, o.default, values=o.values) for o in self._options()
        ]
        return (*map(self._of_handler, found), _BLOCK_SIZE, _TIME_OUT, *options)

    def _of_handler(self, parameter: Parameter) -> Parameter:
        """Say of CFGSTRING what the handler says of it."""
        if parameter.name != "cfgstring":
            return parameter
        try:
            meaning = self.session.handler(self.subtype).config_help
        except LioshellError:
            # As for the options.
            return parameter
        return Parameter("cfgstring", "string", meaning)

    def ui_command_info(self) -> None:
        """Show what this subtype is, whether it can be used here, and what it can be told.

        Examples:
            info
        """
        from lioshell.runner.handlers import registry

        if self.session.is_foreign(self.subtype):
            self.out.fields({"subtype": self.subtype, "served_by": "tcmu-runner"})
            return
        missing = registry.unavailable(self.subtype)
        fields: dict[str, Any] = {"subtype": self.subtype, "objects": len(self.objects())}
        fields["available"] = missing is None
        if missing is not None:
            fields |= {"reason": missing.why, "hint": missing.hint}
        options: tuple[Option, ...] = ()
        with contextlib.suppress(HostError):  # a third party's that does not load: told above
            handler = self.session.handler(self.subtype)
            options = handler.options
            fields |= {"help": handler.help, "cfgstring": handler.config_help}
        if self.out.form != "text":
            told = [{"name": o.name, "type": o.kind, "default": o.default} for o in options]
            self.out.fields({**fields, "options": told})
            return
        self.out.fields(fields)
        if options:
            rows = [(o.name, o.default, o.help, True) for o in options]
            self.out.parameters(rows, title="OPTIONS")

    def ui_command_create(
        self,
        name: str,
        size: str | None = None,
        cfgstring: str | None = None,
        wwn: str | None = None,
        hw_max_sectors: str | None = None,
        control: str | None = None,
        hw_block_size: str = "512",
        cmd_time_out: str | None = None,
        **options: str,
    ) -> Node | None:
        """Create a disk that is served by a handler in user space.

        CFGSTRING is what the handler wants, as `info` tells: for user:file the file, which is made
        where it is missing. Its options can stand behind it (PATH;sync) or be given by name
        (sync=true). SIZE may be left out where the storage is there and tells it. CONTROL are
        further kernel options, as in max_data_area_mb=64.

        Examples:
            create vol0 256M /srv/vol0.img
        """
        from lioshell.lio.backstore_create import create_user

        storage = wanted(self.session, self.subtype, name, size, cfgstring, options)
        block_size_bytes = number(hw_block_size, "hw_block_size")
        kernel_options = dict(self._DEFAULT_CONTROL)
        if hw_max_sectors is not None:
            kernel_options["hw_max_sectors"] = str(number(hw_max_sectors, "hw_max_sectors"))
        kernel_options |= self._control_options(control)
        block_size_bytes = int(kernel_options.pop("hw_block_size", block_size_bytes))
        self._check_block_size(block_size_bytes)
        block_size_bytes = block_size_of(
            self.session, self.subtype, storage.config, block_size_bytes
        )
        made = create_user(
            self.lio,
            name,
            storage.size_bytes,
            f"{self.subtype}/{storage.config}",
            prepare=storage.prepare,
            wwn=wwn,
            block_size_bytes=block_size_bytes,
            control=[f"{key}={value}" for key, value in kernel_options.items()],
            cmd_time_out_s=None if cmd_time_out is None else number(cmd_time_out, "cmd_time_out"),
        )
        served = self._have_served(made.path)
        # A word with a "/" was the storage that has a size, and no size (user_storage.wanted).
        told = storage.size_bytes if size is None or "/" in size else size
        result = self.created(made, f"Created {self.name} storage object {name} size {told}.")
        for line in served:
            self.out.say(line)
        return result

    def ui_command_changemedium(self, name: str, size: str, cfgstring: str) -> None:
        """Let a disk stand on another medium, with a size and CFGSTRING of its own.

        It keeps its name, serial number and attributes. No LUN may export it, unless it is an
        optical drive, which tells its initiators: the kernel tells none that a disk is another.

        Examples:
            changemedium disk1 1M /srv/other.img
        """
        node = self.get_child(name)
        assert isinstance(node, StorageObjectNode)
        old = node.storage_object
        storage = wanted(self.session, self.subtype, name, size, cfgstring, {})
        if isinstance(node, OpticalDriveNode) and old.users():
            node.insert(storage.config, storage.size_bytes)
            return
        users = old.users()
        if users:
            raise ConflictError(
                f"{old.tree_path} is exported by {', '.join(users)}",
                hint="Delete its LUNs, change the medium, and make them again.",
                path=old.path,
            )
        attributes, medium = node.group("attribute"), Medium.of(old)
        kept = {
            each: attributes.get(each)
            for each in attributes.names()
            if each not in _OF_THE_MEDIUM and attributes.is_writable(each)
        }
        # Its own, outside of the session's: the old object goes before the new one is made.
        with Transaction(self.lio.configfs) as steps:
            steps.on_failure(f"make {old.path} again", partial(self._again, name, medium, kept))
            old.delete()
            new = medium._replace(size_bytes=storage.size_bytes, config=storage.config)
            made = self._on(name, new, kept)
        self.out.say(f"{name} stands on {cfgstring} now, {storage.size_bytes} bytes.", "good")
        for line in self._have_served(made.path):
            self.out.say(line)

    def _have_served(self, path: str) -> list[str]:
        """Have a new object served, by us unless tcmu-runner does; return lines for the user."""
        if self.session.is_foreign(self.subtype):
            return [f"{path.rpartition('/')[2]} is served by tcmu-runner."]
        return self.session.devices_changed([path])

    def _again(self, name: str, medium: Medium, attributes: dict[str, str]) -> None:
        """Make a storage object that has gone again as it was."""
        if self.child(name) is None:
            self._on(name, medium, attributes)

    def _on(self, name: str, medium: Medium, attributes: dict[str, str]) -> StorageObject:
        """Make a storage object on a medium, with attributes that it is to have."""
        from lioshell.lio.backstore_create import create_user

        config, size_bytes = medium.config, medium.size_bytes
        with self.lio.transaction():
            made = create_user(
                self.lio,
                name,
                size_bytes,
                f"{self.subtype}/{config}",
                prepare=preparing(self.session, self.subtype, config, size_bytes),
                wwn=medium.serial,
                block_size_bytes=medium.block_size_bytes,
                control=medium.control,
            )
            group = StorageObjectNode(self, self.session, made).group("attribute")
            changed = {n: v for n, v in attributes.items() if group.get(n) != v}
            if changed and not self.lio.dry_run:
                group.set_all(changed)
        return made

    def _control_options(self, control: str | None) -> dict[str, str]:
        known = {p.name for p in self.lio.specs.backstore("user").control}
        options = {}
        for item in (control or "").split(","):
            key, _, value = item.partition("=")
            if not item:
                continue
            if key not in known or key in ("dev_config", "dev_size", "nl_reply_supported"):
                raise UsageError(
                    f"control: {key!r} is no option that can be given",
                    hint="There is: max_data_area_mb, data_pages_per_blk, cmd_ring_size_mb, "
                    "hw_max_sectors, hw_block_size.",
                )
            # data_pages_per_blk=0 divides by zero inside the kernel (6.1, tcmu_set_configfs_
            # dev_params): a zero never reaches it.
            if number(value, key) == 0:
                raise UsageError(f"control: {key}=0 is not possible", hint="Give 1 or more.")
            options[key] = value
        return options

    @staticmethod
    def _check_block_size(block_size_bytes: int) -> None:
        if block_size_bytes not in _BLOCK_SIZES:
            raise UsageError(
                f"A block of {block_size_bytes} bytes is not possible",
                hint="Give hw_block_size=512, 1024, 2048 or 4096.",
            )
