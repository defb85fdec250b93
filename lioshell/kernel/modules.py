# SPDX-License-Identifier: Apache-2.0
"""Loading kernel modules with modprobe, which knows their dependencies and the machine's policy."""

from __future__ import annotations

import os

from lioshell.errors import HostError

_TIMEOUT_S = 60.0


def load_module(
    module: str, *, sysfs_root: str = "/sys", modules_root: str = "/lib/modules"
) -> None:
    """Load a kernel module; one that is loaded or built in is fine.

    Raises HostError: not root, no such module, no modprobe, or refused.
    """
    if is_loaded(module, sysfs_root=sysfs_root, modules_root=modules_root):
        return
    if os.geteuid() != 0:
        raise HostError(
            f"The kernel module {module} is not loaded, and only root can load it",
            hint="Run it as root, or try the simulated kernel with: lioshell --sim",
        )
    import subprocess

    try:
        done = subprocess.run(
            ["modprobe", "--", module],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise HostError(
            f"The kernel module {module} is not loaded, and there is no modprobe to load it",
            hint="Install the package kmod.",
        ) from None
    except subprocess.TimeoutExpired:
        raise HostError(
            f"modprobe {module} did not end within {_TIMEOUT_S:g} s",
            hint="Look at: dmesg | tail",
        ) from None
    if done.returncode == 0:
        return
    lines = done.stderr.strip().splitlines()
    reason = lines[-1].removeprefix("modprobe: ") if lines else f"exit code {done.returncode}"
    if "not found" in reason:
        raise HostError(
            f"This kernel ({os.uname().release}) has no module {module}",
            hint="Install the kernel's extra modules, or boot a kernel that has LIO.",
        )
    raise HostError(
        f"The kernel module {module} cannot be loaded: {reason}",
        hint="Look at: dmesg | tail",
    )


def is_loaded(module: str, *, sysfs_root: str = "/sys", modules_root: str = "/lib/modules") -> bool:
    """Tell whether a module is loaded or built into the kernel.

    A module that is built in has a folder in /sys/module only if it has parameters; modules.builtin
    has them all.
    """
    name = module.replace("-", "_")
    if os.path.isdir(f"{sysfs_root}/module/{name}"):
        return True
    try:
        with open(f"{modules_root}/{os.uname().release}/modules.builtin", encoding="utf-8") as file:
            return any(
                os.path.basename(line.strip()).removesuffix(".ko").replace("-", "_") == name
                for line in file
            )
    except OSError:
        # A machine without modules has no such file (a container, a monolithic kernel).
        return False
