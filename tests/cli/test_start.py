# SPDX-License-Identifier: Apache-2.0
"""The first moments of a run: Ctrl-C while it is imported, and whose terminal it is."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

from .conftest import CHECKOUT, TIMEOUT_S

INTERRUPTED_IMPORT = """
import sys
sys.path.insert(0, sys.argv[1])
sys.argv = ["lioshell", "--version"]

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "lioshell.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from lioshell.__main__ import run
sys.exit(run())
"""


def test_ctrl_c_while_it_is_imported_shows_no_traceback():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT, str(CHECKOUT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_installed_program_begins_there():
    project = (CHECKOUT / "pyproject.toml").read_text()
    assert 'lioshell = "lioshell.__main__:run"' in project


def test_a_prompt_whose_answers_go_to_a_pipe(process):
    """`lioshell | tee LOG` at a terminal asks on the terminal, and the pipe gets the answers."""
    master, terminal = pty.openpty()
    running = subprocess.Popen(
        process.command(),
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**process.environ, "TERM": "dumb"},
    )
    os.close(terminal)
    try:
        wait_for(master, b"/>")
        os.write(master, b"pwd\rexit\r")
        answers, _ = running.communicate(timeout=TIMEOUT_S)
    finally:
        running.kill()
        running.communicate()
        os.close(master)
    assert running.returncode == 0
    assert answers.splitlines()[-1] == b"/"
    assert b"/>" not in answers


def wait_for(terminal: int, text: bytes) -> None:
    """Read from a terminal until it shows a text."""
    shown = b""
    deadline = time.monotonic() + TIMEOUT_S
    while text not in shown:
        ready, _, _ = select.select([terminal], [], [], deadline - time.monotonic())
        assert ready, shown
        shown += os.read(terminal, 4096)
