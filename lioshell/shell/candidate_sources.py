# SPDX-License-Identifier: Apache-2.0
"""Values that the machine and the configuration know: disks, addresses, initiators, free numbers.

Each list is bounded: looking must stay cheap with thousands of objects, and never wait for one.
"""

from __future__ import annotations

import itertools

from lioshell.lio.fabrics import Fabric
from lioshell.model.sizes import format_size
from lioshell.shell.candidates import Candidate
from lioshell.shell.nodes.acls import AclsNode, NodeAclNode
from lioshell.shell.nodes.backstores import BlockNode, PscsiNode
from lioshell.shell.nodes.fabric import FabricNode
from lioshell.shell.nodes.luns import LunsNode
from lioshell.shell.nodes.portals import PortalsNode
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from lioshell.lio.tpgs import Tpg
    from lioshell.shell.node import Node

_MAX_TPGS = 200
"""Initiators are looked for in the ACLs of so many TPGs."""

_MAX_INITIATORS = 200


def known_values(node: Node, command: str, parameter: str) -> list[Candidate] | None:
    """Return the known values of a parameter; None where any other value is as good."""
    for kind, of_command, of_parameter, source in _SOURCES:
        if isinstance(node, kind) and (of_command, of_parameter) == (command, parameter):
            return list(source(node))
    return None


def _disks(node: Node) -> Iterator[Candidate]:
    """Yield the block devices that nothing uses."""
    for disk in node.lio.kernel.system.block_devices():
        if not disk.in_use:
            access = ", read-only" if disk.read_only else ""
            yield Candidate(disk.path, format_size(disk.size_bytes) + access)


def _addresses(node: Node) -> Iterator[Candidate]:
    yield Candidate("0.0.0.0", "every IPv4 address")  # noqa: S104  # a portal's, no socket of ours
    yield Candidate("[::0]", "every IPv6 and IPv4 address; the default")
    for address, interface in node.lio.kernel.system.addresses():
        yield Candidate(address, interface)


def _free_luns(node: LunsNode) -> Iterator[Candidate]:
    yield from _free(node.tpg.lun_indexes())


def _free_mapped_luns(node: NodeAclNode) -> Iterator[Candidate]:
    yield from _free(node.acl.mapped_indexes())


def _free(used: list[int]) -> Iterator[Candidate]:
    """Yield the lowest free number, and the one behind all that are used."""
    lowest = next(number for number in itertools.count() if number not in set(used))
    yield Candidate(str(lowest), "the lowest free number")
    behind = max(used, default=-1) + 1
    if behind != lowest:
        yield Candidate(str(behind), "behind all others")


def _ports(node: FabricNode) -> Iterator[Candidate]:
    """Yield the ports of this machine that are no target yet."""
    used = set(node.fabric.targets())
    for wwn in node.fabric.ports():
        if wwn not in used:
            yield Candidate(wwn, "a port of this machine")


def _initiators(node: AclsNode) -> Iterator[Candidate]:
    """Yield the initiators that have an ACL, or a session without one, at other TPGs."""
    here = node.tpg
    known = set(here.acl_wwns())
    yield from _new(_without_acl(node, here), known, "logged in here, without an ACL")
    fabric = Fabric(node.lio, here.spec)
    tpgs = (
        target.tpg(tag)
        for target in map(fabric.target, fabric.targets())
        for tag in target.tpg_tags()
    )
    for tpg in itertools.islice(tpgs, _MAX_TPGS):
        if len(known) > _MAX_INITIATORS:
            return
        if tpg.path != here.path:
            yield from _new(tpg.acl_wwns(), known, f"has an ACL at {tpg.tree_path}")
            yield from _new(_without_acl(node, tpg), known, f"logged in to {tpg.tree_path}")


def _new(names: list[str], known: set[str], meaning: str) -> Iterator[Candidate]:
    for name in names:
        if name not in known:
            known.add(name)
            yield Candidate(name, meaning)


def _without_acl(node: Node, tpg: Tpg) -> list[str]:
    """Return who is logged in without an ACL (target_core_tpg.c, target_show_dynamic_sessions)."""
    configfs = node.lio.configfs
    path = f"{tpg.path}/dynamic_sessions"
    if not configfs.exists(path):
        return []
    return [name for name in configfs.read(path).replace("\0", "\n").split("\n") if name]


_SOURCES: tuple[tuple[type[Node], str, str, Callable[[Any], Iterator[Candidate]]], ...] = (
    (BlockNode, "create", "dev", _disks),
    (PscsiNode, "create", "dev", _disks),
    (PortalsNode, "create", "ip_address", _addresses),
    (LunsNode, "create", "lun", _free_luns),
    (NodeAclNode, "create", "mapped_lun", _free_mapped_luns),
    (AclsNode, "create", "wwn", _initiators),
    (FabricNode, "create", "wwn", _ports),
)
"""Kind of node, command and parameter, and where its values are found."""
