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
        "children": [],
    }
