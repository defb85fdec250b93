# SPDX-License-Identifier: Apache-2.0
"""What mkdir, rmdir, write, symlink and unlink do in the simulated configfs.

The general rules are configfs' own (fs/configfs/dir.c, file.c, symlink.c); what an object is, and
what LIO says to a change of it, is in the rules_*.py files, reached through `Group`.
"""

from __future__ import annotations

import errno
import os
import stat

from lioshell.kernel.sim.disks import Disks
from lioshell.kernel.sim.schema import Made, Write
from lioshell.kernel.sim.tree import STATE, Tree
from lioshell.kernel.sim.values import Refused
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.sim.schema import Group
    from lioshell.specs import Specs

_NAME_MAX = 255


class Simulation:
    """The target core of a simulated kernel; every method raises `Refused`.

    The caller holds the lock of the simulated kernel.
    """

    def __init__(self, sim_root: str, specs: Specs) -> None:
        self.root = sim_root
        self.specs = specs
        self.tree = Tree(sim_root)
        self.disks = Disks(sim_root)
        self._kinds: dict[tuple[str, str], Group] = {}

    def populate(self) -> None:
        """Make the `target` folder as it is after target_core_mod was loaded."""
        os.makedirs(os.path.dirname(self.tree.base), exist_ok=True)
        if not os.path.isdir(self.tree.base):
            self.load_module("target_core_mod")
            self.tree.create("", self._top(), Made())

    def load_module(self, name: str) -> None:
        """Remember that a kernel module is loaded."""
        os.makedirs(f"{self.root}/sys/module/{name}", exist_ok=True)

    def has_module(self, name: str) -> bool:
        """Tell whether a kernel module is loaded."""
        return os.path.isdir(f"{self.root}/sys/module/{name}")

    def kind(self, key: tuple[str, str], build: Callable[[], Group]) -> Group:
        """Return the group that `build` makes for a key, built once."""
        if key not in self._kinds:
            self._kinds[key] = build()
        return self._kinds[key]

    def _top(self) -> Group:
        from lioshell.kernel.sim.rules_core import root_group

        return self.kind(("root", ""), lambda: root_group(self))

    def group_at(self, path: str) -> Group | None:
        """Return what kind of folder `path` is, None for what no rule makes."""
        group: Group | None = self._top()
        for name in path.split("/") if path else ():
            if group is None:
                return None
            default = group.groups.get(name)
            group = default or (group.child(name) if group.child else None)
        return group

    def count(self, counter: str) -> int:
        """Count one up and return the number, from 1 on; what the kernel never gives twice."""
        number = int(self.tree.state("").get(counter, 0)) + 1
        self.tree.change_state("", **{counter: number})
        return number

    def links_to(self, path: str) -> list[str]:
        """Return the links that point to a storage object or LUN, in the order of their making."""
        links = self.tree.state(path).get("links", ())
        return [link for link in links if os.path.islink(self.tree.full(link))]

    def mkdir(self, path: str) -> None:
        """Create an object."""
        full = self.tree.full(path)
        parent, _, name = path.rpartition("/")
        if len(os.fsencode(name)) > _NAME_MAX:
            raise Refused(errno.ENAMETOOLONG)
        if os.path.lexists(full):
            raise Refused(errno.EEXIST)
        self._require_folder(parent)
        group = self.group_at(parent)
        if group is None or group.make is None or group.child is None:
            raise Refused(errno.EPERM)
        if name == STATE:
            raise Refused(errno.EINVAL)
        made = group.make(self, parent, name)
        kind = group.child(name)
        if kind is None:
            raise Refused(errno.EINVAL)
        self.tree.create(path, kind, made)
        if kind.created:
            kind.created(self, path)

    def rmdir(self, path: str) -> None:
        """Remove an object (configfs_rmdir, configfs_detach_prep)."""
        self._require_folder(path)
        parent, _, name = path.rpartition("/")
        outer = self.group_at(parent) if path else None
        if outer is None or name in outer.groups:
            raise Refused(errno.EPERM)
        group = self.group_at(path)
        if group is None:
            raise Refused(errno.EPERM)
        if self.links_to(path):
            raise Refused(errno.EBUSY)
        self._require_no_children(path, group)
        if group.drop:
            group.drop(self, path)
        self.tree.remove(path)

    def write(self, path: str, value: str) -> None:
        """Write an attribute."""
        try:
            mode = os.lstat(self.tree.full(path)).st_mode
        except OSError as error:
            raise Refused(error.errno or errno.ENOENT) from error
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            raise Refused(errno.EISDIR)
        folder, _, name = path.rpartition("/")
        group = self.group_at(folder)
        attribute = group.attributes.get(name) if group else None
        if attribute is None or attribute.store is None or not mode & stat.S_IWUSR:
            raise Refused(errno.EACCES)
        if not value:
            # fs/configfs/file.c, fill_write_buffer: nothing copied is a fault.
            raise Refused(errno.EFAULT)
        text = attribute.store(Write(self, path, value))
        if text is not None:
            self.tree.put(path, text)

    def symlink(self, target: str, path: str) -> None:
        """Link an object (configfs_symlink)."""
        if os.path.lexists(self.tree.full(path)):
            raise Refused(errno.EEXIST)
        folder = path.rpartition("/")[0]
        self._require_folder(folder)
        group = self.group_at(folder)
        if group is None or group.link is None:
            raise Refused(errno.EPERM)
        self._require_folder(target)
        group.link(self, folder, target)
        links = [*self.links_to(target), path]
        self.tree.change_state(target, links=links)
        self.tree.link(target, path)
        if group.linked:
            group.linked(self, folder, target)

    def unlink(self, path: str) -> None:
        """Remove a link (configfs_unlink)."""
        full = self.tree.full(path)
        if not os.path.islink(full):
            if os.path.isdir(full):
                raise Refused(errno.EISDIR)
            raise Refused(errno.EPERM if os.path.exists(full) else errno.ENOENT)
        target = self.tree.target(path)
        folder = path.rpartition("/")[0]
        group = self.group_at(folder)
        self.tree.unlink(path)
        self.tree.change_state(target, links=self.links_to(target))
        if group is not None and group.unlinked:
            group.unlinked(self, folder, target)

    def _require_folder(self, path: str) -> None:
        try:
            mode = os.lstat(self.tree.full(path)).st_mode
        except OSError as error:
            raise Refused(error.errno or errno.ENOENT) from error
        if not stat.S_ISDIR(mode):
            raise Refused(errno.ENOTDIR)

    def _require_no_children(self, path: str, group: Group) -> None:
        """Only default groups may be in a folder that goes, and in them the same."""
        names = [*self.tree.names(path), *self.tree.names(path, links=True)]
        if any(name not in group.groups for name in names):
            raise Refused(errno.ENOTEMPTY)
        for name in names:
            self._require_no_children(f"{path}/{name}", group.groups[name])
