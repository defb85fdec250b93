# SPDX-License-Identifier: Apache-2.0
"""What the last restore could not bring back, in its place in the tree: never out of sight."""

from __future__ import annotations

from lioshell.config.unrestored import unrestored
from lioshell.errors import LioshellError
from lioshell.render.tree import TreeItem
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lioshell.shell.session import Session

STATE = "not restored"


def failures(session: Session) -> list[tuple[str, str]]:
    """Return paths in the tree that the last restore could not bring back, with reasons."""
    try:
        return [(one.path, one.reason) for one in unrestored(session.lio.kernel.run_dir)]
    except LioshellError as error:
        # A listing shows what runs, whatever has become of the list of what does not.
        session.out.note(f"{error.message}. {error.hint}".rstrip())
        return []


def with_not_restored(
    item: TreeItem, failures: Iterable[tuple[str, str]], depth: int | None
) -> TreeItem:
    """Return a tree with the failures below it: pairs of a path in the tree and a reason.

    `depth` is how many levels are shown; what is deeper stays out of sight like all else there.
    """
    base = item.path.rstrip("/")
    found: list[tuple[list[str], str]] = []
    for path, reason in failures:
        if path == item.path:
            found.append(([], reason))
        elif path.startswith(f"{base}/"):
            names = path[len(base) + 1 :].split("/")
            if depth is None or len(names) <= depth:
                found.append((names, reason))
    return _with(item, found)


def _with(item: TreeItem, failures: list[tuple[list[str], str]]) -> TreeItem:
    """Return a node with failures at or below it, given by the names that lead there."""
    below: dict[str, list[tuple[list[str], str]]] = {}
    for names, reason in failures:
        if names:
            below.setdefault(names[0], []).append((names[1:], reason))
        else:
            item = _marked(item, reason)
    if not below:
        return item
    children = [
        _with(child, below.pop(child.name)) if child.name in below else child
        for child in item.children
    ]
    for name, found in below.items():
        path = f"{item.path.rstrip('/')}/{name}"
        children.append(_with(TreeItem(name, path, STATE, False, [], STATE), found))
    return item._replace(children=children)


def _marked(item: TreeItem, reason: str) -> TreeItem:
    text = f"{STATE}: {reason}"
    if item.state != STATE:
        # It exists, but not all of it could be brought back.
        text = f"{item.summary}, {text}"
    return item._replace(summary=text, healthy=False, state=STATE)
