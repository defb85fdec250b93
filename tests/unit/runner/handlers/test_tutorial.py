# SPDX-License-Identifier: Apache-2.0
"""The handlers that docs/handlers.md builds: the page's own code, as it stands there."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pytest

from lioshell import cli
from lioshell.environment import Environment
from lioshell.errors import UsageError
from lioshell.runner.handlers import registry, third_party
from tests.handler_suite import Case, HandlerSuite

PAGE = Path(__file__).resolve().parents[4] / "docs/handlers.md"


def block(name):
    found = re.search(rf"<!-- {name} -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return found[1]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put the page's code where an administrator would."""
    folder = tmp_path / "handlers.d"

    def put(text):
        folder.mkdir(mode=0o755, exist_ok=True)
        (folder / "sqlite.py").write_text(text)
        (folder / "sqlite.py").chmod(0o644)
        monkeypatch.setattr(third_party, "_folders", [str(folder)])
        return folder

    return put


def test_it_is_as_short_as_the_page_says():
    (found,) = (n for n in ast.parse(block("first")).body if isinstance(n, ast.ClassDef))
    lines = ast.unparse(found).splitlines()
    assert len([line for line in lines if line.strip()]) <= 28


def test_the_first_one_is_a_disk(install, tmp_path, capsys):
    folder = install(block("first"))
    env = Environment(environ={"HOME": str(tmp_path), "LIOSHELL_HANDLERS_D": str(folder)})
    words = ["user:sqlite", f"{tmp_path}/disk.db", "size=4M", "seconds=0.2"]
    code = cli.main(["--yes", "exercise", *words], env)
    told = capsys.readouterr()
    assert code == 0, told
    assert "FAILED" not in told.out
    assert re.search(r"verify +ok", told.out)


class TestSqlite(HandlerSuite):
    """The second one, as every handler."""

    @pytest.fixture
    def case(self, install, tmp_path):
        install(block("first") + block("second"))
        numbers = itertools.count()
        return Case(
            "sqlite",
            lambda: f"{tmp_path}/{next(numbers)}.db",
            examples=3,
            steps=20,
            grows=False,
            opens_read_only=False,
        )

    def test_its_option(self, case):
        with pytest.raises(UsageError) as caught:
            registry.for_new("sqlite", "/srv/a.db;journal=off")
        assert "delete, wal" in caught.value.hint
        with pytest.raises(UsageError):
            registry.for_new("sqlite", "a.db")


@pytest.mark.parametrize("subtype", [n for n in registry.names() if registry.is_built_in(n)])
def test_the_pages_name_every_subtype(subtype):
    rows = re.findall(r"^\| `(\w+)` \| `?(.*?)`? \|", PAGE.read_text(), re.MULTILINE)
    assert subtype in dict(rows)
    manual = (PAGE.parents[1] / "man/lioshell.8").read_text()
    assert re.search(rf"answers for: [^.]*\b{subtype}\b", manual)
