# SPDX-License-Identifier: Apache-2.0
"""The tree as targetcli draws it: `o- name ........ [summary]`."""

from __future__ import annotations

from lioshell.render.span import Span
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_WIDTH = 132
_MIN_DOTS = 3
_SPANS = 4
"""Parts of a line that has a summary."""

_INACTIVE = frozenset(("deactivated",))
"""States that are no fault, but not what is wanted in the end."""


class TreeItem(NamedTuple):
    """A node to draw; `healthy` True is green, False red, None without a colour.

    `state` is one of the words of docs/output.md where there is more to say than that, else "".
    """

    name: str
    path: str
    summary: str
    healthy: bool | None
    children: list[TreeItem]
    state: str = ""


class TreeLook(NamedTuple):
    """How a tree is drawn: o- or +-, with summaries or without, with its root or without."""

    round_nodes: bool = True
    summaries: bool = True
    root: bool = True


AS_TARGETCLI = TreeLook()


def tree_lines(
    item: TreeItem, width: int, look: TreeLook = AS_TARGETCLI, *, fold: bool = False
) -> Iterator[list[Span]]:
    """Yield the lines of a tree, each as wide as `width` columns where its names allow.

    With `fold` a summary that has no room beside its name stands below it.
    """
    room = width if fold else None
    width = min(width, MAX_WIDTH)
    below = "  " if look.root else ""
    if look.root:
        yield from _folded(below, item, room, _line("", item, width, look))
    yield from _branches(below, item.children, width, look, room)


def _branches(
    guides: str, items: list[TreeItem], width: int, look: TreeLook, room: int | None
) -> Iterator[list[Span]]:
    for position, item in enumerate(items):
        last = position == len(items) - 1
        below = guides + ("  " if last else "| ")
        yield from _folded(below, item, room, _line(guides, item, width, look))
        yield from _branches(below, item.children, width, look, room)


def _folded(
    below: str, item: TreeItem, room: int | None, spans: list[Span]
) -> Iterator[list[Span]]:
    """Yield a line, or where it is longer than `room` its name and, to the right, its summary."""
    length = sum(len(span.text) for span in spans)
    tail = spans[-1]
    lead = below + ("| " if item.children else "  ")
    if room is None or length <= room or len(spans) < _SPANS or len(lead) + 1 > room:
        yield spans
        return
    yield spans[:2]
    yield [Span(lead + " " * max(room - len(lead) - len(tail.text), 1), "guide"), tail]


def _line(guides: str, item: TreeItem, width: int, look: TreeLook) -> list[Span]:
    head = f"{guides}{'o' if look.round_nodes else '+'}- "
    if not look.summaries:
        return [Span(head, "guide"), Span(item.name, "name")]
    tail = f"[{item.summary}]"
    dots = width - len(head) - len(item.name) - len(tail) - 2
    fill = "." * max(dots, _MIN_DOTS)
    return [
        Span(head, "guide"),
        Span(item.name, "name"),
        Span(f" {fill} ", "guide"),
        Span(tail, style_of(item.healthy, item.state)),
    ]


def style_of(healthy: bool | None, state: str) -> str:
    """Return the style of a summary: healthy, unhealthy, summary, or warning for what is idle."""
    if state in _INACTIVE and healthy is not False:
        return "warning"
    return {True: "healthy", False: "unhealthy", None: "summary"}[healthy]


def tree_data(item: TreeItem) -> dict[str, object]:
    """Return a tree as plain data for JSON and YAML."""
    return {
        "name": item.name,
        "path": item.path,
        "summary": item.summary,
        "healthy": item.healthy,
        "state": item.state,
        "children": [tree_data(child) for child in item.children],
    }
