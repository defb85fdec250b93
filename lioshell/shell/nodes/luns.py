# SPDX-License-Identifier: Apache-2.0
""".../luns and .../luns/lunN: what a target exports."""

from __future__ import annotations

from lioshell.errors import KernelError, NotFoundError
from lioshell.model.names import numbered
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.values import boolean, lun_number
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar

    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.luns import Lun
    from lioshell.lio.tpgs import Tpg
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session


_PROBE_TIMEOUT_S = 10.0


class LunsNode(ShellNode):
    """The LUNs of a TPG."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "create": (
            Parameter("storage_object", "string", "Its path, as in /backstores/fileio/disk1"),
            Parameter("lun", "int", "The LUN's number; the lowest free, when not given"),
            Parameter("add_mapped_luns", "bool", "Map it for every initiator that has an ACL"),
        ),
        "delete": (Parameter("lun", "string", "The LUN, as lun0 or 0"),),
    }

    def __init__(self, name: str, parent: Node, session: Session, tpg: Tpg) -> None:
        super().__init__(name, parent, session)
        self.tpg = tpg

    def child_names(self) -> list[str]:
        """List the LUNs by number."""
        return [f"lun{index}" for index in self.tpg.lun_indexes()]

    @property
    def children(self) -> list[Node]:
        """All LUNs, out of one listing."""
        return [LunNode(self, self.session, self.tpg, lun) for lun in self.tpg.luns()]

    def child(self, name: str) -> Node | None:
        """Return a LUN by its name lunN."""
        index = numbered(name, "lun")
        if index is None:
            return None
        try:
            return LunNode(self, self.session, self.tpg, self.tpg.lun(index))
        except NotFoundError:
            return None

    def summary(self) -> tuple[str, bool | None]:
        """Count the LUNs."""
        return (f"LUNs: {len(self.tpg.lun_indexes())}", None)

    def ui_command_create(
        self, storage_object: str, lun: str | None = None, add_mapped_luns: str | None = None
    ) -> Node | None:
        """Export a storage object, under LUN or the lowest free number.

        A file or block device that is none yet becomes one, with its name and the defaults.

        Where add_mapped_luns is true, every initiator that has an ACL sees it at once; the
        default is the preference auto_add_mapped_luns.

        Examples:
            create /backstores/fileio/disk1
            create /backstores/user:file/vol0 lun=4
        """
        from lioshell.shell.nodes.exported import storage_object_for

        add_mapped = self.session.prefs.flag("auto_add_mapped_luns")
        if add_mapped_luns is not None:
            add_mapped = boolean(add_mapped_luns, "add_mapped_luns")
        number = None if lun is None else lun_number(lun)
        with self.lio.transaction():
            found = storage_object_for(self, storage_object)
            if isinstance(found, LunNode):
                raise NotFoundError(
                    f"{found.path} is a LUN, no storage object",
                    hint="Give one such as /backstores/fileio/disk1; see: ls /backstores",
                )
            self.session.require_served_if_user(found)
            made, mapped = self.tpg.create_lun(found, number, add_mapped=add_mapped)
        self.out.say(f"Created LUN {made.index}.", "good")
        for wwn, index in mapped:
            self.out.say(f"Created LUN {made.index}->{index} mapping in node ACL {wwn}")
        for disk in disks_of(self.session, self.tpg, made, _PROBE_TIMEOUT_S):
            self.out.say(f"LUN {made.index} is {disk} on this machine.")
        return self.session.after_create(LunNode(self, self.session, self.tpg, made))

    def ui_command_delete(self, lun: str) -> None:
        """Stop exporting a LUN, to every initiator; the storage object stays.

        Examples:
            delete lun0
            delete 4
        """
        from lioshell.lio import impact

        index = lun_number(lun)
        self.session.before_removal(impact.of_lun(self.tpg, index))
        self.tpg.delete_lun(index)
        self.out.say(f"Deleted LUN {index}.")


def disks_of(session: Session, tpg: Tpg, lun: Lun, timeout_s: float = 0.0) -> list[str]:
    """Return the local disks (/dev/sdX) of a loopback LUN; none for other fabrics."""
    address = tpg.address
    if address is None:
        return []
    return session.lio.kernel.system.disks_at(address, lun.index, timeout_s)


class LunNode(ShellNode):
    """One LUN."""

    def __init__(self, parent: Node, session: Session, tpg: Tpg, lun: Lun) -> None:
        super().__init__(f"lun{lun.index}", parent, session)
        self.tpg = tpg
        self.lun = lun

    def summary(self) -> tuple[str, bool | None]:
        """Return what it exports."""
        try:
            storage_object = self.lun.storage_object
            if storage_object is None:
                return ("BROKEN STORAGE LINK", False)
            text = f"{storage_object.plugin}/{storage_object.name}"
            if storage_object.plugin in ("fileio", "block", "pscsi"):
                text += f" ({storage_object.device})"
            alua = self.lun.alua_group
        except KernelError as error:
            return (f"unreadable: {error}", False)
        return (f"{text} ({alua})" if alua else text, True)

    def group_names(self) -> list[str]:
        """Return alua, where the storage object has such groups."""
        return ["alua"] if self.lun.alua_group is not None else []

    def group(self, name: str) -> ParameterGroup:
        """Return the LUN's ALUA parameters."""
        from lioshell.lio.alua import LunAluaGroup

        del name
        return LunAluaGroup(self.lio, self.lun)

    def more_examples(self, command: str) -> tuple[str, ...]:
        """Return examples of the ALUA group."""
        examples = {
            "get": "get alua alua_tg_pt_gp_name",
            "set": "set alua alua_tg_pt_gp_name=default_tg_pt_gp",
        }
        return (examples[command],) if command in examples and self.group_names() else ()

    def ui_command_info(self) -> None:
        """Show what this LUN exports.

        Examples:
            info
        """
        storage_object = self.lun.storage_object
        fields: dict[str, Any] = {
            "lun": self.lun.index,
            "alias": self.lun.alias,
            "storage_object": storage_object.tree_path if storage_object else None,
            "configfs": f"{self.lio.configfs.location}/{self.lun.path}",
        }
        disks = disks_of(self.session, self.tpg, self.lun)
        if disks:
            fields["disk"] = ", ".join(disks)
        self.out.fields(fields)
