# SPDX-License-Identifier: Apache-2.0
"""A handler in handlers.d, through the whole path: listed, created, served by another process."""

from __future__ import annotations

from .conftest import CHECKOUT

HANDLER = """
from lioshell.runner.handlers.null import NullHandler

class Mine(NullHandler):
    subtype = "mine"
    help = "nothing at all"
"""


def test_a_handler_of_ones_own_is_served_by_a_service(cli, process):
    folder = cli.sim / "etc/lioshell/handlers.d"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(HANDLER)
    (folder / "broken.py").write_text("1/0")
    (folder / "mine.py").chmod(0o644)
    (folder / "broken.py").chmod(0o644)
    done = process("-c", "/backstores/user:mine create vol0 16M")
    assert done.code == 0, done
    assert "is served by" in done.out
    listed = process("-c", "ls /backstores")
    assert listed.code == 0, listed
    assert "user:broken" in listed.out
    assert "vol0 (16.0MiB)" in listed.out
    refused = process("-c", "/backstores/user:broken create vol1 16M x")
    assert refused.code == 6, refused
    assert "ZeroDivisionError" in refused.err
    assert "broken.py" in refused.err
    assert str(CHECKOUT) not in refused.err


def test_handlers_of_another_folder(cli, tmp_path):
    folder = tmp_path / "others"
    folder.mkdir()
    (folder / "mine.py").write_text(HANDLER)
    (folder / "mine.py").chmod(0o644)
    cli.environ["LIOSHELL_HANDLERS_D"] = str(folder)
    assert "user:mine" in cli("-c", "ls /backstores").out
    assert "nothing at all" in cli("-c", "/backstores/user:mine info").out
