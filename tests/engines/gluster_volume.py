# SPDX-License-Identifier: Apache-2.0
"""A Gluster volume of one brick on this machine, its data and its daemon's state in one folder.

    python3 -m tests.engines.gluster_volume FOLDER      until it is killed; "ready" when it is up

The brick is a daemon that glusterd starts; it stays when this process is killed by a signal that
cannot be caught. glusterd's port is the one that bricks look for, 24007, so there is one at a time
on a machine. The brick's socket and log are where Gluster has them compiled in; the log is removed
at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engines.daemons import Engine, EngineError, run, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("glusterfs-server", "libgfapi0")
VOLUME = "v0"
_SOCKETS = Path("/var/run/gluster")
_LOGS = Path("/var/log/glusterfs/bricks")

_VOLFILE = """volume management
    type mgmt/glusterd
    option working-directory {folder}/glusterd
    option run-directory {folder}/run
    option glusterd-sockfile {folder}/glusterd.sock
    option transport-type socket
    option transport.socket.bind-address {address}
    option transport.address-family inet
    option max-port 60999
end-volume
"""


class GlusterVolume(Engine):
    """The volume `v0` at the host `host`; `brick` is the folder of its files."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.brick = folder / "brick"
        # A literal address of loopback is refused as the host of a brick.
        self.host = socket.gethostname()

    def start(self) -> None:
        """Start glusterd, make a volume and start its brick."""
        self._be_alone()
        folder = self.folder
        for name in ("glusterd", "run", "brick"):
            (folder / name).mkdir(parents=True)
        for path in (_SOCKETS, _LOGS):
            path.mkdir(parents=True, exist_ok=True)  # gone with a fresh /run
        address = socket.gethostbyname(self.host)
        (folder / "glusterd.vol").write_text(_VOLFILE.format(folder=folder, address=address))
        self.daemon_of_volumes = self.daemon(
            folder,
            "glusterd",
            *("glusterd", "--no-daemon", "-f", str(folder / "glusterd.vol")),
            *("-l", str(folder / "glusterd.log"), "-p", str(folder / "glusterd.pid")),
        )
        self.cleanup.callback(self._end_brick)
        wait_until(self._answers, "glusterd does not answer")
        self.gluster("volume", "create", VOLUME, f"{self.host}:{self.brick}", "force")
        self.gluster("volume", "start", VOLUME)

    def _be_alone(self) -> None:
        lock = open(Path(tempfile.gettempdir()) / "lioshell-test-gluster.lock", "w")  # noqa: SIM115 - closed at the end
        self.cleanup.callback(lock.close)
        deadline = time.monotonic() + 300
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EngineError("another Gluster for tests runs on this machine") from None
                time.sleep(0.5)

    def _answers(self) -> bool:
        self.daemon_of_volumes.check()
        try:
            self.gluster("volume", "list")
        except EngineError:
            return False
        return True

    def gluster(self, *words: str) -> str:
        """Run `gluster` with some words."""
        sock = f"--glusterd-sock={self.folder}/glusterd.sock"
        return run("gluster", sock, "--mode=script", f"--log-file={self.folder}/cli.log", *words)

    def brick_pids(self) -> list[int]:
        """Return the processes of the brick; it is a daemon of its own."""
        found = []
        for path in (self.folder / "run").glob("vols/*/*.pid"):
            with contextlib.suppress(ValueError, OSError):
                pid = int(path.read_text())
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if str(self.brick).encode() in command:
                    found.append(pid)
        return found

    def kill_brick(self) -> None:
        """Kill the brick's process."""
        for pid in self.brick_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @contextlib.contextmanager
    def without_brick(self) -> Iterator[None]:
        """Kill the brick, and start it again at the end."""
        self.kill_brick()
        try:
            yield
        finally:
            # glusterd starts nothing before it has seen that the brick is gone.
            wait_until(self._brick_is_started, "the brick does not come back")

    def _brick_is_started(self) -> bool:
        self.gluster("volume", "start", VOLUME, "force")
        return bool(self.brick_pids())

    def _end_brick(self) -> None:
        self.kill_brick()
        log = str(self.brick).lstrip("/").replace("/", "-")
        (_LOGS / f"{log}.log").unlink(missing_ok=True)


def main(folder: str) -> None:
    """Run a volume until this process is told to end."""
    with GlusterVolume(Path(folder)):
        print("ready", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(sys.argv[1])
