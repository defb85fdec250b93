# SPDX-License-Identifier: Apache-2.0
"""A session on a simulated kernel of its own, its streams in memory and nobody serving."""

from __future__ import annotations

import io

import pytest

from lioshell.environment import Environment
from lioshell.errors import LioshellError
from lioshell.kernel.open import open_sim
from lioshell.lio.lock import ChangeLock
from lioshell.lio.root import Lio
from lioshell.render.output import Output
from lioshell.shell.session import Session
from lioshell.specs import Specs

IQN = "iqn.2003-01.com.example:disk1"
CLIENT = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"


class NobodyServes:
    """A hosting that serves nothing itself: every device is answered for by another process."""

    def devices_changed(self, created):
        return [f"{path.rpartition('/')[2]} is served." for path in created]

    def problem(self, path):
        return ""

    def refresh(self):
        pass

    def served_here(self):
        return []

    def care(self, path, request):
        return None

    def repair(self, path):
        return self.devices_changed([path])


class Shell:
    """A session under test; `folder` is free for files."""

    def __init__(self, folder, specs, form="text"):
        self.folder = folder
        self.env = Environment(
            stdin=io.StringIO(),
            stdout=io.StringIO(),
            stderr=io.StringIO(),
            environ={"HOME": str(folder), "COLUMNS": "80"},
        )
        kernel = open_sim(str(folder / "sim"), specs)
        kernel.system.prepare()
        self.lio = Lio(kernel, specs)
        self.out = Output(self.env, form=form)
        self.session = Session(
            self.env,
            self.lio,
            self.out,
            NobodyServes(),
            saveconfig_path=str(folder / "saveconfig.json"),
            lock=ChangeLock(kernel.run_dir),
        )

    def run(self, *lines):
        """Run lines and return what they showed; every one has to succeed."""
        for line in lines:
            self.session.run_line(line)
        text = self.env.stdout.getvalue()
        self.env.stdout.truncate(self.env.stdout.seek(0))
        return text

    def fails(self, line):
        """Return the error of a line; every error tells what to type next."""
        with pytest.raises(LioshellError) as caught:
            self.session.run_line(line)
        assert caught.value.hint, caught.value
        return caught.value

    @property
    def path(self):
        return self.session.node.path

    def build(self):
        """Make a file disk, a target that exports it, and an initiator."""
        self.run(
            f"/backstores/fileio create disk1 {self.folder}/disk1.img 1M",
            f"/iscsi create {IQN}",
            f"{TPG}/luns create /backstores/fileio/disk1",
            f"{TPG}/acls create {CLIENT}",
        )
        return self


@pytest.fixture(scope="session")
def specs(tmp_path_factory):
    return Specs(cache_folder=str(tmp_path_factory.mktemp("specs")))


@pytest.fixture
def shell(tmp_path, specs):
    return Shell(tmp_path, specs)


@pytest.fixture
def built(shell):
    return shell.build()


@pytest.fixture
def json_shell(tmp_path, specs):
    return Shell(tmp_path, specs, form="json")


@pytest.fixture(scope="module")
def shared(tmp_path_factory, specs):
    """A built session for tests that change nothing."""
    return Shell(tmp_path_factory.mktemp("shared"), specs).build()
