# SPDX-License-Identifier: Apache-2.0
"""Who is in a LU group: all of them in DIR/members, the first page of them in the attribute.

drivers/target/target_core_configfs.c (target_lu_gp_members_show) shows what fits into a page; with
thousands of storage objects that is the smaller part of them.
"""

from __future__ import annotations

import os

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.simulation import Simulation

_PAGE_BYTES = 4096


def all_members(sim: Simulation, group: str) -> list[str]:
    """Return the members of a group (a path such as core/alua/lu_gps/default_lu_gp)."""
    try:
        return _lines(_read(_file(sim, group)))
    except FileNotFoundError:
        return sim.tree.text(f"{group}/members").splitlines()


def add_member(sim: Simulation, group: str, member: str) -> None:
    """Put a member at the end; what it costs does not depend on how many there are."""
    path, line = _file(sim, group), f"{member}\n"
    if not os.path.exists(path):
        _write(sim, group, all_members(sim, group))
    with open(path, "ab", buffering=0) as file:
        file.write(os.fsencode(line))
    shown = sim.tree.text(f"{group}/members")
    if len(os.fsencode(shown + line)) <= _PAGE_BYTES:
        sim.tree.put(f"{group}/members", shown + line)


def remove_member(sim: Simulation, group: str, member: str) -> None:
    """Take a member out; another one may come into the page.

    Its line is emptied where it stands, because to write all others again would take the longer
    the more there are.
    """
    line = os.fsencode(f"{member}\n")
    try:
        data = _read(_file(sim, group))
    except FileNotFoundError:
        data = os.fsencode(sim.tree.text(f"{group}/members"))
        _write(sim, group, _lines(data))
    place = _place(data, line)
    if place < 0:
        return
    gone = bytes(len(line))
    with open(_file(sim, group), "r+b", buffering=0) as file:
        file.seek(place)
        file.write(gone)
    if data.count(0) > len(data) // 2 + _PAGE_BYTES:
        data = _read(_file(sim, group))
        _write(sim, group, _lines(data))
    page = sim.tree.text(f"{group}/members")
    if not page.startswith(f"{member}\n") and f"\n{member}\n" not in page:
        # It stands behind the page that is shown.
        return
    shown, size = [], 0
    for other in _lines(_read(_file(sim, group)), _PAGE_BYTES + 1):
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


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _lines(data: bytes, limit: int | None = None) -> list[str]:
    """Return the lines, of the first `limit` bytes of those that are not emptied."""
    lines = os.fsdecode(data.translate(None, b"\0")[:limit]).split("\n")
    return [line for line in lines if line]


def _place(data: bytes, line: bytes) -> int:
    """Return where a whole line begins, -1 where there is none."""
    place = data.find(line)
    while place > 0 and data[place - 1] not in b"\0\n":
        place = data.find(line, place + 1)
    return place


def _write(sim: Simulation, group: str, members: list[str]) -> None:
    os.makedirs(f"{sim.root}/members", exist_ok=True)
    # In one write: a process that is killed leaves the old text or the new one.
    descriptor = os.open(_file(sim, group), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        data = b"".join(os.fsencode(f"{member}\n") for member in members)
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)
