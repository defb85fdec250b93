# SPDX-License-Identifier: Apache-2.0
"""A kernel on which nothing is changed: each change is told, and remembered for later reads.

What a command would find after its own changes is imagined: folders and links that it would have
made, values that it would have written, the attributes that a spec describes for a new object.
"""

from __future__ import annotations

import contextlib
import errno

from lioshell.errors import KernelError
from lioshell.kernel.described import attributes, is_group
from lioshell.kernel.traced import shown_path, shown_write
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from lioshell.errors import LioshellError
    from lioshell.kernel.ports import ConfigfsPort, Kernel
    from lioshell.specs import Parameter, Specs

    Tell = Callable[[str], None]

_FOLDER = object()


class DryRunConfigfs:
    """A configfs below a layer of imagined changes: path -> _FOLDER, a value, or a link."""

    def __init__(self, configfs: ConfigfsPort, specs: Specs, tell: Tell) -> None:
        self._configfs = configfs
        self._specs = specs
        self._tell = tell
        self._made: dict[str, object] = {}
        self._links: dict[str, str] = {}
        self._gone: set[str] = set()
        self._below: dict[str, dict[str, None]] = {}
        """Folder -> names in it that are imagined, or lead to what is."""

    @property
    def location(self) -> str:
        """The real folder."""
        return self._configfs.location

    @property
    def is_ready(self) -> bool:
        """Whether LIO's folder is there."""
        return self._configfs.is_dir("core")

    def imagine_nothing(self) -> None:
        """Imagine LIO's folder as it is after a boot."""
        for path in ("core", "core/alua"):
            self._imagine(path, _FOLDER)

    def _imagine(self, path: str, what: object) -> None:
        self._made[path] = what
        self._lead_to(path)

    def _lead_to(self, path: str) -> None:
        while path:
            folder, _, name = path.rpartition("/")
            names = self._below.setdefault(folder, {})
            if name in names:
                return
            names[name] = None
            path = folder

    def _imagined_below(self, path: str) -> list[str]:
        base = f"{path}/" if path else ""
        names = self._below.get(path, ())
        return [n for n in names if base + n in self._made or base + n in self._links]

    def _real_below(self, path: str, listing: Callable[[str], list[str]]) -> list[str]:
        if self._is_imagined(path) or not self._configfs.is_dir(path):
            return []
        prefix = f"{path}/" if path else ""
        return [name for name in listing(path) if prefix + name not in self._gone]

    def _is_imagined(self, path: str) -> bool:
        """Tell whether a path is, or is below, a folder that would have been made."""
        parts = path.split("/")
        heads = ("/".join(parts[: n + 1]) for n in range(len(parts)))
        return any(self._made.get(head) is _FOLDER for head in heads)

    def _described(self, path: str) -> Parameter | None:
        """Return what a spec says of an attribute of an imagined object."""
        if not self._is_imagined(path):
            return None
        folder, _, name = path.rpartition("/")
        return attributes(self._specs, folder).get(name)

    def listdir(self, path: str) -> list[str]:
        """Return real, imagined and described names."""
        names = [*self._real_below(path, self._configfs.listdir), *self._imagined_below(path)]
        if self._is_imagined(path):
            names += [name for name in attributes(self._specs, path) if name not in names]
        return names

    def folders(self, path: str) -> list[str]:
        """Return real and imagined folders."""
        base = f"{path}/" if path else ""
        made = [n for n in self._imagined_below(path) if self._made.get(base + n) is _FOLDER]
        return [*self._real_below(path, self._configfs.folders), *made]

    def folder_numbers(self, path: str) -> dict[str, int]:
        """Return real folders with their inode numbers, and imagined ones with none."""
        found = dict.fromkeys(self.folders(path), 0)
        if not self._is_imagined(path) and self._configfs.is_dir(path):
            base = f"{path}/" if path else ""
            real = self._configfs.folder_numbers(path)
            there = [name for name in found if name in real and base + name not in self._made]
            found |= {name: real[name] for name in there}
        return found

    def links(self, path: str) -> list[str]:
        """Return real and imagined links."""
        base = f"{path}/" if path else ""
        made = [n for n in self._imagined_below(path) if base + n in self._links]
        return [*self._real_below(path, self._configfs.links), *made]

    def exists(self, path: str) -> bool:
        """Tell whether something is or would be there."""
        if path in self._made or path in self._links or self._described(path) is not None:
            return True
        return (
            path not in self._gone and not self._is_imagined(path) and self._configfs.exists(path)
        )

    def is_dir(self, path: str) -> bool:
        """Tell whether a folder is or would be there."""
        if self._made.get(path) is _FOLDER:
            return True
        if is_group(path) and self._is_imagined(path) and attributes(self._specs, path):
            return True
        return (
            path not in self._gone and not self._is_imagined(path) and self._configfs.is_dir(path)
        )

    def is_link(self, path: str) -> bool:
        """Tell whether a link is or would be there."""
        if path in self._links:
            return True
        real = path not in self._gone and not self._is_imagined(path)
        return real and self._configfs.is_link(path)

    def read(self, path: str) -> str:
        """Return what is there, or what would have been written."""
        value = self._made.get(path)
        if isinstance(value, str):
            return value
        described = self._described(path)
        if described is not None:
            return described.default or ""
        return "" if self._is_imagined(path) else self._configfs.read(path)

    def values(self, path: str) -> dict[str, str]:
        """Return what can be read and written, and what would have been written."""
        if path not in self._below and not self._is_imagined(path):
            return self._configfs.values(path)
        names = self.listdir(path)
        return {n: self.read(f"{path}/{n}") for n in names if self._is_value(f"{path}/{n}")}

    def _is_value(self, path: str) -> bool:
        return not self.is_dir(path) and not self.is_link(path) and self.is_writable(path)

    def is_writable(self, path: str) -> bool:
        """Tell whether an attribute can be written."""
        described = self._described(path)
        if described is not None:
            return described.writable
        return self._is_imagined(path) or self._configfs.is_writable(path)

    def write(self, path: str, value: str, *, secret: bool = False) -> None:
        """Tell a write."""
        self._tell(shown_write(self.location, path, value, secret=secret))
        self._imagine(path, value)

    def mkdir(self, path: str) -> None:
        """Tell a mkdir."""
        if self.exists(path):
            raise KernelError("mkdir", path, errno.EEXIST)
        self._tell(f"mkdir {shown_path(self.location, path)}")
        self._gone.discard(path)
        self._imagine(path, _FOLDER)

    def rmdir(self, path: str) -> None:
        """Tell a rmdir."""
        if not self.is_dir(path):
            raise KernelError("rmdir", path, errno.ENOENT)
        self._tell(f"rmdir {shown_path(self.location, path)}")
        self._forget(path)

    def symlink(self, target: str, path: str) -> None:
        """Tell a link."""
        here = self.location
        self._tell(f"ln -s {shown_path(here, target)} {shown_path(here, path)}")
        self._links[path] = target
        self._lead_to(path)

    def is_linked(self, path: str) -> bool:
        """Tell that a folder may be linked: what is imagined is not known to the kernel."""
        return self.is_dir(path)

    def readlink(self, path: str) -> str:
        """Return what a link points to, or would."""
        return self._links[path] if path in self._links else self._configfs.readlink(path)

    def unlink(self, path: str) -> None:
        """Tell the removal of a link."""
        self._tell(f"rm {shown_path(self.location, path)}")
        self._forget(path)

    def unlink_all(self, paths: Sequence[str]) -> dict[str, LioshellError]:
        """Tell the removal of several links."""
        for path in paths:
            self.unlink(path)
        return {}

    def _forget(self, path: str) -> None:
        self._gone.add(path)
        folder, _, name = path.rpartition("/")
        self._below.get(folder, {}).pop(name, None)
        known = [path]
        while known:
            gone = known.pop()
            self._made.pop(gone, None)
            self._links.pop(gone, None)
            known += [f"{gone}/{name}" for name in self._below.pop(gone, ())]


class DryRunSystem:
    """The machine: looked at, but no module is loaded."""

    def __init__(self, system: Any, configfs: DryRunConfigfs, tell: Tell) -> None:
        self._system = system
        self._configfs = configfs
        self._tell = tell

    def prepare(self) -> None:
        """Tell what would make the `target` folder available; an empty one is imagined."""
        if self._configfs.is_ready:
            return
        for step in self._system.preparations():
            self._tell(step)
        self._configfs.imagine_nothing()

    def expedited(self) -> AbstractContextManager[None]:
        """Return a context in which nothing is different."""
        return contextlib.nullcontext()

    def load_module(self, module: str) -> None:
        """Tell that a module would be loaded."""
        self._tell(f"modprobe {module}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name)


def dry_run(kernel: Kernel, specs: Specs, tell: Tell) -> Kernel:
    """Return a kernel on which nothing is changed; `specs` describe what would be made."""
    configfs = DryRunConfigfs(kernel.configfs, specs, tell)
    return kernel._replace(configfs=configfs, system=DryRunSystem(kernel.system, configfs, tell))
