# SPDX-License-Identifier: Apache-2.0
"""What goes into the image: a Debian suite, packages, Python libraries; and the hash of it all."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[2]

BUILDERS = ("initramfs.py", "kernel.py", "recipe.py", "rootfs.py", "guest_init.sh", "initramfs.sh")
"""The files of this folder that decide what an image holds: a change to one makes a new image."""

DEBIAN_PACKAGES = (
    "busybox-static",
    "dbus",
    "dmsetup",
    "e2fsprogs",
    "fio",
    "genisoimage",
    "glusterfs-server",
    "iproute2",
    "kmod",
    "libiscsi-bin",
    "lsscsi",
    "open-iscsi",
    "procps",
    "python3",
    "python3-rtslib-fb",
    "qemu-utils",
    "sg3-utils",
    "strace",
    "systemd",
    "targetcli-fb",
    "tcmu-runner",
    "udev",
    "util-linux",
)

# What the guest's Python has even where pyproject.toml asks for none of it.
PYTHON_PACKAGES = ("configshell-fb", "prompt_toolkit", "pytest", "pyyaml", "rich")

# Folders of kernel modules that no test of a storage target can need; a third of the image.
LEFT_OUT_MODULES = (
    "drivers/gpu",
    "drivers/media",
    "drivers/net/wireless",
    "sound",
)


def python_requirements(pyproject: Path = CHECKOUT / "pyproject.toml") -> tuple[str, ...]:
    """What the project and its tests ask of Python, so that both run in the guest as they are."""
    if not pyproject.exists():
        return PYTHON_PACKAGES
    with pyproject.open("rb") as file:
        settings = tomllib.load(file)
    asked = settings.get("project", {}).get("dependencies", [])
    # Entries that are no text include other groups.
    group = settings.get("dependency-groups", {}).get("tests", [])
    return tuple(sorted({*PYTHON_PACKAGES, *asked, *(e for e in group if isinstance(e, str))}))


@dataclass(frozen=True)
class Recipe:
    """Everything that an image is made of, by name.

    `mirror` is empty for what mmdebstrap takes by itself, Debian's own with its security updates.
    """

    suite: str = "bookworm"
    mirror: str = field(default_factory=lambda: os.environ.get("LIOSHELL_VM_MIRROR", ""))
    kernel_package: str = "linux-image-amd64"
    packages: tuple[str, ...] = DEBIAN_PACKAGES
    python_packages: tuple[str, ...] = field(default_factory=python_requirements)
    python_version: str = "3.11"
    left_out_modules: tuple[str, ...] = LEFT_OUT_MODULES
    free_space_mib: int = 2048

    def fingerprint(self) -> str:
        """A short hash of this recipe and of the code and scripts that carry it out."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        for name in sorted(BUILDERS):
            digest.update(name.encode() + b"\0" + (HERE / name).read_bytes() + b"\0")
        return digest.hexdigest()[:16]
