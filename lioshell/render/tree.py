# SPDX-License-Identifier: Apache-2.0
"""The tree as targetcli draws it: `o- name ........ [summary]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_WIDTH = 132
_MIN_DOTS = 3


class TreeItem(NamedTuple):
    """A node to draw; `healthy` True is green, False red, None without a colour."""

    name: str
    path: str
    summary: str
    healthy: bool | None
    children: list[TreeItem]


class Span(NamedTuple):
    """A piece of a line in one style; styles are names of render/color.py."""

    text: str
    style: str


class TreeLook(NamedTuple):
    """How a tree is drawn: o- or +-, with summaries or without, with its root or without."""

    round_nodes: bool = True
    summaries: bool = True
    root: bool = True


AS_TARGETCLI = TreeLook()


def tree_lines(item: TreeItem, width: int, look: TreeLook = AS_TARGETCLI) -> Iterator[list[Span]]:
    """Yield the lines of a tree, each as wide as `width` columns where its names allow."""
    width = min(width, MAX_WIDTH)
    if look.root:
        yield _line("", item, width, look)
    yield from _branches("  " if look.root else "", item.children, width, look)


def _branches(
    guides: str, items: list[TreeItem], width: int, look: TreeLook
) -> Iterator[list[Span]]:
    for position, item in enumerate(items):
        yield _line(guides, item, width, look)
        last = position == len(items) - 1
        yield from _branches(guides + ("  " if last else "| "), item.children, width, look)


def _line(guides: str, item: TreeItem, width: int, look: TreeLook) -> list[Span]:
    head = f"{guides}{'o' if look.round_nodes else '+'}- "
    if not look.summaries:
        return [Span(head, "guide"), Span(item.name, "name")]
    tail = f"[{item.summary}]"
    dots = width - len(head) - len(item.name) - len(tail) - 2
    fill = "." * max(dots, _MIN_DOTS)
    style = {True: "healthy", False: "unhealthy", None: "summary"}[item.healthy]
    return [
        Span(head, "guide"),
        Span(item.name, "name"),
        Span(f" {fill} ", "guide"),
        Span(tail, style),
    ]


def tree_data(item: TreeItem) -> dict[str, object]:
    """Return a tree as plain data for JSON and YAML."""
    return {
        "name": item.name,
        "path": item.path,
        "summary": item.summary,
        "healthy": item.healthy,
        "children": [tree_data(child) for child in item.children],
    }
