# SPDX-License-Identifier: Apache-2.0
"""A connection to a Ceph cluster and one of its pools, made in bounded time."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os

from lioshell.errors import LioshellError, NotFoundError, RunnerError
from lioshell.runner.handlers.ceph.library import check, load
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final, Self

    from lioshell.runner.handlers.ceph.name import ImageName

CONNECT_TIMEOUT_S: Final = 10
"""How long the monitors may take to answer."""
OPERATION_TIMEOUT_S: Final = 15
"""How long the OSDs may take for each step of opening, making or resizing an image."""
CLOSE_TIMEOUT_S: Final = 5
"""The same for closing one: what is not told to the cluster then ends with the connection."""

_LIVE: Final[set[str]] = set()
"""The addresses of the clients of this process."""

_SETTINGS: Final = {
    # A write is answered when it is in the cluster: librbd's cache would lose what was acknowledged
    # with this process.
    "rbd_cache": "false",
    # Who takes a dead owner's lock has the cluster refuse what that one may still send.
    "rbd_blocklist_on_break_lock": "true",
    # What goes wrong is told as an error; the terminal is the shell's.
    "log_to_stderr": "false",
    "err_to_stderr": "false",
}


class Cluster:
    """A client of a cluster with an I/O context on a pool; `close` ends it.

    Raises NotFoundError (no such pool or configuration file), HostError (no library) or
    RunnerError (nobody answers in time, no permission).
    """

    def __init__(self, name: ImageName) -> None:
        self.name = name
        self._rados = load().rados
        self._cluster = ctypes.c_void_p()
        self.ioctx = ctypes.c_void_p()
        rados = self._rados
        user = name.user or "admin"
        with self.failures("reach"):
            check(rados.rados_create(ctypes.byref(self._cluster), user.encode()), "rados_create")
            try:
                self._configure()
                check(rados.rados_connect(self._cluster), f"connecting as client.{user}")
                self.address = self._address()
                """The address that this client has in locks and watches."""
                self._open_pool()
                _LIVE.add(self.address)
            except BaseException:
                rados.rados_shutdown(self._cluster)
                raise

    def _configure(self) -> None:
        name = self.name
        path = name.conf or None
        result = self._rados.rados_conf_read_file(
            self._cluster, None if path is None else os.fsencode(path)
        )
        if result == -errno.ENOENT:
            raise NotFoundError(
                f"There is no configuration file of Ceph{f', {path}' if path else ''}",
                hint="Copy /etc/ceph/ceph.conf from the cluster, or name a file: ;conf=/PATH",
                path=path or "/etc/ceph/ceph.conf",
            )
        check(result, f"reading {path or 'the configuration of Ceph'}")
        for option, value in _SETTINGS.items():
            self.set(option, value)
        for option in ("client_mount_timeout", "rados_mon_op_timeout"):
            self.set(option, str(CONNECT_TIMEOUT_S))
        self.wait_for_osds(OPERATION_TIMEOUT_S)
        if name.keyring:
            if not os.access(name.keyring, os.R_OK):
                raise NotFoundError(
                    f"The keyring {name.keyring} cannot be read",
                    hint=f"Make it: ceph auth get client.{name.user or 'admin'}",
                    path=name.keyring,
                )
            self.set("keyring", name.keyring)

    def _open_pool(self) -> None:
        name = self.name
        result = self._rados.rados_ioctx_create(
            self._cluster, name.pool.encode(), ctypes.byref(self.ioctx)
        )
        if result == -errno.ENOENT:
            raise NotFoundError(
                f"There is no pool {name.pool!r} in the cluster",
                hint=f"Make it: ceph osd pool create {name.pool} && rbd pool init {name.pool}",
            )
        check(result, f"opening the pool {name.pool}")
        self._rados.rados_ioctx_set_namespace(self.ioctx, name.namespace.encode())

    def set(self, option: str, value: str) -> None:
        """Give an option of the client another value. Raises OSError."""
        result = self._rados.rados_conf_set(self._cluster, option.encode(), value.encode())
        if result != -errno.ENOENT:  # an option that only other releases have
            check(result, f"setting {option}")

    def wait_for_osds(self, seconds: int) -> None:
        """Let operations on objects fail after so long, 0: let them wait. Raises OSError."""
        self.set("rados_osd_op_timeout", str(seconds))

    def is_of_this_process(self, address: str) -> bool:
        """Tell whether a client of this process that is not closed has an address."""
        return address in _LIVE

    def _address(self) -> str:
        text = ctypes.c_char_p()
        check(self._rados.rados_getaddrs(self._cluster, ctypes.byref(text)), "rados_getaddrs")
        try:
            return (text.value or b"").decode()
        finally:
            self._rados.rados_buffer_free(text)

    def health(self) -> str:
        """Return what the monitors say of the cluster, as in HEALTH_OK. Raises OSError."""
        command = (ctypes.c_char_p * 1)(b'{"prefix": "health", "format": "json"}')
        out, told = ctypes.c_void_p(), ctypes.c_void_p()
        out_size, told_size = ctypes.c_size_t(), ctypes.c_size_t()
        check(
            self._rados.rados_mon_command(
                *(self._cluster, command, 1, None, 0, ctypes.byref(out), ctypes.byref(out_size)),
                *(ctypes.byref(told), ctypes.byref(told_size)),
            ),
            "asking for the health of the cluster",
        )
        try:
            answer = json.loads(ctypes.string_at(out, out_size.value))
        except ValueError as error:
            raise OSError(errno.EPROTO, "the monitors' answer is no JSON") from error
        finally:
            self._rados.rados_buffer_free(out)
            self._rados.rados_buffer_free(told)
        checks = ", ".join(sorted(answer.get("checks", ())))
        return f"{answer.get('status', 'unknown')}{f' ({checks})' if checks else ''}"

    @contextlib.contextmanager
    def failures(self, verb: str) -> Iterator[None]:
        """Turn what librados and librbd report into LioshellErrors about the image."""
        try:
            yield
        except OSError as error:
            raise self.failure(verb, error) from error

    def failure(self, verb: str, error: OSError) -> LioshellError:
        """Return the error that a failed operation is for the user."""
        name = self.name
        message = f"Cannot {verb} rbd/{name}: {error.strerror}"
        if error.errno == errno.ETIMEDOUT:
            return RunnerError(
                f"Cannot {verb} rbd/{name}: the cluster does not answer",
                hint=f"Look how it does: {name.command.replace('rbd', 'ceph', 1)} status",
            )
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOKEY):
            user = name.user or "admin"
            return RunnerError(
                message,
                hint=f"client.{user} needs a keyring here, and: ceph auth caps client.{user} "
                f"mon 'profile rbd' osd 'profile rbd pool={name.pool}'",
            )
        if error.errno == errno.ESHUTDOWN:
            return RunnerError(
                f"Cannot {verb} rbd/{name}: the cluster has put this client on its blocklist",
                hint="Another machine has taken the image; end that, then: repair",
            )
        return RunnerError(message, hint=f"See what it says of: {name.command} info {name}")

    def close(self) -> None:
        """End the connection."""
        cluster, self._cluster = self._cluster, ctypes.c_void_p()
        if cluster.value:
            self._rados.rados_ioctx_destroy(self.ioctx)
            self._rados.rados_shutdown(cluster)
            _LIVE.discard(self.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
