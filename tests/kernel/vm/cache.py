# SPDX-License-Identifier: Apache-2.0
"""Where images are kept between runs, and which of them are thrown away."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT_IMAGES = 2
"""This branch's image and the last other one: switching between two branches builds nothing."""

_UNFINISHED = "unfinished-"
_RUN = "run-"


def cache_folder() -> Path:
    """The folder of all images and locks, made if it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "lioshell" / "kernel-vm"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def unfinished_prefix() -> str:
    """How the name of a folder begins in which an image is being made."""
    return _UNFINISHED


@contextmanager
def run_folder() -> Iterator[Path]:
    """A folder for one run of the virtual machine; the lock for running it must be held.

    What a killed run has left is removed first: with the lock in hand nobody else has one.
    """
    for left in cache_folder().glob(f"{_RUN}*"):
        remove_tree(left)
    folder = Path(tempfile.mkdtemp(prefix=_RUN, dir=cache_folder()))
    try:
        yield folder
    finally:
        remove_tree(folder)


def prune(keep: Path) -> None:
    """Remove images not used lately, and what a killed build left; the build lock must be held."""
    folders = [path for path in cache_folder().iterdir() if path.is_dir() and path != keep]
    unfinished = [path for path in folders if path.name.startswith(_UNFINISHED)]
    images = [path for path in folders if (path / "root.ext4").exists()]
    images.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    # A machine that runs from a removed image goes on: QEMU has the files open.
    for path in (*unfinished, *images[KEPT_IMAGES - 1 :]):
        remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a folder, but nothing that is mounted below it.

    A build that was killed may leave the host's /dev mounted in its root: hence not shutil.rmtree.
    """
    subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=False)
