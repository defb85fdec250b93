# SPDX-License-Identifier: Apache-2.0
"""An interactive session on a simulated kernel, typed into through prompt_toolkit's pipe."""

from __future__ import annotations

import io

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from lioshell.environment import Environment
from lioshell.kernel.open import open_sim
from lioshell.lio.lock import ChangeLock
from lioshell.lio.root import Lio
from lioshell.render.output import Output
from lioshell.shell import repl
from lioshell.shell.session import Session
from lioshell.specs import Specs


class FakeHosting:
    """A hosting whose answers a test chooses, and that remembers what it was asked for."""

    def __init__(self):
        self.serving = []
        self.handed_over = []
        self.failure = None

    def devices_changed(self, created):
        self.serving += created
        return [f"{path.rpartition('/')[2]} is served by this session." for path in created]

    def problem(self, path):
        return "" if path in self.serving else "no runner"

    def refresh(self):
        pass

    def served_here(self):
        return list(self.serving)

    def hand_over(self):
        if self.failure is not None:
            raise self.failure
        self.handed_over, self.serving = self.serving, []

    def close(self):
        self.serving = []


class Terminal:
    """What a person types at a terminal, and what it shows.

    `folder` is free for files; `home` holds history and preferences; `saved` is what a session
    saves.
    """

    def __init__(self, folder, specs):
        self.folder = folder
        self.home = folder / "home"
        self.saved = folder / "saveconfig.json"
        self.hosting = FakeHosting()
        self.kernel = open_sim(str(folder / "sim"), specs)
        self.kernel.system.prepare()
        self.lio = Lio(self.kernel, specs)
        self.session = self.new_session()

    def new_session(self, **options):
        self.env = Environment(
            stdin=io.StringIO(),
            stdout=io.StringIO(),
            stderr=io.StringIO(),
            environ={"HOME": str(self.home), "COLUMNS": "80"},
        )
        self.session = Session(
            self.env,
            self.lio,
            Output(self.env, verbose=options.pop("verbose", False)),
            self.hosting,
            saveconfig_path=str(self.saved),
            lock=ChangeLock(self.kernel.run_dir),
            **options,
        )
        return self.session

    def type(self, *keys):
        """Type keys into a session until it ends, and return its exit code.

        A text is a line, ended with the Enter key; bytes are keys. What has not left by itself
        leaves with Ctrl-D.
        """
        self.env.stdout.truncate(self.env.stdout.seek(0))
        self.env.stderr.truncate(self.env.stderr.seek(0))
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            for key in keys:
                pipe.send_text(key.decode() if isinstance(key, bytes) else f"{key}\r")
            pipe.send_text("\x04" * 3)
            return repl.run(self.session, terminal_input=pipe, terminal_output=DummyOutput())

    @property
    def out(self):
        return self.env.stdout.getvalue()

    @property
    def err(self):
        return self.env.stderr.getvalue()

    @property
    def history(self):
        path = self.home / ".local" / "state" / "lioshell" / "history"
        return path.read_text(errors="surrogateescape").splitlines() if path.exists() else []


@pytest.fixture(scope="session")
def specs(tmp_path_factory):
    return Specs(cache_folder=str(tmp_path_factory.mktemp("specs")))


@pytest.fixture
def terminal(tmp_path, specs):
    return Terminal(tmp_path, specs)
