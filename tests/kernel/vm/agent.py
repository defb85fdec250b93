# SPDX-License-Identifier: Apache-2.0
"""Runs inside the guest: takes requests as lines of JSON on a virtio port and runs commands.

It is copied into the guest as this one file, so it imports nothing but the standard library. Each
request is answered by a thread of its own: a long command holds up no other.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PORT_NAME = "lioshell.agent"
PORT_WAIT_S = 30.0
KILL_WAIT_S = 5.0
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}

Reply = dict[str, Any]


class Job:
    """One command: its process, in a group of its own, and the files that take its output.

    Files, not pipes: a daemon that the command leaves behind keeps them open without making
    anybody wait, and output has no limit.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        given = request.get("input")
        self._stdout = os.open("/run", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC)
        self._stderr = os.open("/run", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC)
        with tempfile.TemporaryFile(dir="/run") as stdin:
            stdin.write(base64.b64decode(given) if given else b"")
            stdin.seek(0)
            self.process = subprocess.Popen(
                request["argv"],
                stdin=subprocess.DEVNULL if given is None else stdin,
                stdout=self._stdout,
                stderr=self._stderr,
                cwd=request.get("cwd") or "/root",
                env={**ENVIRONMENT, **(request.get("env") or {})},
                start_new_session=True,
            )

    def wait(self, timeout_s: float) -> bool:
        """Whether the command has ended, having waited for it at most so long."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def signal(self, number: int) -> None:
        """Send a signal to the whole process group, if there is one left."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    def kill(self) -> str:
        """Kill the process group; where it does not die, return the kernel stack it hangs in."""
        self.signal(signal.SIGKILL)
        if self.wait(KILL_WAIT_S):
            return ""
        return kernel_stacks(self.process.pid)

    def output(self) -> Reply:
        """What the command has written up to now, and its code if it has ended."""
        return {
            "rc": self.process.poll(),
            "stdout": _read(self._stdout),
            "stderr": _read(self._stderr),
        }

    def close(self) -> None:
        """Let go of the output; the command goes on if it runs."""
        os.close(self._stdout)
        os.close(self._stderr)


class Agent:
    """The jobs, and the methods that requests name in "op"."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writing = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._operations: Mapping[str, Callable[[Mapping[str, Any]], Reply]] = {
            "run": self._run,
            "start": self._start,
            "wait": self._wait,
            "signal": self._signal,
            "output": self._output,
            "kill": self._kill,
            "forget": self._forget,
        }

    def serve(self) -> None:
        """Answer requests until the host closes its end."""
        self._send(
            {
                "hello": os.uname().release,
                "python": sys.version.split()[0],
                "modules": Path("/proc/modules").read_text(),
                "mounts": Path("/proc/mounts").read_text(),
            }
        )
        for line in _lines(self._port):
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: bytes) -> None:
        request = json.loads(line)
        try:
            reply = self._operations[request["op"]](request)
        except (OSError, KeyError, ValueError, subprocess.SubprocessError) as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        self._send({"id": request["id"], **reply})

    def _send(self, reply: Reply) -> None:
        line = json.dumps(reply).encode() + b"\n"
        with self._writing:
            while line:
                line = line[os.write(self._port, line) :]

    def _run(self, request: Mapping[str, Any]) -> Reply:
        job = Job(request)
        timed_out = not job.wait(request["timeout"])
        stuck = job.kill() if timed_out else ""
        reply = {**job.output(), "timed_out": timed_out, "stuck": stuck}
        job.close()
        return reply

    def _start(self, request: Mapping[str, Any]) -> Reply:
        job = Job(request)
        self._jobs[job.process.pid] = job
        return {"job": job.process.pid}

    def _wait(self, request: Mapping[str, Any]) -> Reply:
        job = self._jobs[request["job"]]
        job.wait(request["timeout"])
        return {"rc": job.process.poll()}

    def _signal(self, request: Mapping[str, Any]) -> Reply:
        self._jobs[request["job"]].signal(request["signal"])
        return {}

    def _output(self, request: Mapping[str, Any]) -> Reply:
        return self._jobs[request["job"]].output()

    def _kill(self, request: Mapping[str, Any]) -> Reply:
        return {"stuck": self._jobs[request["job"]].kill()}

    def _forget(self, request: Mapping[str, Any]) -> Reply:
        self._jobs.pop(request["job"]).close()
        return {}


def kernel_stacks(group: int) -> str:
    """Where in the kernel the processes of a group are, for the report on one that cannot die."""
    texts = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == group:
                stack = (folder / "stack").read_text()
                texts.append(f"{folder.name} {(folder / 'comm').read_text()}{stack}")
        except (ProcessLookupError, FileNotFoundError):
            continue  # it has ended meanwhile
    return "".join(texts)


def _read(fd: int) -> str:
    # pread: the command writes at the same file position that a read would move.
    content = os.pread(fd, os.fstat(fd).st_size, 0)
    return base64.b64encode(content).decode("ascii")


def _lines(fd: int) -> Any:
    rest = b""
    while chunk := os.read(fd, 65536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def open_port() -> int:
    """Open the virtio port of the agent, which appears a little after its driver."""
    deadline = time.monotonic() + PORT_WAIT_S
    while time.monotonic() < deadline:
        # A port without a name, such as the terminal's, has no such file.
        for file in Path("/sys/class/virtio-ports").glob("vport*/name"):
            if file.read_text().strip() == PORT_NAME:
                return os.open(f"/dev/{file.parent.name}", os.O_RDWR | os.O_CLOEXEC)
        time.sleep(0.05)
    raise SystemExit(f"no virtio port {PORT_NAME}")


if __name__ == "__main__":
    Agent(open_port()).serve()
