# SPDX-License-Identifier: Apache-2.0
"""What could not be restored stands in the tree, in red and in words."""

import json
import os

from lioshell.render.tree import TreeItem
from lioshell.shell.not_restored import with_not_restored

IQN = "iqn.2003-01.com.example:disk1"


def tree(*names):
    children = [TreeItem(n, f"/b/{n}", "fine", True, [], "activated") for n in names]
    return TreeItem("b", "/b", "2", None, children)


def test_an_object_that_is_not_there_and_what_leads_to_it():
    found = with_not_restored(tree("x"), [("/b/y/z", "No such device")], None)
    (x, y) = found.children
    assert x.healthy is True
    assert (y.name, y.path, y.healthy, y.summary) == ("y", "/b/y", False, "not restored")
    (z,) = y.children
    assert (z.path, z.state, z.summary) == (
        "/b/y/z",
        "not restored",
        "not restored: No such device",
    )


def test_an_object_that_is_there_in_part_keeps_its_summary():
    found = with_not_restored(tree("x"), [("/b/x", "block_size was refused")], None)
    assert found.children[0].summary == "fine, not restored: block_size was refused"
    assert found.children[0].healthy is False


def test_what_is_elsewhere_or_deeper_is_not_shown():
    before = tree("x")
    assert with_not_restored(before, [("/c", "r"), ("/bb", "r")], None) == before
    assert with_not_restored(before, [("/b/y/z", "r")], 1) == before
    assert with_not_restored(before, [("/b/y", "r")], 1) != before


def test_a_listing_shows_it(built):
    saved = built.folder / "saveconfig.json"
    built.run("saveconfig")
    document = json.loads(saved.read_text())
    document["storage_objects"][0]["dev"] = "/nosuch/folder/disk1.img"
    saved.write_text(json.dumps(document))
    built.fails("restoreconfig clear_existing=true")

    text = built.run("ls")

    (line,) = [line for line in text.splitlines() if "o- disk1" in line]
    assert "[not restored: " in line
    assert IQN in text
    assert "not restored" not in built.run("ls / 1")
    os.unlink(built.folder / "sim" / "run" / "unrestored")
    assert "not restored" not in built.run("ls")


def test_a_list_that_cannot_be_understood_hides_nothing(built):
    (built.folder / "sim" / "run").mkdir(exist_ok=True)
    (built.folder / "sim" / "run" / "unrestored").write_text("{")
    assert IQN in built.run("ls")
    assert "cannot be understood" in built.env.stderr.getvalue()
