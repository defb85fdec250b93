# SPDX-License-Identifier: Apache-2.0
"""Who is in a LU group: all of them in DIR/members, the first page of them in the attribute.

drivers/target/target_core_configfs.c (target_lu_gp_members_show) shows what fits into a page; with
thousands of storage objects that is the smaller part of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.simulation import Simulation

_PAGE_BYTES = 4096


def all_members(sim: Simulation, group: str) -> list[str]:
    """Return the members of a group (a path such as core/alua/lu_gps/default_lu_gp)."""
    try:
        with open(_file(sim, group), encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return sim.tree.text(f"{group}/members").splitlines()


def add_member(sim: Simulation, group: str, member: str) -> None:
    """Put a member at the end; what it costs does not depend on how many there are."""
    path, line = _file(sim, group), f"{member}\n"
    if not os.path.exists(path):
        _write(sim, group, all_members(sim, group))
    with open(path, "a", encoding="utf-8") as file:
        file.write(line)
    shown = sim.tree.text(f"{group}/members")
    if len(os.fsencode(shown + line)) <= _PAGE_BYTES:
        sim.tree.put(f"{group}/members", shown + line)


def remove_member(sim: Simulation, group: str, member: str) -> None:
    """Take a member out; another one may come into the page."""
    left = [other for other in all_members(sim, group) if other != member]
    _write(sim, group, left)
    shown, size = [], 0
    for other in left:
        size += len(os.fsencode(other)) + 1
        if size > _PAGE_BYTES:
            break
        shown.append(f"{other}\n")
    sim.tree.put(f"{group}/members", "".join(shown))


def forget(sim: Simulation, group: str) -> None:
    """Forget a group that goes."""
    if os.path.exists(_file(sim, group)):
        os.unlink(_file(sim, group))


def _file(sim: Simulation, group: str) -> str:
    return f"{sim.root}/members/{group.rpartition('/')[2]}"


def _write(sim: Simulation, group: str, members: list[str]) -> None:
    os.makedirs(f"{sim.root}/members", exist_ok=True)
    # In one write: a process that is killed leaves the old text or the new one.
    descriptor = os.open(_file(sim, group), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        data = "".join(f"{member}\n" for member in members).encode()
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)
