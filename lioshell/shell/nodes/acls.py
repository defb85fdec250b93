# SPDX-License-Identifier: Apache-2.0
""".../acls: the initiators that a TPG lets in, and the tags that make several of them one."""

from __future__ import annotations

from lioshell.errors import NotFoundError
from lioshell.lio import acl_tags
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.node import by_number
from lioshell.shell.nodes.acl import NodeAclNode
from lioshell.shell.values import boolean
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar

    from lioshell.lio.acls import NodeAcl
    from lioshell.lio.tpgs import Tpg
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session

__all__ = ["AclsNode", "NodeAclNode"]
_WWN_OR_TAG = Parameter("wwn_or_tag", "string", "The initiator's name, or a tag")


class AclsNode(ShellNode):
    """The initiators that a TPG lets in."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "create": (
            Parameter("wwn", "string", "The initiator's name"),
            Parameter("add_mapped_luns", "bool", "Let it see every LUN of the TPG"),
        ),
        "delete": (Parameter("wwn", "string", "The initiator's name, or a tag"),),
        "tag": (_WWN_OR_TAG, Parameter("new_tag", "string", "A word without a dot")),
        "untag": (_WWN_OR_TAG,),
    }

    def __init__(self, name: str, parent: Node, session: Session, tpg: Tpg) -> None:
        super().__init__(name, parent, session)
        self.tpg = tpg

    def child_names(self) -> list[str]:
        """List the initiators; those that share a tag are one."""
        names = (self.tpg.acl(wwn).tag or wwn for wwn in self.tpg.acl_wwns())
        return by_number(list(dict.fromkeys(names)))

    def aliases(self) -> dict[str, str]:
        """Return the initiators that have a tag, which are one node by that."""
        acls = map(self.tpg.acl, self.tpg.acl_wwns())
        return {acl.wwn: acl.tag for acl in acls if acl.tag}

    def child(self, name: str) -> Node | None:
        """Return an initiator's node, or that of all with a tag."""
        try:
            return NodeAclNode(self, self.session, self.tpg, [self.tpg.acl(name)])
        except NotFoundError:
            # Names have dots, tags have none: only what may be a tag costs a look at all ACLs.
            members = [] if "." in name else acl_tags.members_of(self.tpg, name)
        return NodeAclNode(self, self.session, self.tpg, members, name) if members else None

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
        return self.session.after_create(NodeAclNode(self, self.session, self.tpg, [acl]))

    def ui_command_delete(self, wwn: str) -> None:
        """Shut an initiator out, or all those that have a tag.

        Examples:
            delete iqn.1994-05.com.redhat:client1
        """
        from lioshell.lio import impact

        self.get_child(wwn)
        acls = acl_tags.named(self.tpg, wwn)
        logins = [login for acl in acls for login in impact.of_acl(self.tpg, acl).logins]
        self.session.before_removal(impact.Impact(f"delete {self.path}/{wwn}", (), tuple(logins)))
        with self.lio.transaction():
            for acl in acls:
                acl.delete()
                self.out.say(f"Deleted Node ACL {acl.wwn}.")

    def ui_command_tag(self, wwn_or_tag: str, new_tag: str) -> None:
        """Give an initiator a tag, or change one: those with the same tag are one node.

        Whoever joins others sees what they see, with their credentials and attributes.

        Examples:
            tag iqn.1994-05.com.redhat:client1 web
        """
        from lioshell.lio import impact

        acls = acl_tags.named(self.tpg, wwn_or_tag)
        acl_tags.check_tag(self.tpg, new_tag)
        others = [a for a in acl_tags.members_of(self.tpg, new_tag) if a.wwn not in _wwns(acls)]
        logins = [
            login
            for acl in acls
            if others and acl_tags.loses_by_joining(acl, others[0])
            for login in impact.of_acl(self.tpg, acl).logins
        ]
        if logins:
            deed = f"tag {wwn_or_tag} {new_tag}"
            self.session.before_removal(impact.Impact(deed, (), tuple(logins)))
        with self.lio.transaction() as steps:
            for acl in acls:
                if others:
                    acl_tags.join(steps, acl, others[0])
                acl_tags.set_tag(steps, acl, new_tag)
        self.out.say(f"Tagged {', '.join(_wwns(acls))} as {new_tag}.", "good")

    def ui_command_untag(self, wwn_or_tag: str) -> None:
        """Take the tag from an initiator, or from all that have it; nothing else changes.

        Examples:
            untag iqn.1994-05.com.redhat:client1
        """
        acls = acl_tags.named(self.tpg, wwn_or_tag)
        with self.lio.transaction() as steps:
            for acl in acls:
                acl_tags.set_tag(steps, acl, "")
        self.out.say(f"{', '.join(_wwns(acls))} has no tag any more.", "good")


def _wwns(acls: list[NodeAcl]) -> list[str]:
    return [acl.wwn for acl in acls]
