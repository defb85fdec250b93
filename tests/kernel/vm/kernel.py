# SPDX-License-Identifier: Apache-2.0
"""Debian's own kernel: fetched with the package manager of the new root, unpacked, never installed.

An installed kernel package would bring initramfs-tools and a boot loader with it, which take longer
than everything else and are of no use here.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.kernel.vm.command import run_step
from tests.kernel.vm.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.vm.recipe import Recipe

# Run by mmdebstrap on the host, with its apt settings: mirror, keys, proxies.
# The package asked for is an empty one that depends on the kernel of the day.
DOWNLOAD_HOOK = """set -e
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
mkdir -p {debs}
cd {debs}
real=$(apt-cache depends --important {package} |
    sed -n 's/^ *Depends: \\(linux-image-[0-9].*\\)/\\1/p')
apt-get download -q -o APT::Sandbox::User=root "${{real:-{package}}}"
"""


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel: its release, the file to boot, and the folder of its modules."""

    release: str
    vmlinuz: Path
    modules: Path

    def module(self, name: str) -> Path:
        """The file of one module, by its name in `lsmod` or in the file system."""
        names = {f"{name.replace('_', '-')}.ko", f"{name.replace('-', '_')}.ko"}
        found = [path for path in self.modules.rglob("*.ko") if path.name in names]
        if not found:
            raise BuildError(f"the kernel {self.release} has no module {name}")
        return found[0]


def download_hook(recipe: Recipe, debs: Path) -> str:
    """The text for `mmdebstrap --customize-hook` that puts the kernel's .deb into a folder."""
    return DOWNLOAD_HOOK.format(package=recipe.kernel_package, debs=debs)


def unpack(recipe: Recipe, debs: Path, into: Path) -> Kernel:
    """Unpack the one kernel package of a folder, without the modules that are left out."""
    packages = sorted(debs.glob("linux-image-*.deb"))
    if len(packages) != 1:
        raise BuildError(f"expected one kernel package, found {len(packages)}")
    run_step(["dpkg-deb", "-x", str(packages[0]), str(into)], "unpacking the kernel")
    vmlinuz = next((into / "boot").glob("vmlinuz-*"))
    release = vmlinuz.name.removeprefix("vmlinuz-")
    modules = next(path for path in into.rglob("modules/*") if path.name == release)
    for folder in recipe.left_out_modules:
        shutil.rmtree(modules / "kernel" / folder, ignore_errors=True)
    return Kernel(release, vmlinuz, modules)


def install_modules(kernel: Kernel, root: Path) -> None:
    """Move the modules into a root file system and index them there, for modprobe."""
    target = root / "usr/lib/modules" / kernel.release
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(kernel.modules, target)
    run_step(["chroot", str(root), "depmod", kernel.release], "indexing the kernel's modules")
