# SPDX-License-Identifier: Apache-2.0
"""Commands in the guest as the tests see them: a finished one, and one that runs."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tests.kernel.vm.errors import CommandError, CommandTimeoutError

if TYPE_CHECKING:
    import signal
    from types import TracebackType

Reply = dict[str, Any]
Ask = Callable[[Reply, float], Reply]
Command = str | Sequence[str]


@dataclass(frozen=True)
class Result:
    """What a command in the guest said, and the code it ended with: -9 is a death by SIGKILL.

    The texts are UTF-8; a byte that is none reads as the replacement mark.
    """

    command: str
    rc: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return (
            f"{self.command!r} in the guest ended with {self.rc}\n"
            f"--- its stdout:\n{self.stdout}--- its stderr:\n{self.stderr}"
        )

    def check(self) -> Self:
        """Raise CommandError unless the command ended with 0."""
        if self.rc != 0:
            raise CommandError(str(self))
        return self


class Background:
    """A command that was started in the guest and runs beside others.

    As a context manager it is killed at the end, with everything in its process group.
    """

    def __init__(self, ask: Ask, command: Command, request: Reply) -> None:
        self._ask = ask
        self._command = shown(command)
        self.pid = int(ask({**request, "op": "start"}, 0)["job"])
        """Its process in the guest, which is also its process group."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def poll(self) -> int | None:
        """The code it ended with, or None while it runs."""
        rc: int | None = self._send("wait", timeout=0)["rc"]
        return rc

    def wait(self, timeout_s: float = 60) -> Result:
        """Wait for its end; CommandTimeoutError, and a kill, when there is none in time."""
        if self._send("wait", timeout=timeout_s)["rc"] is None:
            stuck = self._send("kill")["stuck"]
            stdout, stderr = self.output()
            raise CommandTimeoutError(self._command, timeout_s, stdout, stderr, stuck)
        return self._result()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process group."""
        self._send("signal", signal=int(number))

    def kill(self) -> Result | None:
        """Kill its process group, and return the result; None when it hangs in the kernel."""
        if self._send("kill")["stuck"]:
            return None
        return self._result()

    def output(self) -> tuple[str, str]:
        """What it has written up to now: stdout, stderr."""
        reply = self._send("output")
        return text(reply["stdout"]), text(reply["stderr"])

    def _result(self) -> Result:
        return result(self._command, self._send("output"))

    def _send(self, operation: str, **fields: float) -> Reply:
        request = {"op": operation, "job": self.pid, **fields}
        return self._ask(request, fields.get("timeout", 0))


def request(
    command: Command,
    given: str | bytes | None,
    env: Mapping[str, str] | None,
    cwd: str | None,
) -> Reply:
    """The part of a request that says what to run; a text is for a shell, a list is not."""
    argv = ["bash", "-c", command] if isinstance(command, str) else list(command)
    content = given.encode() if isinstance(given, str) else given
    encoded = None if content is None else base64.b64encode(content).decode("ascii")
    return {"argv": argv, "input": encoded, "env": dict(env or {}), "cwd": cwd}


def result(command: str, reply: Reply) -> Result:
    """A finished command from the agent's words."""
    return Result(command, reply["rc"], text(reply["stdout"]), text(reply["stderr"]))


def text(encoded: str) -> str:
    """The output in a reply."""
    return base64.b64decode(encoded).decode("utf-8", "replace")


def shown(command: Command) -> str:
    """A command as one would type it."""
    return command if isinstance(command, str) else shlex.join(command)
