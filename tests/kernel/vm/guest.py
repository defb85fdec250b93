# SPDX-License-Identifier: Apache-2.0
"""A running guest: boot it, run commands in it, end it."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.kernel.vm import process, project
from tests.kernel.vm.cache import cache_folder, run_folder
from tests.kernel.vm.channel import Channel, ChannelClosedError, NoReplyError
from tests.kernel.vm.errors import CommandError, CommandTimeoutError, GuestError
from tests.kernel.vm.junit import Report, parse_report
from tests.kernel.vm.lock import FileLock
from tests.kernel.vm.machine import Machine, machines_to_try
from tests.kernel.vm.process import Background, Command, Result
from tests.kernel.vm.qemu import Qemu
from tests.kernel.vm.recipe import CHECKOUT, HERE
from tests.kernel.vm.requirements import ensure_can_boot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.kernel.vm.image import Image

# What a reply may take beyond the command's own time, on a machine that is busy with other things.
REPLY_MARGIN_S = 60.0
COPY_TIMEOUT_S = 300.0
DEFAULT_WAIT_S = 1800.0
HARNESS_FOLDER = ".harness"


class Guest:
    """A booted virtual machine.

    Its methods may be called from several threads at once. When the guest dies or is silent, each
    of them raises GuestError with the end of the guest's console.
    """

    def __init__(self, qemu: Qemu, folder: Path) -> None:
        self._qemu = qemu
        self._channel = Channel(qemu.agent_socket)
        self.console = folder / "console.log"
        """What the kernel said, as a file of the host."""
        self.share = folder / "share"
        """A folder of the host, which the guest sees as /share; both may write to it."""
        self.kernel_release = ""
        self.python_version = ""
        self.modules_at_boot = ""
        """/proc/modules as the guest came up, before any test loaded one."""
        self.mounts_at_boot = ""
        """/proc/mounts as the guest came up."""

    @classmethod
    @contextmanager
    def boot(
        cls,
        image: Image,
        machine: Machine | None = None,
        say: Callable[[str], None] = print,
    ) -> Iterator[Guest]:
        """Boot an image, when no other virtual machine of this user runs, and end it afterwards.

        Without a machine those that the environment asks for are tried. Call it from a thread that
        lives as long as the guest: the guest is killed when that thread ends.
        """
        ensure_can_boot()
        machines = [machine] if machine else machines_to_try()
        wait_s = float(os.environ.get("LIOSHELL_VM_WAIT") or DEFAULT_WAIT_S)
        turn = FileLock(cache_folder() / "vm.lock", "running the virtual machine", wait_s, say)
        with (
            turn as lock,
            run_folder() as folder,
        ):
            guest = cls._first_that_boots(image, machines, folder, lock.fileno(), say)
            try:
                yield guest
            finally:
                guest._end()

    @classmethod
    def _first_that_boots(
        cls,
        image: Image,
        machines: list[Machine],
        folder: Path,
        lock: int,
        say: Callable[[str], None],
    ) -> Guest:
        for machine in machines[:-1]:
            try:
                return cls._booted(image, machine, folder, lock)
            except GuestError as error:
                say(f"no boot with {machine.accelerator}, trying another: {error.message}")
        return cls._booted(image, machines[-1], folder, lock)

    @classmethod
    def _booted(cls, image: Image, machine: Machine, folder: Path, lock: int) -> Guest:
        harness = folder / "share" / HARNESS_FOLDER
        harness.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / "agent.py", harness / "agent.py")
        (folder / "console.log").write_bytes(b"")
        qemu = Qemu(image, machine, folder / "share", folder / "console.log", kept_open=[lock])
        guest = cls(qemu, folder)
        try:
            guest._wait_for_agent(machine.boot_timeout_s)
        except BaseException:
            guest._end()
            raise
        return guest

    def run(
        self,
        command: Command,
        timeout_s: float = 60,
        input: str | bytes | None = None,  # noqa: A002 - the name that subprocess.run gives it
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        check: bool = False,
    ) -> Result:
        """Run a command to its end; a text is a line for bash, a list is run as it is.

        Over its time it is killed with its process group, and CommandTimeoutError is raised.
        """
        words = process.shown(command)
        request = process.request(command, input, env, cwd)
        reply = self._ask({**request, "op": "run", "timeout": timeout_s}, timeout_s)
        if reply["timed_out"]:
            stdout, stderr = process.text(reply["stdout"]), process.text(reply["stderr"])
            raise CommandTimeoutError(words, timeout_s, stdout, stderr, reply["stuck"])
        result = process.result(words, reply)
        return result.check() if check else result

    def start(
        self,
        command: Command,
        input: str | bytes | None = None,  # noqa: A002 - the name that subprocess.run gives it
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Background:
        """Start a command that goes on beside others, until it ends or is killed."""
        return Background(self._ask, command, process.request(command, input, env, cwd))

    def cut_power(self, boot_timeout_s: float = 180.0) -> None:
        """Reset the machine at once, nothing written back, and wait until it is up again.

        Only for a machine with systemd; commands that run in it are lost without a word.
        """
        self.start("echo b >/proc/sysrq-trigger")
        self._wait_for_agent(boot_timeout_s)

    def push_project(self, checkout: Path = CHECKOUT) -> None:
        """Put the files of the checkout as they are now into the guest, with a `lioshell` to type.

        What was there of an earlier push is removed first.
        """
        archive = self.share / HARNESS_FOLDER / "project.tar"
        compiled = project.write_archive(checkout, archive, self.python_version)
        script = project.install_script(f"/share/{HARNESS_FOLDER}/{archive.name}", compiled)
        self.run(script, timeout_s=COPY_TIMEOUT_S, check=True)
        archive.unlink()

    def pytest(
        self, *arguments: str, timeout_s: float = 600, env: Mapping[str, str] | None = None
    ) -> Report:
        """Run pytest in the guest on files of the pushed project, and return what it reported."""
        words = ["python3", "-m", "pytest", *project.PYTEST_OPTIONS, *arguments]
        environment = {**project.ENVIRONMENT, **(env or {})}
        result = self.run(words, timeout_s, env=environment, cwd=project.FOLDER)
        xml = self.run(["cat", project.PYTEST_REPORT])
        if xml.rc != 0:
            raise CommandError(f"pytest in the guest wrote no report\n{result}")
        self.run(["rm", project.PYTEST_REPORT], check=True)
        return parse_report(xml.stdout, result)

    @property
    def terminal(self) -> int:
        """The descriptor of the host's end of /dev/hvc0, a terminal in the guest."""
        return self._qemu.terminal_socket.fileno()

    def _wait_for_agent(self, timeout_s: float) -> None:
        try:
            hello = self._channel.hello(timeout_s)
        except NoReplyError:
            raise self._failed(f"the guest was not up after {timeout_s:g} s") from None
        except ChannelClosedError:
            raise self._failed("the guest died while it booted") from None
        self.kernel_release = hello["hello"]
        self.python_version = hello["python"]
        self.modules_at_boot = hello["modules"]
        self.mounts_at_boot = hello["mounts"]

    def _ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        try:
            reply = self._channel.ask(request, timeout_s + REPLY_MARGIN_S)
        except NoReplyError:
            raise self._failed("the guest does not answer") from None
        except ChannelClosedError:
            raise self._failed("the guest has died") from None
        if "error" in reply:
            words = request.get("argv") or request["op"]
            raise CommandError(f"the guest could not do {words}: {reply['error']}")
        return reply

    def _failed(self, message: str) -> GuestError:
        return GuestError(message, self.console)

    def _end(self) -> None:
        self._channel.close()
        self._qemu.end()
