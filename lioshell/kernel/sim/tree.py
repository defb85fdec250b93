# SPDX-License-Identifier: Apache-2.0
"""The plain files of the simulated configfs: reading and changing them, without any rules.

An object appears and goes by one rename, and a text changes by one write within a page, so that
the next start after a crash sees each of them whole, old or new. Changes are made by one process
at a time (`SimConfigfs` holds the lock), therefore fixed names in the folder for unfinished work.
"""

from __future__ import annotations

import os

from lioshell.kernel.sim.shared_texts import WORTH_SHARING_BYTES, SharedTexts
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lioshell.kernel.sim.schema import Group, Made

_PAGE_BYTES = 4096
STATE = ".state"
"""A file beside the attributes: what the kernel knows of an object and no attribute shows."""


class Tree:
    """The folder DIR/config/target; paths are relative to it, as in `ConfigfsPort`."""

    def __init__(self, sim_root: str) -> None:
        self.base = f"{sim_root}/config/target"
        self._work = f"{sim_root}/work"
        self._shared = SharedTexts(f"{sim_root}/texts")

    def full(self, path: str) -> str:
        """Return the absolute path."""
        return f"{self.base}/{path}" if path else self.base

    def text(self, path: str) -> str:
        """Return an attribute's text as it is, its newline included."""
        return os.fsdecode(_read(self.full(path)).rstrip(b"\0"))

    def value(self, path: str) -> str:
        """Return an attribute's text without its newline."""
        return self.text(path).removesuffix("\n")

    def put(self, path: str, text: str) -> None:
        """Replace an attribute's text; nothing is written where it stays the same."""
        full = self.full(path)
        data = os.fsencode(text)
        old = _read(full)
        if old == data:
            return
        self._change(full, data, len(old))

    def fill(self, path: str, text: str) -> None:
        """Give a short text to a file with a shorter one, or make it empty; it is not read."""
        self._change(self.full(path), os.fsencode(text), 0 if text else _PAGE_BYTES)

    def _change(self, full: str, data: bytes, old_length: int) -> None:
        status = os.stat(full)
        # A text that others share is left to them.
        if status.st_nlink == 1 and max(old_length, len(data)) <= _PAGE_BYTES:
            _overwrite(full, data, old_length)
        else:
            self._replace(full, data, status.st_mode & 0o777)

    def names(self, path: str, *, links: bool = False) -> list[str]:
        """Return the folders in a folder, or the links, sorted."""
        with os.scandir(self.full(path)) as entries:
            return sorted(
                entry.name
                for entry in entries
                if (entry.is_symlink() if links else entry.is_dir(follow_symlinks=False))
            )

    def is_dir(self, path: str) -> bool:
        """Tell whether a folder is there."""
        return os.path.isdir(self.full(path))

    def state(self, path: str) -> dict[str, Any]:
        """Return what is known of an object beside its attributes."""
        import json

        try:
            data = _read(f"{self.full(path)}/{STATE}")
        except FileNotFoundError:
            return {}
        return dict(json.loads(data.rstrip(b"\0")))

    def change_state(self, path: str, **values: object) -> None:
        """Change some of what is known of an object."""
        import json

        full = f"{self.full(path)}/{STATE}"
        data = json.dumps(self.state(path) | values).encode()
        try:
            old = _read(full)
        except FileNotFoundError:
            old = b""
        if old and max(len(old), len(data)) <= _PAGE_BYTES:
            _overwrite(full, data, len(old))
        else:
            self._replace(full, data, 0o600)

    def create(self, path: str, group: Group, made: Made) -> None:
        """Make an object with all that is in it, whole or not at all."""
        new = f"{self._work}/new"
        self.clean()
        os.makedirs(new)
        self._populate(new, group, made.texts, "")
        if made.state:
            import json

            with open(f"{new}/{STATE}", "w", encoding="utf-8") as file:
                json.dump(dict(made.state), file)
        os.rename(new, self.full(path))

    def remove(self, path: str) -> None:
        """Remove an object with all that is in it, whole or not at all."""
        self.clean()
        os.makedirs(self._work, exist_ok=True)
        os.rename(self.full(path), f"{self._work}/old")
        self.clean()

    def clean(self) -> None:
        """Remove what a process left that died in the middle of its work."""
        import shutil

        for name in ("new", "old"):
            shutil.rmtree(f"{self._work}/{name}", ignore_errors=True)

    def link(self, target: str, path: str) -> None:
        """Make a link with the text that the kernel makes (fs/configfs/symlink.c)."""
        depth = path.count("/") + 1
        os.symlink(f"{'../' * depth}target/{target}", self.full(path))

    def target(self, path: str) -> str:
        """Return what a link points to."""
        return os.readlink(self.full(path)).rpartition("../")[2].removeprefix("target/")

    def unlink(self, path: str) -> None:
        """Remove a link."""
        os.unlink(self.full(path))

    def _replace(self, full: str, data: bytes, mode: int) -> None:
        os.makedirs(self._work, exist_ok=True)
        new = f"{self._work}/text"
        if os.path.lexists(new):
            os.unlink(new)
        if len(data) > WORTH_SHARING_BYTES or not self._shared.link(data, mode, new):
            _write(new, data, mode)
        os.replace(new, full)

    def _populate(self, folder: str, group: Group, texts: Mapping[str, str], prefix: str) -> None:
        for name, attribute in group.attributes.items():
            path, text = f"{folder}/{name}", texts.get(prefix + name, attribute.text)
            data = os.fsencode(text)
            share = not attribute.own and text == attribute.text
            if not share or not self._shared.link(data, attribute.mode, path):
                _write(path, data, attribute.mode)
        for name, child in group.groups.items():
            os.mkdir(f"{folder}/{name}", 0o755)
            self._populate(f"{folder}/{name}", child, texts, f"{prefix}{name}/")


def _read(full: str) -> bytes:
    descriptor = os.open(full, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, _PAGE_BYTES)
        while len(data) % _PAGE_BYTES == 0 and (more := os.read(descriptor, _PAGE_BYTES)):
            # The state of an object with many links.
            data += more
        return data
    finally:
        os.close(descriptor)


def _overwrite(full: str, data: bytes, old_length: int) -> None:
    """Change a text within its page by one write, which no signal can interrupt.

    NULs cover the rest of a longer old text until the file is cut; `text` does not see them. A
    rename instead would cost ten times as much on ext4, which writes a renamed file out at once.
    """
    try:
        descriptor = os.open(full, os.O_WRONLY | os.O_CLOEXEC)
    except PermissionError:
        # An attribute that only the kernel changes, in the hands of somebody who is not root.
        os.chmod(full, 0o644)
        try:
            descriptor = os.open(full, os.O_WRONLY | os.O_CLOEXEC)
        finally:
            os.chmod(full, 0o444)
    try:
        os.pwrite(descriptor, data.ljust(old_length, b"\0"), 0)
        if len(data) < old_length:
            os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def _write(full: str, data: bytes, mode: int) -> None:
    descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, data)
        # The modes are the kernel's, whatever the umask is.
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
