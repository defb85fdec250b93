# SPDX-License-Identifier: Apache-2.0
"""Which programs the virtual machine needs on the host, and how a host without them gets them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.kernel.vm.errors import VmUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

TO_BOOT: Mapping[str, str] = {
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
}
"""Program -> Debian package, for a boot from an image that is there."""

TO_BUILD: Mapping[str, str] = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "dpkg-deb": "dpkg",
    "chroot": "coreutils",
}
"""Program -> Debian package, for making an image."""

# The keys that bookworm is signed with; a derivative of Debian may not have them.
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
KEYRING_PACKAGE = "debian-archive-keyring"

INSTALL_TIMEOUT_S = 600
_ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def program(name: str) -> str | None:
    """The full path of a program, looked for in the administrator's folders as well."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=f"{path}:{_ADMIN_PATH}")


def missing_packages(programs: Mapping[str, str]) -> list[str]:
    """The Debian packages to install so that every one of these programs is there."""
    return sorted({package for name, package in programs.items() if program(name) is None})


def ensure_can_boot() -> None:
    """Make sure that an existing image can be booted, or say in one line why not."""
    _install(missing_packages(TO_BOOT))


def ensure_can_build() -> None:
    """Make sure that an image can be made, or say in one line why not.

    Root is needed because a root file system has files of many owners; nothing outside the
    cache is written.
    """
    packages = missing_packages(TO_BUILD)
    if not os.path.exists(KEYRING):
        packages.append(KEYRING_PACKAGE)
    _install(packages)
    if os.geteuid() != 0:
        raise VmUnavailable("there is no virtual machine image yet, and making one needs root")
    if importlib.util.find_spec("pip") is None:
        raise VmUnavailable(
            "making the virtual machine image needs pip in this Python", "python3 -m ensurepip"
        )


def ensure_headers(kernel_release: str) -> str:
    """Return the folder of a kernel's headers, with a compiler beside them; or say why not."""
    folder = f"/usr/src/linux-headers-{kernel_release}"
    packages = missing_packages({"gcc": "gcc", "make": "make"})
    if not os.path.isdir(folder):
        packages.append(f"linux-headers-{kernel_release}")
    _install(packages)
    return folder


def _install(packages: list[str]) -> None:
    """Install Debian packages where that is possible, which is as root on a machine with apt."""
    if not packages:
        return
    names = " ".join(packages)
    if program("apt-get") is None:
        raise VmUnavailable(f"missing for the virtual machine: {names}; this machine has no apt")
    if os.geteuid() != 0:
        raise VmUnavailable(f"missing for the virtual machine: {names}", f"apt-get install {names}")
    command = [
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=300",
        "install",
        "-y",
        "-q",
        "--no-install-recommends",
        *packages,
    ]
    if not _succeeds(command):
        # The package lists of a fresh machine or container are often empty or old.
        _succeeds(["apt-get", "update", "-q"])
        if not _succeeds(command):
            raise VmUnavailable(f"apt-get could not install: {names}", f"apt-get install {names}")


def _succeeds(command: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
