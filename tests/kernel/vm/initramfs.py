# SPDX-License-Identifier: Apache-2.0
"""The 2 MB initramfs: busybox, the modules between the kernel and its root disk, one script."""

from __future__ import annotations

import gzip
import stat
from typing import TYPE_CHECKING

from tests.kernel.vm.recipe import HERE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.vm.kernel import Kernel

MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
    "crc16",
    "mbcache",
    "crc32c_generic",
    "jbd2",
    "ext4",
)
"""In the order of insertion: busybox's insmod does not look up what a module needs."""

FOLDERS = ("bin", "dev", "lib", "proc", "sys", "newroot")


def build(kernel: Kernel, busybox: Path, target: Path) -> None:
    """Write the initramfs that mounts /dev/vda and runs the init of the root file system."""
    archive = CpioArchive()
    for folder in FOLDERS:
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes())
    for name in MODULES:
        archive.add(f"lib/{name}.ko", stat.S_IFREG | 0o644, kernel.module(name).read_bytes())
    archive.add("lib/order", stat.S_IFREG | 0o644, "".join(f"{n}\n" for n in MODULES).encode())
    archive.add("init", stat.S_IFREG | 0o755, (HERE / "initramfs.sh").read_bytes())
    target.write_bytes(gzip.compress(archive.finish(), compresslevel=6))


class CpioArchive:
    """A cpio archive of the "newc" kind, which is what the kernel unpacks at boot."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._inode = 0

    def add(self, name: str, mode: int, content: bytes = b"") -> None:
        """Append one file or folder, owned by root."""
        self._inode += 1
        encoded = name.encode() + b"\0"
        numbers = (
            self._inode,
            mode,
            0,  # uid
            0,  # gid
            1,  # links
            0,  # mtime: the same input gives the same archive
            len(content),
            *(0, 0, 0, 0),  # device of the file, device that it stands for
            len(encoded),
            0,  # checksum, of another kind of archive
        )
        header = b"070701" + b"".join(b"%08X" % number for number in numbers)
        self._parts += [_padded(header + encoded), _padded(content)]

    def finish(self) -> bytes:
        """The whole archive, closed by its end mark."""
        self.add("TRAILER!!!", 0)
        return b"".join(self._parts)


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)
