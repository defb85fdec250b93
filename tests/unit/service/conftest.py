# SPDX-License-Identifier: Apache-2.0
"""A simulated kernel, real lioshell processes on it, and none of them left behind."""

import os
import signal
import subprocess
import sys

import pytest

from lioshell.kernel.open import open_sim
from tests.patience import eventually


class Machine:
    """A simulated kernel in a folder, and the processes that work on it."""

    def __init__(self, folder):
        self.sim = str(folder / "sim")
        self.folder = folder
        self.processes = []
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}

    @property
    def kernel(self):
        return open_sim(self.sim)

    def command(self, *words):
        return [sys.executable, "-m", "lioshell", f"--sim={self.sim}", *words]

    def run(self, *words, code=0):
        result = subprocess.run(
            self.command(*words), capture_output=True, text=True, env=self.environment, timeout=60
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result

    def create(self, name="vol0", size="1M"):
        path = str(self.folder / f"{name}.img")
        self.run("/backstores/user:file", "create", name, size, path)
        return path

    def serve(self, *words):
        process = subprocess.Popen(
            self.command("serve", *words), stderr=subprocess.PIPE, text=True, env=self.environment
        )
        self.processes.append(process)
        eventually(
            lambda: process.poll() is not None or self.service_pid() == process.pid, seconds=30
        )
        return process

    def service_pid(self):
        from lioshell.service.control import ask_all

        answers = ask_all(f"{self.sim}/run", {"op": "status"})
        return answers[0]["pid"] if answers else None

    def problem(self, name="vol0"):
        from lioshell.service.hosting import Hosting

        return Hosting(self.kernel, lambda: None).problem(f"core/user_0/{name}")

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stderr.close()
        pid = self.service_pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    yield made
    made.close()
