# SPDX-License-Identifier: Apache-2.0
"""Tags of ACLs: initiators with one tag are shown and changed as one.

acls/<initiator>/tag (drivers/target/iscsi/iscsi_target_configfs.c, lio_target_nacl_tag_*;
target_core_tpg.c, core_tpg_set_initiator_node_tag: at most 63 bytes, "NULL" unsets it).
"""

from __future__ import annotations

import os

from lioshell.errors import NotFoundError, UsageError
from lioshell.lio.groups import ParameterGroup
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lioshell.lio.acls import NodeAcl
    from lioshell.lio.tpgs import Tpg
    from lioshell.lio.transaction import Transaction

_MAX_TAG_BYTES = 63
_GROUPS = ("attribute", "auth")
"""What a new member takes over; the parameters are negotiated and cannot be set."""


class SharedGroup(ParameterGroup):
    """The same group of several ACLs: the first one is shown, a change is one of all."""

    def __init__(self, groups: Sequence[ParameterGroup]) -> None:
        first = groups[0]
        super().__init__(first.lio, first.name, first.folder, tuple(first.declared.values()))
        self._groups = groups

    def set_all(self, values: Mapping[str, str]) -> None:
        """Write several parameters to all, or to none of them."""
        with self.lio.transaction():
            for group in self._groups:
                group.set_all(values)


def members_of(tpg: Tpg, tag: str) -> list[NodeAcl]:
    """Return the ACLs that have a tag, sorted by name."""
    return [acl for acl in map(tpg.acl, sorted(tpg.acl_wwns())) if acl.tag == tag]


def named(tpg: Tpg, wwn_or_tag: str) -> list[NodeAcl]:
    """Return one initiator's ACL, or all that have a tag; raises NotFoundError."""
    if wwn_or_tag in tpg.acl_wwns():
        return [tpg.acl(wwn_or_tag)]
    found = members_of(tpg, wwn_or_tag) if wwn_or_tag else []
    if not found:
        raise NotFoundError(
            f"There is no initiator and no tag {wwn_or_tag} in {tpg.tree_path}",
            hint=f"See what there is with: ls {tpg.tree_path}/acls",
        )
    return found


def check_tag(tpg: Tpg, tag: str) -> None:
    """Raise UsageError unless a text can be a tag."""
    bad = next((c for c in tag if c in "./" or c.isspace() or not c.isprintable()), None)
    if not tag or bad is not None or tag.startswith("NULL") or tag in tpg.acl_wwns():
        raise UsageError(f"{tag!r} is no tag", hint="Give a word without a dot, as in webservers.")
    if len(os.fsencode(tag)) > _MAX_TAG_BYTES:
        raise UsageError(f"A tag is at most {_MAX_TAG_BYTES} bytes", hint="Give a shorter one.")


def set_tag(steps: Transaction, acl: NodeAcl, tag: str) -> None:
    """Give an ACL a tag, or with "" none, as a part of a transaction."""
    path = f"{acl.path}/tag"
    if not acl.has_file("tag"):
        raise UsageError(
            f"ACLs of {acl.spec.name} have no tags", hint="iSCSI's have; name them one by one."
        )
    steps.change(path, tag or "NULL", unset="NULL")


def loses_by_joining(acl: NodeAcl, first: NodeAcl) -> bool:
    """Tell whether an ACL would no longer see what it sees, once it is like `first`."""
    return not _seen(acl).items() <= _seen(first).items()


def join(steps: Transaction, acl: NodeAcl, first: NodeAcl) -> None:
    """Let an ACL see what `first` sees, with its attributes and credentials.

    What both see in the same way is not touched: whoever uses it goes on.
    """
    own, wanted = _seen(acl), _seen(first)
    for mapped in acl.mapped_luns():
        if own[mapped.index] != wanted.get(mapped.index):
            mapped.remove(steps)
    for mapped in first.mapped_luns():
        lun = mapped.tpg_lun
        if lun is not None and own.get(mapped.index) != wanted[mapped.index]:
            acl.make_mapped_lun(steps, mapped.index, lun, write_protect=mapped.write_protect)
    for name in _GROUPS:
        mine, theirs = acl.group(name), first.group(name)
        if not acl.lio.configfs.is_dir(mine.folder):
            continue
        values = {each: theirs.get(each, reveal=True) for each in theirs.names()}
        changed = {
            each: value
            for each, value in values.items()
            if theirs.is_writable(each) and mine.get(each, reveal=True) != value
        }
        if changed:
            mine.set_all(changed)


def _seen(acl: NodeAcl) -> dict[int, tuple[str | None, bool]]:
    return {each.index: (each.lun_path, each.write_protect) for each in acl.mapped_luns()}
