# SPDX-License-Identifier: Apache-2.0
""".../acls, an initiator, and the LUNs that are mapped for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lioshell.errors import KernelError, NotFoundError
from lioshell.model.names import numbered
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.node import by_number
from lioshell.shell.nodes.luns import LunNode
from lioshell.shell.nodes.storage_object import StorageObjectNode
from lioshell.shell.values import boolean, lun_number, optional_boolean
from lioshell.specs import Parameter

if TYPE_CHECKING:
    from lioshell.lio.acls import MappedLun, NodeAcl
    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.luns import Lun
    from lioshell.lio.tpgs import Tpg
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session


class AclsNode(ShellNode):
    """The initiators that a TPG lets in."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "create": (
            Parameter("wwn", "string", "The initiator's name"),
            Parameter("add_mapped_luns", "bool", "Let it see every LUN of the TPG"),
        ),
        "delete": (Parameter("wwn", "string", "The initiator's name"),),
    }

    def __init__(self, name: str, parent: Node, session: Session, tpg: Tpg) -> None:
        super().__init__(name, parent, session)
        self.tpg = tpg

    def child_names(self) -> list[str]:
        """List the initiators."""
        return by_number(self.tpg.acl_wwns())

    def child(self, name: str) -> Node | None:
        """Return an initiator's node."""
        try:
            return NodeAclNode(self, self.session, self.tpg, self.tpg.acl(name))
        except NotFoundError:
            return None

    def summary(self) -> tuple[str, bool | None]:
        """Count the ACLs."""
        return (f"ACLs: {len(self.tpg.acl_wwns())}", None)

    def ui_command_create(self, wwn: str, add_mapped_luns: str | None = None) -> Node | None:
        """Let an initiator in, by its name, and map the LUNs for it.

        Examples:
            create iqn.1994-05.com.redhat:client1
        """
        add_mapped = self.session.prefs.flag("auto_add_mapped_luns")
        if add_mapped_luns is not None:
            add_mapped = boolean(add_mapped_luns, "add_mapped_luns")
        acl, indexes = self.tpg.create_acl(wwn, add_mapped=add_mapped)
        self.out.say(f"Created Node ACL for {acl.wwn}", "good")
        for index in indexes:
            self.out.say(f"Created mapped LUN {index}.")
        return self.session.after_create(NodeAclNode(self, self.session, self.tpg, acl))

    def ui_command_delete(self, wwn: str) -> None:
        """Shut an initiator out.

        Examples:
            delete iqn.1994-05.com.redhat:client1
        """
        from lioshell.lio import impact

        node = self.get_child(wwn)
        acl = self.tpg.acl(node.name)
        self.session.before_removal(impact.of_acl(self.tpg, acl))
        acl.delete()
        self.out.say(f"Deleted Node ACL {node.name}.")


class NodeAclNode(ShellNode):
    """One initiator."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "create": (
            Parameter("mapped_lun", "int", "The number that this initiator sees"),
            Parameter("tpg_lun_or_backstore", "string", "A LUN of the TPG, as lun0, 0 or a path"),
            Parameter("write_protect", "bool", "Only let it read; as the TPG says, when not given"),
        ),
        "delete": (Parameter("mapped_lun", "string", "As mapped_lun0 or 0"),),
    }

    def __init__(self, parent: Node, session: Session, tpg: Tpg, acl: NodeAcl) -> None:
        super().__init__(acl.wwn, parent, session)
        self.tpg = tpg
        self.acl = acl

    def child_names(self) -> list[str]:
        """List the mapped LUNs by number."""
        return [f"mapped_lun{index}" for index in self.acl.mapped_indexes()]

    def child(self, name: str) -> Node | None:
        """Return a mapped LUN by its name mapped_lunN."""
        index = numbered(name, "mapped_lun")
        if index is None:
            return None
        try:
            return MappedLunNode(self, self.session, self.acl.mapped_lun(index))
        except NotFoundError:
            return None

    def summary(self) -> tuple[str, bool | None]:
        """Count the mapped LUNs."""
        return (f"Mapped LUNs: {len(self.acl.mapped_indexes())}", None)

    def group_names(self) -> list[str]:
        """Return the groups that this fabric's ACLs have."""
        names = ["attribute", "parameter"]
        if self.acl.spec.has("acls_auth"):
            names.append("auth")
        return [n for n in names if self.lio.configfs.is_dir(self.acl.group(n).folder)]

    def group(self, name: str) -> ParameterGroup:
        """Return a group: attribute, parameter or auth."""
        return self.acl.group(name)

    def ui_command_create(
        self, mapped_lun: str, tpg_lun_or_backstore: str, write_protect: str | None = None
    ) -> Node | None:
        """Show a LUN of the TPG to this initiator as MAPPED_LUN.

        Examples:
            create 4 lun0
            create 5 tpg_lun_or_backstore=0 write_protect=true
        """
        made = self.acl.create_mapped_lun(
            lun_number(mapped_lun, "mapped_lun"),
            self._tpg_lun(tpg_lun_or_backstore),
            write_protect=optional_boolean(write_protect, "write_protect"),
        )
        self.out.say(f"Created Mapped LUN {made.index}.", "good")
        return self.session.after_create(MappedLunNode(self, self.session, made))

    def _tpg_lun(self, text: str) -> Lun:
        if "/" not in text:
            return self.tpg.lun(lun_number(text, "tpg_lun_or_backstore"))
        node = self.session.node_at(text, self)
        if isinstance(node, LunNode):
            return node.lun
        if isinstance(node, StorageObjectNode):
            for index in self.tpg.lun_indexes():
                lun = self.tpg.lun(index)
                if lun.storage_object_path == node.storage_object.path:
                    return lun
        raise NotFoundError(
            f"{text} is no LUN of {self.tpg.tree_path}",
            hint="Export it first, with luns/ create.",
        )

    def ui_command_delete(self, mapped_lun: str) -> None:
        """Hide a LUN from this initiator.

        Examples:
            delete mapped_lun0
        """
        from lioshell.lio import impact

        index = lun_number(mapped_lun, "mapped_lun")
        mapped = self.acl.mapped_lun(index)
        self.session.before_removal(impact.of_mapped_lun(self.tpg, self.acl, mapped))
        mapped.delete()
        self.out.say(f"Deleted Mapped LUN {index}.")

    def ui_command_info(self) -> None:
        """Show what this initiator may use.

        Examples:
            info
        """
        self.out.fields(
            {
                "wwn": self.acl.wwn,
                "mapped_luns": len(self.acl.mapped_indexes()),
                "configfs": f"{self.lio.configfs.location}/{self.acl.path}",
            }
        )


class MappedLunNode(ShellNode):
    """A LUN as one initiator sees it."""

    def __init__(self, parent: Node, session: Session, mapped: MappedLun) -> None:
        super().__init__(f"mapped_lun{mapped.index}", parent, session)
        self.mapped = mapped

    def summary(self) -> tuple[str, bool | None]:
        """Return the TPG's LUN, what it exports, and whether it can be written."""
        try:
            lun = self.mapped.tpg_lun
            storage_object = None if lun is None else lun.storage_object
            if lun is None or storage_object is None:
                return ("BROKEN LUN LINK", False)
            access = "ro" if self.mapped.write_protect else "rw"
        except KernelError as error:
            return (f"unreadable: {error}", False)
        return (f"lun{lun.index} {storage_object.plugin}/{storage_object.name} ({access})", True)

    def ui_command_info(self) -> None:
        """Show what this mapped LUN is.

        Examples:
            info
        """
        lun = self.mapped.tpg_lun
        self.out.fields(
            {
                "mapped_lun": self.mapped.index,
                "tpg_lun": None if lun is None else lun.index,
                "write_protect": self.mapped.write_protect,
                "alias": self.mapped.alias,
            }
        )
