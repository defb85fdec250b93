# SPDX-License-Identifier: Apache-2.0
"""The command line under test: in this process with everything replaced, or as a real process."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lioshell import cli as command_line
from lioshell.environment import Environment
from lioshell.kernel.open import open_sim
from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.service.hosting import service_runs
from lioshell.specs import Specs
from tests.patience import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lioshell.kernel.ports import Kernel
    from lioshell.kernel.sim.faults import Faults

CHECKOUT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The only document that was printed."""
        return json.loads(self.out)

    @property
    def documents(self) -> list[Any]:
        """The documents of all lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Stream(io.StringIO):
    """A stream that is a terminal or not."""

    def __init__(self, text: str = "", *, tty: bool = False) -> None:
        super().__init__(text)
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


class Cli:
    """Runs the command line on a simulated kernel in `sim`, in this process.

    `folder` is for all other files.
    """

    def __init__(self, folder: Path, sim: Path) -> None:
        self.folder = folder
        self.sim = sim
        self.saveconfig = self.sim / "etc/target/saveconfig.json"
        self.environ = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        self._specs = Specs()

    def __call__(
        self,
        *argv: str,
        stdin: str = "",
        tty: bool = False,
        faults: Faults | None = None,
        kernel: Kernel | None = None,
        sim: bool = True,
    ) -> Result:
        """Run `lioshell --sim=DIR ARGV...`, without --sim where `sim` is false.

        `faults` fail operations of the simulated kernel; `kernel` replaces it.
        """
        if faults is not None:
            kernel = self.kernel(faults)
        env = Environment(
            stdin=Stream(stdin, tty=tty),
            stdout=Stream(tty=tty),
            stderr=Stream(),
            environ=self.environ,
            kernel=kernel,
        )
        words = [f"--sim={self.sim}", *argv] if sim else argv
        code = command_line.main(words, env)
        assert isinstance(env.stdout, Stream)
        assert isinstance(env.stderr, Stream)
        return Result(int(code), env.stdout.getvalue(), env.stderr.getvalue())

    def ok(self, *lines: str) -> str:
        """Run lines that have to succeed, and return what they print."""
        argv = [word for line in lines for word in ("-c", line)]
        result = self(*argv)
        assert result.code == 0, result
        return result.out

    def kernel(self, faults: Faults | None = None) -> Kernel:
        """Return the simulated kernel, some of whose operations fail."""
        made = open_sim(str(self.sim), self._specs)
        made.system.prepare()
        return made._replace(configfs=SimConfigfs(str(self.sim), self._specs, faults))

    def tree(self) -> dict[str, str]:
        """Return all of configfs: path -> "dir", the link's target, or the attribute's text.

        Statistics are left out: they count on, also what was undone.
        """
        found = dump(self.sim / "config")
        return {path: text for path, text in found.items() if "statistics/" not in path}


def dump(root: Path) -> dict[str, str]:
    """Return what a folder holds: path -> "dir", the link's target, or the file's text."""
    found: dict[str, str] = {}
    for path in listing(root):
        full = root / path
        if full.is_symlink():
            found[path] = f"-> {full.readlink()}"
        elif full.is_dir():
            found[path] = "dir"
        elif not full.stat().st_mode & 0o400:
            found[path] = "write-only"
        else:
            found[path] = full.read_bytes().decode(errors="replace")
    return found


def listing(root: Path) -> list[str]:
    """Return the paths of all that a folder holds, sorted."""
    found = []
    for folder, folders, files in os.walk(root):
        found += [os.path.relpath(os.path.join(folder, name), root) for name in folders + files]
    return sorted(found)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    # A simulated kernel is hundreds of small files: in memory, where there is room for them.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(
        prefix="lioshell-test-", dir=memory, ignore_cleanup_errors=True
    ) as folder:
        yield Cli(tmp_path, Path(folder) / "sim")


class Processes:
    """Runs the command line as a process of its own, on the simulated kernel of `cli`."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli
        self.python = sys.executable
        paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environ = {**os.environ, **cli.environ, "PYTHONPATH": os.pathsep.join(paths)}
        # Streams as users have them: buffered until the interpreter ends.
        self.environ.pop("PYTHONUNBUFFERED", None)

    def __call__(self, *argv: str, stdin: str = "", sim: bool = True, **keywords: Any) -> Result:
        """Run it to its end."""
        done = subprocess.run(
            self.command(*argv, sim=sim),
            input=stdin,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            **keywords,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start it; the caller ends it."""
        return subprocess.Popen(
            self.command(*argv),
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *argv: str, sim: bool = True) -> list[str]:
        """Return the argument list."""
        options = [f"--sim={self._cli.sim}"] if sim else []
        return [self.python, "-m", "lioshell", *options, *argv]

    def end_services(self) -> None:
        """End the services that one-liners have started for this simulated kernel."""
        hosts = self._cli.sim / "run/hosts"
        for socket in hosts.glob("*.sock") if hosts.is_dir() else ():
            pid = int(socket.stem)
            if pid != os.getpid():
                try:
                    os.kill(pid, signal.SIGTERM)
                except ProcessLookupError:
                    continue
        run_dir = str(self._cli.sim / "run")
        eventually(
            lambda: not service_runs(run_dir), seconds=TIMEOUT_S, what="a service does not end"
        )


@pytest.fixture
def process(cli: Cli) -> Iterator[Processes]:
    processes = Processes(cli)
    yield processes
    processes.end_services()


NOBODY = 65534
AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
NEEDED = "import sys, configshell, prompt_toolkit, rich, yaml; assert sys.version_info >= (3, 11)"


@pytest.fixture
def other_user(
    cli: Cli, process: Processes, tmp_path: Path
) -> Callable[[Path], Callable[..., Result]]:
    """Run the command line as a user without rights, on a simulated kernel of their own.

    The folder given is made reachable for them.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can run a process as another user")
    process.environ["PYTHONPATH"] += os.pathsep + sysconfig.get_path("purelib")
    python = next(filter(lambda path: runs_as_nobody(path, process.environ), PYTHONS), None)
    if python is None:
        pytest.skip("another user can run no Python with what lioshell needs")
    process.python = python

    def prepare(folder: Path) -> Callable[..., Result]:
        for path in (folder, *folder.parents):
            if any(path.is_relative_to(own) for own in (tmp_path.parents[1], cli.sim.parent)):
                path.chmod(path.stat().st_mode | 0o055)
        home = folder.parent / "home-of-nobody"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        process.environ |= {"HOME": str(home), "XDG_STATE_HOME": "", "XDG_CACHE_HOME": ""}

        def run(*argv: str, sim: bool = True) -> Result:
            words = [f"--sim={home}/sim", *argv] if sim else argv
            return process(*words, sim=False, cwd="/", **AS_NOBODY)

        return run

    return prepare


PYTHONS = (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3")


def runs_as_nobody(python: str, environ: dict[str, str]) -> bool:
    """Tell whether another user can run a Python with all that is needed."""
    command = [python, "-c", NEEDED]
    try:
        done = subprocess.run(
            command, env=environ, cwd="/", capture_output=True, check=False, **AS_NOBODY
        )
    except OSError:
        return False
    return done.returncode == 0
