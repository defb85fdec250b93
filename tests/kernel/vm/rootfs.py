# SPDX-License-Identifier: Apache-2.0
"""The guest's root file system: Debian, Python libraries, a few files; then an image of it."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from tests.kernel.vm.command import run_step
from tests.kernel.vm.recipe import HERE, Recipe

if TYPE_CHECKING:
    from pathlib import Path

HOSTNAME = "lioshell-vm"
INITIATOR = "iqn.2003-01.org.linux-iscsi.lioshell-vm:initiator"
MIB = 1 << 20

FILES = {
    "etc/hostname": f"{HOSTNAME}\n",
    "etc/hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost ip6-localhost\n",
    "etc/iscsi/initiatorname.iscsi": f"InitiatorName={INITIATOR}\n",
    # Used where the machine is booted with systemd; guest_init.sh does the same without it.
    "etc/systemd/system/lioshell-agent.service": """[Unit]
Description=The agent of the tests
DefaultDependencies=no
After=systemd-udevd.service

[Service]
ExecStartPre=/sbin/modprobe -a virtio_console 9pnet_virtio 9p
ExecStartPre=/bin/mkdir -p /share
ExecStartPre=/bin/mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none share /share
ExecStart=/usr/bin/python3 -I -S /share/.harness/agent.py
KillMode=process
OOMScoreAdjust=-1000
""",
    # Every boot would otherwise be given a new one, and a first-boot mark with it.
    "etc/machine-id": "4c494f7368656c6c0000000000000001\n",
}

# Services that Debian starts at boot, where an init is chosen that does so: here they come up when
# a test says so, and never take the target or the ring of a test away from it.
NOT_AT_BOOT = ("iscsi", "open-iscsi", "rtslib-fb-targetctl", "target.service", "tcmu-runner")

# Documentation and translations, which no test reads: half of the files of a small Debian.
WITHOUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def bootstrap(recipe: Recipe, root: Path, hook: str) -> None:
    """Install Debian into an empty folder; the hook runs when its package manager works."""
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(recipe.packages)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in WITHOUT),
        f"--customize-hook={hook}",
        recipe.suite,
        str(root),
    ]
    if recipe.mirror:
        command.append(recipe.mirror)
    run_step(command, "installing Debian for the guest")


def install_python(recipe: Recipe, root: Path) -> None:
    """Put the libraries into the guest's own Python, as byte code too.

    Only ready-made wheels for the guest's Python are taken, as the host's may be another one.
    """
    target = root / f"usr/local/lib/python{recipe.python_version}/dist-packages"
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--upgrade"),
        *("--disable-pip-version-check", "--root-user-action=ignore", "--no-warn-conflicts"),
        *("--only-binary=:all:", "--implementation=cp"),
        f"--python-version={recipe.python_version}",
        *(f"--platform={name}_x86_64" for name in ("manylinux2014", "manylinux_2_28")),
        f"--target={target}",
        *recipe.python_packages,
    ]
    run_step(command, "downloading the Python libraries for the guest")
    shutil.rmtree(target / "bin", ignore_errors=True)
    inside = f"/{target.relative_to(root)}"
    run_step(
        ["chroot", str(root), "python3", "-m", "compileall", "-q", inside],
        "compiling the Python libraries for the guest",
    )


def configure(root: Path) -> None:
    """Write the files that make a bare Debian this guest, its init among them."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Debian makes the initiator's name readable by root only.
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    init = root / "usr/local/sbin/guest-init"
    shutil.copyfile(HERE / "guest_init.sh", init)
    init.chmod(0o755)
    wanted = root / "etc/systemd/system/sysinit.target.wants/lioshell-agent.service"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.symlink_to("../lioshell-agent.service")
    # The links lead nowhere on the host, where a pattern without "*" at its end would miss them.
    for pattern in ("systemd/system/*.wants/*", "rc?.d/S*"):
        for started in (root / "etc").glob(pattern):
            if started.name.lstrip("S0123456789").startswith(NOT_AT_BOOT):
                started.unlink()
    # What the host's resolver is has no meaning in a guest without a network.
    (root / "etc/resolv.conf").unlink(missing_ok=True)


def make_ext4(recipe: Recipe, root: Path, image: Path) -> None:
    """Make a sparse ext4 image of a folder, with room for the files of the tests."""
    size = _disk_usage(root) * 11 // 10 + recipe.free_space_mib * MIB
    with image.open("wb") as file:
        file.truncate(size)
    # No lazy initialisation: it would run in the guest, at every boot.
    options = "lazy_itable_init=0,lazy_journal_init=0"
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-E", options, "-d", str(root)]
    run_step([*command, str(image)], "making the ext4 image of the guest")


def package_versions(root: Path) -> dict[str, str]:
    """The Debian packages of a root file system with their versions."""
    query = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W"]
    listed = run_step([*query, "-f", "${Package} ${Version}\\n"], "listing the guest's packages")
    lines = listed.splitlines()
    return dict(line.split(" ", 1) for line in lines)


def _disk_usage(root: Path) -> int:
    """The bytes that a tree takes in blocks of 4 KiB, folders included."""
    total = 0
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            size = os.lstat(os.path.join(folder, name)).st_size
            total += -(-size // 4096) * 4096
    return total
