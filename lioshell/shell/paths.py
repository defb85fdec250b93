# SPDX-License-Identifier: Apache-2.0
"""Paths as they are typed: `..`, bookmarks, and * in any component, to the nodes that they name."""

from __future__ import annotations

from lioshell.errors import NotFoundError, UsageError
from lioshell.shell.grammar import Pattern
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from lioshell.shell.bookmarks import Bookmarks
    from lioshell.shell.node import Node


def nodes_at(path: str, here: Node, bookmarks: Bookmarks) -> list[Node]:
    """Return the nodes that a path names, in the tree's order: one, or with * one or more.

    Raises NotFoundError where there is none, UsageError for an empty path.
    """
    if not path:
        raise UsageError("The path is empty", hint="Give a path such as /iscsi or ..")
    if path.startswith("@"):
        name, slash, rest = path[1:].partition("/")
        here = here.get_node(bookmarks.path_of(name))
        if not slash:
            return [here]
        skipped = len(path) - len(rest)
        stars = path.stars if isinstance(path, Pattern) else ()
        path = Pattern.of(rest, [star - skipped for star in stars if star >= skipped])
    if not isinstance(path, Pattern) or not path.stars:
        return [here.get_node(path)]
    found = [here.get_root() if path.startswith("/") else here]
    for name, pattern in path.components():
        found = [below for node in found for below in _step(node, name, pattern)]
    if not found:
        raise NotFoundError(
            f"Nothing in the tree matches {path}",
            hint="See what there is with: ls; a * that is meant as such stands in quotes.",
        )
    # Several ways may lead to one place: a/../*
    return list({node.path: node for node in found}.values())


def _step(node: Node, name: str, pattern: re.Pattern[str] | None) -> Iterator[Node]:
    """Yield what one component of a path leads to from a node."""
    if name in ("", "."):
        yield node
    elif name == "..":
        yield node.parent or node
    elif pattern is None:
        child = node.child(name)
        if child is not None:
            yield child
    else:
        for each in matching_names(node, pattern):
            child = node.child(each)
            if child is not None:
                yield child


def matching_names(node: Node, pattern: re.Pattern[str]) -> list[str]:
    """Return the names of the children that a component with * means."""
    return [name for name in node.child_names() if pattern.fullmatch(name)]
