# SPDX-License-Identifier: Apache-2.0
"""What the last restore could not bring back, in its place in the tree: never out of sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lioshell.config.unrestored import unrestored
from lioshell.errors import LioshellError
from lioshell.render.tree import TreeItem

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
    for path, reason in failures:
        if path == item.path:
            item = _marked(item, reason)
        elif path.startswith(f"{base}/"):
            names = path[len(base) + 1 :].split("/")
            if depth is None or len(names) <= depth:
                item = _added(item, names, reason)
    return item


def _added(item: TreeItem, names: list[str], reason: str) -> TreeItem:
    """Return a node with a failure below it, and the nodes that lead there."""
    name, *more = names
    children = list(item.children)
    place = next((n for n, child in enumerate(children) if child.name == name), None)
    if place is None:
        place = len(children)
        path = f"{item.path.rstrip('/')}/{name}"
        children.append(TreeItem(name, path, STATE, False, [], STATE))
    child = children[place]
    children[place] = _added(child, more, reason) if more else _marked(child, reason)
    return item._replace(children=children)


def _marked(item: TreeItem, reason: str) -> TreeItem:
    text = f"{STATE}: {reason}"
    if item.state != STATE:
        # It exists, but not all of it could be brought back.
        text = f"{item.summary}, {text}"
    return item._replace(summary=text, healthy=False, state=STATE)
