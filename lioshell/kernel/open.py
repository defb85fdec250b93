# SPDX-License-Identifier: Apache-2.0
"""Putting a kernel's ports together: the running one, or a simulated one kept in a folder."""

from __future__ import annotations

from lioshell.kernel.ports import Kernel
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.ports import UioCloseWatch, UioDevice, UioHandle, UioPort, UioWatch
    from lioshell.specs import Specs

CONFIGFS_ROOT = "/sys/kernel/config"
RUN_DIR = "/run/lioshell"


def open_real(configfs_root: str = CONFIGFS_ROOT, *, run_dir: str = RUN_DIR) -> Kernel:
    """Return the running kernel; nothing is mounted or loaded before `system.prepare()`."""
    from lioshell.kernel.configfs import RealConfigfs
    from lioshell.kernel.system import RealSystem

    return Kernel(
        configfs=RealConfigfs(configfs_root),
        uio=_LazyUio(_real_uio),
        system=RealSystem(configfs_root, run_dir=run_dir),
        simulated=False,
        run_dir=run_dir,
    )


def open_sim(folder: str, specs: Specs | None = None) -> Kernel:
    """Return the simulated kernel kept in `folder`; `system.prepare()` makes the folder.

    `specs` say which backstores and fabrics it has; by default those of lioshell.
    """
    import os

    from lioshell.kernel.sim.configfs import SimConfigfs
    from lioshell.kernel.sim.system import SimSystem

    folder = os.path.abspath(folder)
    if specs is None:
        from lioshell.specs import Specs

        specs = Specs()
    return Kernel(
        configfs=SimConfigfs(folder, specs),
        uio=_LazyUio(lambda: _sim_uio(folder)),
        system=SimSystem(folder, specs),
        simulated=True,
        run_dir=f"{folder}/run",
    )


class _LazyUio:
    """A `UioPort` that is made when it is first used: most commands never look at it."""

    def __init__(self, make: Callable[[], UioPort]) -> None:
        self._make = make
        self._port: UioPort | None = None

    def _get(self) -> UioPort:
        if self._port is None:
            self._port = self._make()
        return self._port

    def devices(self) -> list[UioDevice]:
        """List the TCMU devices that are configured now."""
        return self._get().devices()

    def open(self, device: UioDevice) -> UioHandle:
        """Open and map a device."""
        return self._get().open(device)

    def is_open(self, device: UioDevice) -> bool:
        """Tell whether some process serves a device."""
        return self._get().is_open(device)

    def watch(self) -> UioWatch:
        """Start watching for devices that appear or vanish."""
        return self._get().watch()

    def watch_close(self) -> UioCloseWatch:
        """Start watching for devices that another process gives up."""
        return self._get().watch_close()

    def reset_netlink(self) -> None:
        """Fail what waits in the kernel for a daemon's answer."""
        self._get().reset_netlink()


def _real_uio() -> UioPort:
    from lioshell.kernel.uio import RealUio

    return RealUio()


def _sim_uio(folder: str) -> UioPort:
    from lioshell.kernel.sim.uio import SimUio

    return SimUio(folder)
