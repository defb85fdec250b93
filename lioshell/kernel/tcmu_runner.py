# SPDX-License-Identifier: Apache-2.0
"""A tcmu-runner on this machine: whether it runs, and which subtypes it has registered on D-Bus.

It is never started by a question. That it runs is told by the lock on /run/tcmu.lock, an fcntl(2)
lock (main.c); only then is it asked, with whatever client of D-Bus the machine has. Its objects are
/org/kernel/TCMUService1/SUBTYPE, one for each handler, below an ObjectManager.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import time

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

LOCK: Final = "/run/tcmu.lock"
_NAME: Final = "org.kernel.TCMUService1"
_PATH: Final = "/org/kernel/TCMUService1"
_TIMEOUT_S: Final = 3.0
_KNOWN_S: Final = 5.0
"""How long an answer is believed: external handlers may come and go while it runs."""
_SUBTYPE: Final = re.compile(rf'"{_PATH}/([A-Za-z0-9_]+)"')
_FLOCK: Final = struct.Struct("hhqqi4x")
"""struct flock of fcntl(2) where long has 8 bytes."""


class TcmuRunner:
    """Asks the tcmu-runner of this machine; `lock` is the file that it locks."""

    def __init__(self, lock: str = LOCK) -> None:
        self._lock = lock
        self._known: tuple[int, float, frozenset[str]] = (0, 0.0, frozenset())

    def process(self) -> int:
        """Return the process that runs, 0 for none, or where only root can tell."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, wanted))
        except OSError:
            # A file system without such locks: nobody can hold one.
            return 0
        finally:
            os.close(descriptor)
        return 0 if kind == fcntl.F_UNLCK else int(pid)

    def subtypes(self) -> frozenset[str]:
        """Return the subtypes that it has registered; none where it does not run or answer."""
        pid = self.process()
        if not pid:
            return frozenset()
        known, at, subtypes = self._known
        if known != pid or time.monotonic() - at > _KNOWN_S:
            told = _call(_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
            subtypes = frozenset(_SUBTYPE.findall(told)) - {"HandlerManager1"}
            self._known = (pid, time.monotonic(), subtypes)
        return subtypes

    def problem(self, subtype: str, config: str) -> str:
        """Return what a handler says of a configuration, "" where it takes it or says nothing."""
        told = _call(f"{_PATH}/{subtype}", _NAME, "CheckConfig", f"{subtype}/{config}")
        if "false" not in told:
            return ""
        quoted = re.findall(r'"([^"]*)"', told)
        return quoted[-1] if quoted and quoted[-1] else "the configuration is not valid"


def _call(path: str, interface: str, method: str, *texts: str) -> str:
    """Call a method of tcmu-runner and return the answer as its client prints it, or ""."""
    import shutil
    import subprocess

    if shutil.which("busctl"):
        signature = [str("s" * len(texts)), *texts] if texts else []
        # fmt: off
        command = ["busctl", "--system", "--auto-start=no", f"--timeout={_TIMEOUT_S:g}", "call",
                   _NAME, path, interface, method, *signature]
        # fmt: on
    elif shutil.which("dbus-send"):
        options = ["--system", "--print-reply", f"--reply-timeout={_TIMEOUT_S * 1000:.0f}"]
        words = [f"--dest={_NAME}", path, f"{interface}.{method}"]
        command = ["dbus-send", *options, *words, *(f"string:{text}" for text in texts)]
    else:
        return ""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S + 1,
        )
    except (OSError, subprocess.TimeoutExpired):
        # It hangs, or has gone: then it has registered nothing that we could leave to it.
        return ""
    return done.stdout if done.returncode == 0 else ""
