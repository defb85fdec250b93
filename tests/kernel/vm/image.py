# SPDX-License-Identifier: Apache-2.0
"""The image of the virtual machine: made once for each recipe, and kept outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kernel.vm import initramfs, kernel, requirements, rootfs
from tests.kernel.vm.cache import cache_folder, prune, remove_tree, unfinished_prefix
from tests.kernel.vm.lock import FileLock
from tests.kernel.vm.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

BUILD_WAIT_S = 1200


@dataclass(frozen=True)
class Image:
    """A finished image: the kernel, its initramfs and the root disk, and what they were made of."""

    folder: Path

    @property
    def vmlinuz(self) -> Path:
        """The kernel."""
        return self.folder / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        """The first file system, which finds the disk."""
        return self.folder / "initramfs.gz"

    @property
    def disk(self) -> Path:
        """The ext4 root file system; never written to, each boot starts from it."""
        return self.folder / "root.ext4"

    def manifest(self) -> dict[str, object]:
        """The kernel's release, the packages with their versions, how long the build took."""
        loaded: dict[str, object] = json.loads((self.folder / "manifest.json").read_text("utf-8"))
        return loaded


def ensure_image(recipe: Recipe | None = None, say: Callable[[str], None] = print) -> Image:
    """The image for a recipe, from the cache or made now.

    Two runs never make one at the same time: the second waits, and then finds it in the cache.
    """
    recipe = recipe or Recipe()
    folder = cache_folder() / recipe.fingerprint()
    if not folder.exists():
        requirements.ensure_can_build()
        with FileLock(cache_folder() / "build.lock", "building an image", BUILD_WAIT_S, say):
            if not folder.exists():
                say(f"making the virtual machine image in {folder}: a minute or two, once")
                _build(recipe, folder)
            prune(keep=folder)
    os.utime(folder)
    return Image(folder)


def _build(recipe: Recipe, folder: Path) -> None:
    """Make everything in a temporary folder and give it its name when it is whole."""
    started = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix=unfinished_prefix(), dir=cache_folder()))
    # mkdtemp makes it for the owner alone; apt's own user must be able to pass through.
    work.chmod(0o755)
    try:
        root, debs, ready = work / "root", work / "debs", work / "ready"
        ready.mkdir()
        rootfs.bootstrap(recipe, root, kernel.download_hook(recipe, debs))
        unpacked = kernel.unpack(recipe, debs, work / "kernel")
        initramfs.build(unpacked, root / "bin/busybox", ready / "initramfs.gz")
        shutil.copyfile(unpacked.vmlinuz, ready / "vmlinuz")
        kernel.install_modules(unpacked, root)
        rootfs.install_python(recipe, root)
        rootfs.configure(root)
        rootfs.make_ext4(recipe, root, ready / "root.ext4")
        manifest = {
            "kernel": unpacked.release,
            "packages": rootfs.package_versions(root),
            "build_seconds": round(time.monotonic() - started, 1),
        }
        (ready / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        ready.rename(folder)
    finally:
        remove_tree(work)
