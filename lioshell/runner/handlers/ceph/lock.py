# SPDX-License-Identifier: Apache-2.0
"""Whose an image is: taking its exclusive lock, and telling a dead owner from a living one.

librbd's lock is a polite one: asked for it, its owner gives it up, and a virtual machine that has
the image open would go on without. So nobody is asked here. The lock is taken when it is free, and
taken away when its owner is dead; that one's address is put on the cluster's blocklist before, so
that nothing which it sent arrives later.

Dead is who does not watch the image any more, which the cluster finds out half a minute after a
client was killed. Who serves an image writes down which process that is, in the metadata of the
image; whoever comes next on the same machine need not wait that long.
"""

from __future__ import annotations

import json
import os
import socket
import time

from lioshell.errors import ConflictError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.handlers.ceph.cluster import Cluster
    from lioshell.runner.handlers.ceph.image import Image

KEY: Final = "lioshell.owner"
"""The image's metadata that say who serves it."""
WATCH_TIMEOUT_S: Final = 35.0
"""osd_client_watch_timeout, 30 s, and a little."""

_PF_EXITING: Final = 0x4
"""include/linux/sched.h: its descriptors may be closed already, though it is still to be seen."""


def take(cluster: Cluster, image: Image, patience_s: float) -> None:
    """Take the lock, waiting `patience_s` for an owner that may be dead.

    Raises ConflictError when it is in use or the image has none, OSError.
    """
    name = cluster.name
    if not image.has_exclusive_lock():
        raise ConflictError(
            f"rbd/{name} has no exclusive lock, so two machines could write to it",
            hint=f"Type: {name.command} feature enable {name} exclusive-lock",
        )
    deadline = time.monotonic() + patience_s
    while owner := image.owner():
        record = _record(image)
        about_owner = record if record.get("address") == owner else {}
        alive = cluster.is_of_this_process(owner) or _is_alive(about_owner)
        if alive is False or owner not in image.watchers():
            image.break_lock(owner)
            continue
        if alive or time.monotonic() >= deadline:
            raise ConflictError(
                f"rbd/{name} is in use by {_describe(cluster, owner, about_owner)}",
                hint="Delete the device or end the program that uses it, or name another image.",
            )
        time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))
    try:
        image.lock()
    except OSError as error:
        raise ConflictError(
            f"rbd/{name} was taken by somebody else at this moment: {error.strerror}",
            hint="Type the command again to see by whom.",
        ) from error
    image.set_metadata(KEY, json.dumps({"address": cluster.address, **_this_process()}))


def _record(image: Image) -> dict[str, object]:
    try:
        found = json.loads(image.metadata(KEY) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _this_process() -> dict[str, object]:
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "boot": _first_line("/proc/sys/kernel/random/boot_id"),
        "pids": _pid_namespace(),
        "pid": pid,
        "started": _started(pid),
    }


def _is_alive(record: dict[str, object]) -> bool | None:
    """Tell whether the client of a record lives in another process; None: nobody can know here."""
    here = _this_process()
    pid = record.get("pid")
    # The name of a machine proves nothing: clones of a virtual machine share even its machine-id.
    if not here["boot"] or any(record.get(key) != here[key] for key in ("boot", "pids")):
        return None
    if not isinstance(pid, int):
        return None
    started = _started(pid)
    return pid != os.getpid() and bool(started) and started == record.get("started")


def _started(pid: int) -> int:
    """Return when a process was started, in clock ticks; 0: there is none, or it is ending."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(") ")[2].split()
    except OSError:
        return 0
    # proc(5): state is field 3, flags is 9, starttime 22.
    ending = fields[0] in "ZX" or int(fields[6]) & _PF_EXITING
    return 0 if ending else int(fields[19])


def _pid_namespace() -> int:
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _describe(cluster: Cluster, owner: str, record: dict[str, object]) -> str:
    if cluster.is_of_this_process(owner):
        return f"another device of this process ({os.getpid()})"
    if not record:
        return f"the client {owner}"
    return f"process {record.get('pid')} on {record.get('host')}, the client {owner}"
