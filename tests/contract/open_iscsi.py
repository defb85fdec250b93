# SPDX-License-Identifier: Apache-2.0
"""Initiators of this machine's own open-iscsi, each with a name of its own."""

from __future__ import annotations

import os
import subprocess

PORTAL = "127.0.0.1:23260"
_REFUSED = (19, 24)
"""iscsiadm's exit codes of a login that the target refused: not found or busy, no authorisation."""

_SETTINGS = {
    # The disks of a session are not what is asked for, and each would add commands.
    "node.session.scan": "manual",
    "node.session.initial_login_retry_max": "1",
    "node.conn[0].timeo.login_timeout": "20",
}


class OpenIscsi:
    """iscsid and iscsiadm; both of the packages of the virtual machine."""

    def __init__(self) -> None:
        self._started = False

    def login(self, initiator: str, target: str, user: str = "", password: str = "") -> bool:
        """Log an initiator in; False: the target refused."""
        self._start()
        interface = _interface(initiator)
        node = ("-m", "node", "-T", target, "-p", PORTAL, "-I", interface)
        if interface not in _output("-m", "iface"):
            _output("-m", "iface", "-I", interface, "-o", "new")
            name = ("-n", "iface.initiatorname", "-v", initiator)
            _output("-m", "iface", "-I", interface, "-o", "update", *name)
        _output(*node, "-o", "new")
        settings = dict(_SETTINGS)
        settings["node.session.auth.authmethod"] = "CHAP" if user else "None"
        if user:
            settings["node.session.auth.username"] = user
            settings["node.session.auth.password"] = password
        for name, value in settings.items():
            _output(*node, "-o", "update", "-n", name, "-v", value)
        done = _run(*node, "--login")
        if done.returncode not in (0, *_REFUSED):
            raise AssertionError(f"iscsiadm --login: {done.returncode} {done.stderr}")
        return done.returncode == 0

    def logout(self, initiator: str, target: str) -> None:
        """End a session and forget the node."""
        node = ("-m", "node", "-T", target, "-p", PORTAL, "-I", _interface(initiator))
        _run(*node, "--logout")
        _run(*node, "-o", "delete")

    def _start(self) -> None:
        if self._started:
            return
        os.makedirs("/run/lock/iscsi", exist_ok=True)
        subprocess.run(["modprobe", "iscsi_tcp"], check=True)
        if subprocess.run(["pidof", "iscsid"], capture_output=True, check=False).returncode:
            subprocess.run(["iscsid"], check=True)
        self._started = True


def _interface(initiator: str) -> str:
    return "i" + "".join(c for c in initiator.rpartition(":")[2] if c.isalnum())


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["iscsiadm", *words], capture_output=True, text=True, check=False)


def _output(*words: str) -> str:
    done = _run(*words)
    if done.returncode:
        raise AssertionError(f"iscsiadm {' '.join(words)}: {done.stderr}")
    return done.stdout
