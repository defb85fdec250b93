# SPDX-License-Identifier: Apache-2.0
"""The rows to pick from are those of `ls`, found without waiting for all of them."""

import threading

from lioshell.shell import tree_walk
from lioshell.shell.tree_walk import TreeWalk

LONG_S = 60.0


def walked(shell):
    over = threading.Event()
    walk = TreeWalk(shell.session.root, lambda: walk.is_over and over.set())
    walk.start()
    assert over.wait(LONG_S)
    return walk


def test_the_rows_are_those_of_ls(shared):
    rows = walked(shared).rows
    heads = [line.split(" ...")[0].rstrip(" .") for line in shared.run("ls").splitlines()]
    assert [f"{row.guides}o- {row.name}" for row in rows] == heads
    assert rows[0].path == "/"
    states = {row.path: row.state for row in rows}
    assert states["/backstores/fileio/disk1"] == "activated"


def test_a_broken_node_hides_no_other(built):
    (built.folder / "sim/config/target/core/fileio_0/disk1/enable").unlink()
    rows = {row.path: row for row in walked(built).rows}
    assert "unreadable" in rows["/backstores/fileio/disk1"].summary
    assert "/iscsi" in rows


def test_it_is_bounded_and_can_be_stopped(shared, monkeypatch):
    monkeypatch.setattr(tree_walk, "MAX_ROWS", 7)
    walk = walked(shared)
    assert len(walk.rows) == 7
    assert walk.is_full
    stopped = TreeWalk(shared.session.root, lambda: None)
    stopped.stop()
    stopped._run()
    assert stopped.rows == []
