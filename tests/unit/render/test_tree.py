# SPDX-License-Identifier: Apache-2.0
from lioshell.render.tree import TreeItem, tree_data, tree_lines

LUN = TreeItem("lun0", "/a/lun0", "fileio/x", True, [])
TREE = TreeItem(
    "/",
    "/",
    "...",
    None,
    [
        TreeItem("a", "/a", "LUNs: 1", None, [LUN]),
        TreeItem("b", "/b", "", False, []),
    ],
)


def drawn(width):
    return ["".join(span.text for span in line) for line in tree_lines(TREE, width)]


def test_the_tree_looks_like_targetclis():
    assert drawn(40) == [
        "o- / ............................. [...]",
        "  o- a ....................... [LUNs: 1]",
        "  | o- lun0 ................. [fileio/x]",
        "  o- b .............................. []",
    ]


def test_names_are_whole_on_a_narrow_terminal():
    assert drawn(5)[2] == "  | o- lun0 ... [fileio/x]"


def test_health_is_a_style():
    styles = [line[-1].style for line in tree_lines(TREE, 40)]
    assert styles == ["summary", "summary", "healthy", "unhealthy"]


def test_the_tree_as_data():
    assert tree_data(LUN) == {
        "name": "lun0",
        "path": "/a/lun0",
        "summary": "fileio/x",
        "healthy": True,
        "state": "",
        "children": [],
    }


def test_a_summary_without_room_stands_below_its_name():
    long = TreeItem("disk1", "/f/disk1", "x" * 70, True, [], "activated")
    tree = TreeItem("f", "/f", "...", None, [long, LUN])
    lines = ["".join(s.text for s in spans) for spans in tree_lines(tree, 80, fold=True)]
    assert lines[1:3] == ["  o- disk1", "  |     [" + "x" * 70 + "]"]
    assert len(lines[2]) == 80
    # A pipe gets one line for each node.
    assert len(list(tree_lines(tree, 80))) == 3
    # What is longer than the screen cannot be helped.
    assert all(len(list(tree_lines(tree, width, fold=True))) >= 3 for width in range(1, 80))


def test_a_disk_that_nobody_uses_is_neither_green_nor_red():
    def style(healthy, state):
        return next(tree_lines(TreeItem("d", "/d", "s", healthy, [], state), 80))[-1].style

    assert style(True, "activated") == "healthy"
    assert style(True, "deactivated") == "warning"
    assert style(False, "deactivated") == "unhealthy"
    assert style(None, "") == "summary"
