# SPDX-License-Identifier: Apache-2.0
"""The simulated configfs: plain files to read, and the kernel's rules for every change.

`ls` and `cat` show the same below DIR/config/target. Changes of all processes come one after the
other, under a lock on DIR/lock. What the rules need is loaded at the first change: reading costs
no more than it does on a real kernel.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress

from lioshell.errors import KernelError
from lioshell.kernel.configfs import RealConfigfs
from lioshell.kernel.refusal import refusal
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lioshell.errors import LioshellError
    from lioshell.kernel.sim.faults import Faults
    from lioshell.kernel.sim.simulation import Simulation
    from lioshell.specs import Specs

_HIDDEN = ".state"
_LUN_ATTRIBUTES = frozenset(
    {"alua_tg_pt_gp", "alua_tg_pt_offline", "alua_tg_pt_status", "alua_tg_pt_write_md"}
)


class SimConfigfs(RealConfigfs):
    """The `target` folder of a simulated kernel kept in the folder `sim_root`."""

    def __init__(self, sim_root: str, specs: Specs, faults: Faults | None = None) -> None:
        super().__init__(f"{sim_root}/config")
        self._root = sim_root
        self._specs = specs
        self._faults = faults
        self._simulation: Simulation | None = None

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder."""
        return [name for name in super().listdir(path) if name != _HIDDEN]

    def is_linked(self, path: str) -> bool:
        """Tell whether a link leads to a folder."""
        with locked(self._root, shared=True):
            return bool(self._sim().links_to(path))

    def read(self, path: str) -> str:
        """Return an attribute's text without one trailing newline."""
        full = self._full(path)
        try:
            mode = os.stat(full).st_mode
        except OSError as error:
            raise refusal("read", full, error.errno or errno.ENOENT) from error
        if stat.S_ISDIR(mode):
            raise refusal("read", full, errno.EISDIR)
        if not mode & stat.S_IRUSR:
            raise refusal("read", full, errno.EACCES)
        with locked(self._root, shared=True):
            return self._shown(path)

    def _shown(self, path: str) -> str:
        """Return an attribute's text, or raise what the kernel says where it has none."""
        text = super().read(path)
        full = self._full(path)
        folder, _, name = path.rpartition("/")
        if name == "nexus" and not text:
            # tcm_loop.c, tcm_loop_tpg_nexus_show.
            raise refusal("read", full, errno.ENODEV)
        if not text and "/statistics/" in path:
            # target_core_stat.c: of a LUN without an object, of a port without a session.
            raise refusal("read", full, errno.ENODEV)
        if name in _LUN_ATTRIBUTES and not self.links(folder):
            # target_core_fabric_configfs.c, target_fabric_port_alua_*_show.
            raise refusal("read", full, errno.ENODEV)
        return text

    def values(self, path: str) -> dict[str, str]:
        """Return the texts of a folder's attributes that can be read and written, by name."""
        found = {}
        names = self._names_of_values(path)
        with locked(self._root, shared=True):
            for name in names:
                # What is not shown is left out, and what went meanwhile.
                with suppress(KernelError):
                    found[name] = self._shown(f"{path}/{name}")
        return found

    def _names_of_values(self, path: str) -> list[str]:
        full, wanted = self._full(path), stat.S_IRUSR | stat.S_IWUSR
        try:
            with os.scandir(full) as entries:
                return [
                    entry.name
                    for entry in entries
                    if entry.name != _HIDDEN
                    and entry.is_file(follow_symlinks=False)
                    and entry.stat(follow_symlinks=False).st_mode & wanted == wanted
                ]
        except OSError as error:
            raise refusal("listdir", full, error.errno or errno.ENOENT) from error

    def write(self, path: str, value: str, *, secret: bool = False) -> None:
        """Write an attribute."""
        del secret
        if len(os.fsencode(value)) > 4095:
            raise refusal("write", self._full(path), errno.E2BIG)
        self._change("write", path, lambda simulation: simulation.write(path, value))

    def mkdir(self, path: str) -> None:
        """Create an object."""
        self._change("mkdir", path, lambda simulation: simulation.mkdir(path))

    def rmdir(self, path: str) -> None:
        """Remove an object."""
        self._change("rmdir", path, lambda simulation: simulation.rmdir(path))

    def symlink(self, target: str, path: str) -> None:
        """Link the object `target` (relative to this folder) at `path`."""
        self._wait_for_answer(path, target)
        self._change("symlink", path, lambda simulation: simulation.symlink(target, path))

    def unlink(self, path: str) -> None:
        """Remove a link."""
        if os.path.islink(self._full(path)):
            self._wait_for_answer(path, self.readlink(path))
        self._change("unlink", path, lambda simulation: simulation.unlink(path))

    def _wait_for_answer(self, link: str, target: str) -> None:
        if link.startswith("loopback/"):
            from lioshell.kernel.sim.scsi_waits import wait_for_answer
            from lioshell.kernel.sim.tree import Tree

            wait_for_answer(self._root, Tree(self._root), link, target)

    def unlink_all(self, paths: Sequence[str]) -> dict[str, LioshellError]:
        """Remove links, one after the other: nothing is gained by threads here."""
        refused: dict[str, LioshellError] = {}
        for path in paths:
            try:
                self.unlink(path)
            except KernelError as error:
                refused[path] = error
        return refused

    def _change(self, operation: str, path: str, change: Callable[[Simulation], None]) -> None:
        from lioshell.kernel.sim.values import Refused

        full = self._full(path)
        if not os.path.isdir(self._location):
            raise refusal(operation, full, errno.ENOENT)
        with locked(self._root):
            fault = self._faults.check(operation, path) if self._faults else 0
            if fault:
                raise refusal(operation, full, fault)
            try:
                change(self._sim())
            except Refused as refused:
                raise refusal(operation, full, refused.errno) from None
            except OSError as error:
                raise refusal(operation, full, error.errno or errno.EIO) from error

    def _sim(self) -> Simulation:
        if self._simulation is None:
            from lioshell.kernel.sim.simulation import Simulation

            self._simulation = Simulation(self._root, self._specs)
        return self._simulation


@contextmanager
def locked(sim_root: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock under which a simulated kernel is changed, or `shared` read.

    It ends with the process at the latest. Who may only look at the folder reads without it.
    """
    import fcntl

    flags = os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT
    try:
        descriptor = os.open(f"{sim_root}/lock", flags | os.O_CLOEXEC, 0o600)
    except OSError:
        if not shared:
            raise
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
