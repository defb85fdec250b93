# SPDX-License-Identifier: Apache-2.0
""".../acls/INITIATOR: what one initiator may use, or all those that share a tag."""

from __future__ import annotations

from lioshell.errors import KernelError, NotFoundError
from lioshell.lio.acl_tags import SharedGroup
from lioshell.model.names import numbered
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.nodes.exported import storage_object_for
from lioshell.shell.nodes.luns import LunNode
from lioshell.shell.nodes.mapped_lun import MappedLunNode
from lioshell.shell.values import lun_number, optional_boolean
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar

    from lioshell.lio.acls import NodeAcl
    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.luns import Lun
    from lioshell.lio.tpgs import Tpg
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session


class NodeAclNode(ShellNode):
    """One initiator, or several that a tag makes one; what is shown is the first one's."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "create": (
            Parameter("mapped_lun", "int", "The number that this initiator sees"),
            Parameter(
                "tpg_lun_or_backstore",
                "string",
                "A LUN of the TPG, as lun0 or 0, or what to export",
            ),
            Parameter("write_protect", "bool", "Only let it read; as the TPG says, when not given"),
        ),
        "delete": (Parameter("mapped_lun", "string", "As mapped_lun0 or 0"),),
    }

    def __init__(
        self, parent: Node, session: Session, tpg: Tpg, members: Sequence[NodeAcl], name: str = ""
    ) -> None:
        super().__init__(name or members[0].wwn, parent, session)
        self.tpg = tpg
        self.acl = members[0]
        self.members = members

    def child_names(self) -> list[str]:
        """List the mapped LUNs by number."""
        return [f"mapped_lun{index}" for index in self.acl.mapped_indexes()]

    @property
    def children(self) -> list[Node]:
        """All mapped LUNs, out of one listing."""
        return [MappedLunNode(self, self.session, mapped) for mapped in self.acl.mapped_luns()]

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
        """Tell of the credentials where the TPG wants some, and count the mapped LUNs."""
        words, healthy = [], None
        if self.name != self.acl.wwn:
            several = len(self.members) > 1
            words.append(f"(group of {len(self.members)})" if several else f"({self.acl.wwn})")
        try:
            if self.acl.spec.has("acls_auth") and self.tpg.attribute("authentication") == "1":
                text, healthy = self._credentials()
                words.append(text)
        except KernelError as error:
            words.append(f"unreadable: {error}")
        words.append(f"Mapped LUNs: {len(self.acl.mapped_indexes())}")
        return (", ".join(words), healthy)

    def _credentials(self) -> tuple[str, bool]:
        own = self.acl.group("auth")
        if own.get("userid") and own.get("password"):
            mutual = own.get("mutual_userid") and own.get("mutual_password")
            return ("mutual auth" if mutual else "1-way auth", True)
        return ("no auth credentials", False)

    def group_names(self) -> list[str]:
        """Return the groups that this fabric's ACLs have."""
        names = ["attribute", "parameter"]
        if self.acl.spec.has("acls_auth"):
            names.append("auth")
        return [n for n in names if self.lio.configfs.is_dir(self.acl.group(n).folder)]

    def group(self, name: str) -> ParameterGroup:
        """Return a group: attribute, parameter or auth; a change is one of all members."""
        if len(self.members) == 1:
            return self.acl.group(name)
        return SharedGroup([acl.group(name) for acl in self.members])

    def ui_command_create(
        self, mapped_lun: str, tpg_lun_or_backstore: str, write_protect: str | None = None
    ) -> Node | None:
        """Show a LUN of the TPG to this initiator as MAPPED_LUN.

        A storage object, file or device that is no LUN of the TPG yet becomes one.

        Examples:
            create 4 lun0
            create 5 tpg_lun_or_backstore=0 write_protect=true
        """
        index = lun_number(mapped_lun, "mapped_lun")
        protect = optional_boolean(write_protect, "write_protect")
        with self.lio.transaction():
            lun = self._tpg_lun(tpg_lun_or_backstore)
            made = [
                acl.create_mapped_lun(index, lun, write_protect=protect) for acl in self.members
            ]
        self.out.say(f"Created Mapped LUN {index}.", "good")
        return self.session.after_create(MappedLunNode(self, self.session, made[0]))

    def _tpg_lun(self, text: str) -> Lun:
        if "/" not in text and not text.startswith("@"):
            return self.tpg.lun(lun_number(text, "tpg_lun_or_backstore"))
        found = storage_object_for(self, text)
        if isinstance(found, LunNode):
            if found.lun.path.rpartition("/lun/")[0] == self.tpg.path:
                return found.lun
            raise NotFoundError(
                f"{found.path} is no LUN of {self.tpg.tree_path}",
                hint=f"See what there is with: ls {self.tpg.tree_path}/luns",
            )
        for path in found.users():
            if path.startswith(f"{self.tpg.path}/lun/"):
                return self.tpg.lun(int(path.rpartition("lun_")[2]))
        self.session.require_served_if_user(found)
        lun, _ = self.tpg.create_lun(found, add_mapped=False)
        self.out.say(f"Created LUN {lun.index}.")
        return lun

    def ui_command_delete(self, mapped_lun: str) -> None:
        """Hide a LUN from this initiator.

        Examples:
            delete mapped_lun0
        """
        from lioshell.lio import impact

        index = lun_number(mapped_lun, "mapped_lun")
        mapped = [acl.mapped_lun(index) for acl in self.members]
        impacts = [
            impact.of_mapped_lun(self.tpg, acl, each)
            for acl, each in zip(self.members, mapped, strict=True)
        ]
        logins = tuple(login for each in impacts for login in each.logins)
        self.session.before_removal(
            impacts[0]._replace(deed=f"delete {self.path}/mapped_lun{index}", logins=logins)
        )
        with self.lio.transaction():
            for each in mapped:
                each.delete()
        self.out.say(f"Deleted Mapped LUN {index}.")

    def ui_command_info(self) -> None:
        """Show what this initiator may use.

        Examples:
            info
        """
        self.out.fields(
            {
                "wwn": ", ".join(acl.wwn for acl in self.members),
                **({"tag": self.acl.tag} if self.acl.tag else {}),
                "mapped_luns": len(self.acl.mapped_indexes()),
                "configfs": ", ".join(
                    f"{self.lio.configfs.location}/{acl.path}" for acl in self.members
                ),
            }
        )
