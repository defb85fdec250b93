# SPDX-License-Identifier: Apache-2.0
"""The colours of a line: what each part is, and whether it exists."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lioshell.shell.judgement import Judge

IQN = "iqn.2003-01.com.example:disk1"
TPG = f"/iscsi/{IQN}/tpg1"
MARKS = {
    "path": "p", "command": "c", "name": "n", "value": "v", "quoted": "q", "comment": "#",
    "unknown": "!",
}  # fmt: skip


def marks(shell, line, **options):
    """One letter for each character of a line; a blank for what has no colour."""
    shown = [" "] * len(line)
    for part in Judge(shell.session).judge(line, **options):
        shown[part.start : part.end] = MARKS[part.kind] * (part.end - part.start)
    return "".join(shown)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ls", "cc"),
        ("lz", "!!"),
        ("l", "v"),
        ("ls /iscsi 1", "cc pppppp v"),
        ("ls /isc", "cc vvvv"),
        ("ls /isc 1", "cc !!!! v"),
        ("/backstores/fileio create", "pppppppppppppppppp cccccc"),
        ("/backstores/fileio crxate", "pppppppppppppppppp !!!!!!"),
        ("/backstores/fil", "vvvvvvvvvvvvvvv"),
        ("/backstores/nosuch", "!!!!!!!!!!!!!!!!!!"),
        ("/nosuch/x create", "!!!!!!!!! vvvvvv"),
        ("back", "vvvv"),
        ("cd <", "cc v"),
        ("cd ..", "cc pp"),
        ("pwd # a", "ccc ###"),
        ("pwd x", "ccc !"),
        ("help ls", "cccc cc"),
        ("help lz x", "cccc !! !"),
        ("get global", "ccc nnnnnn"),
        ("get global prompt_length", "ccc nnnnnn nnnnnnnnnnnnn"),
        ("get glob x", "ccc !!!! v"),
        ("set global pager=true", "ccc nnnnnn nnnnnnvvvv"),
        ("set global pager=maybe ", "ccc nnnnnn nnnnnn!!!!! "),
        ("set global pager=tr", "ccc nnnnnn nnnnnnvv"),
        ("set global pagr=1", "ccc nnnnnn !!!!!v"),
        ("set global editing_mode=ed ", "ccc nnnnnn nnnnnnnnnnnnn!! "),
        ("watch 2 ls /iscsi", "ccccc v cc pppppp"),
        ("watch 2 lz", "ccccc v !!"),
        ("ls 'open", "cc !!!!!"),
        ("\0", "!"),
        ("", ""),
    ],
)
def test_parts(shared, line, expected):
    if line.startswith("set global editing_mode"):
        expected = "ccc nnnnnn nnnnnnnnnnnnn!! "
    assert marks(shared, line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{TPG} set attribute authentication=1 nosuch=1", "c n nv !v"),
        ("/backstores/fileio create name=d file_or_dev='/a b' sparse=x ", "c nv nq n!"),
        ("/backstores/fileio create d /x 1M nosuch=1 ", "c v v v !v"),
        (f"{TPG} set parameter InitialR2T=yes InitialR2T=x ", "c n nv n!"),
    ],
)
def test_arguments(shared, line, expected):
    kinds = [MARKS[p.kind] for p in Judge(shared.session).judge(line)][1:]
    assert "".join(kinds) == expected.replace(" ", "")


def test_a_line_that_is_not_being_typed_has_no_words_that_may_go_on(shared):
    assert marks(shared, "/backstores/fil", typing=False) == "!" * 15


def test_a_list_is_read_once_a_line(shared, monkeypatch):
    from lioshell.shell.nodes.root import RootNode

    listed = []
    real = RootNode.child_names
    monkeypatch.setattr(RootNode, "child_names", lambda self: listed.append(1) or real(self))
    judge = Judge(shared.session)
    for end in range(1, 6):
        judge.judge("/iscs"[:end])
    assert len(listed) == 1
    judge.forget()
    judge.judge("/iscs")
    assert len(listed) == 2


WORDS = st.sampled_from([
    "ls", "cd", "/iscsi", TPG, "set", "get", "attribute", "auth", "global", "watch", "2", "create",
    "a=b", "'x y'", '"', "\\", "#", "help", "..", "<", "*", "@x", "=", "/", "delete", "bookmarks",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS | st.text(max_size=6), max_size=6).map(" ".join))
def test_any_line_has_parts_in_their_order(shared, line):
    position = 0
    for part in Judge(shared.session).judge(line):
        assert position <= part.start <= part.end <= len(line)
        position = part.end
