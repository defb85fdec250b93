# SPDX-License-Identifier: Apache-2.0
"""Lines end at a word on a terminal, and are whole in a pipe."""

from hypothesis import given
from hypothesis import strategies as st

from lioshell.render.layout import Block, columns, page, parameters

ROWS = [
    ("a", "1", "Short.", True),
    ("export_backstore_name_as_model", "true", "A help line that does not fit beside it.", False),
    ("long", "y" * 60, "Another help line that stands below.", True),
    ("bare", None, "", True),
]


def drawn(lines):
    return ["".join(span.text for span in line) for line in lines]


def test_parameters_in_a_pipe_are_one_line_each():
    lines = drawn(parameters(ROWS, None))
    assert len(lines) == len(ROWS)
    assert lines[0].split() == ["a=1", "Short."]
    assert "[ro] A help line" in lines[1]
    assert lines[3] == "bare="


def test_parameters_on_a_terminal_are_folded_below_their_help():
    lines = drawn(parameters(ROWS, 80))
    assert max(map(len, lines)) <= 80
    words = ("Short", "[ro]", lines[2].split()[0])
    begins = [line.index(word) for line, word in zip(lines, words, strict=False)]
    assert len(set(begins)) == 1
    assert lines[3].startswith("long=yyy")
    assert lines[4].strip() == "Another help line that stands"


def test_a_terminal_too_narrow_to_fold_breaks_lines_itself():
    assert drawn(parameters(ROWS, 20)) == drawn(parameters(ROWS, None))


def test_columns():
    rows = [["ls", "List the tree from here."], ["create", "Make one."]]
    assert drawn(columns(["COMMAND", "WHAT"], rows, None)) == [
        "COMMAND  WHAT",
        "ls       List the tree from here.",
        "create   Make one.",
    ]
    folded = drawn(columns([], [["create", "word " * 10]], 40))
    assert folded[0] == "create  word word word word word word"
    assert folded[1].startswith("        word")
    assert list(columns(["A"], [], 80))


def test_a_page():
    blocks = [
        Block("create [wwn]"),
        Block(text="Create a target; a WWN is made up."),
        Block("Examples", lines=["create", "create naa.5"]),
        Block("Parameters", rows=[("wwn", "The name"), ("a", "b")]),
    ]
    assert drawn(page(blocks, 30)) == [
        "create [wwn]",
        "",
        "Create a target; a WWN is made",
        "up.",
        "",
        "Examples",
        "  create",
        "  create naa.5",
        "",
        "Parameters",
        "  wwn  The name",
        "  a    b",
    ]


@given(st.text(st.sampled_from("ab  "), max_size=200), st.integers(30, 120))
def test_no_word_is_lost(text, width):
    lines = drawn(page([Block(text=text)], width))
    assert " ".join(lines).split() == text.split()
