# SPDX-License-Identifier: Apache-2.0
"""A kernel whose every change is told first (-v)."""

from __future__ import annotations

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lioshell.errors import LioshellError
    from lioshell.kernel.ports import ConfigfsPort, Kernel

    Tell = Callable[[str], None]


def shown_write(location: str, path: str, value: str, *, secret: bool) -> str:
    """Return a write as the shell command that would do it; a secret as ***."""
    # Quoted whatever it is, so that all writes look the same: a ' ends the quotes, and begins anew.
    text = "***" if secret else value.replace("'", "'\\''")
    return f"echo -n '{text}' > {shown_path(location, path)}"


def shown_path(location: str, path: str) -> str:
    """Return an absolute path as a word for a shell."""
    import shlex

    return shlex.quote(f"{location}/{path}")


class TracedConfigfs:
    """The changes of a configfs, told and done; everything else passed on."""

    def __init__(self, configfs: ConfigfsPort, tell: Tell) -> None:
        self._configfs = configfs
        self._tell = tell
        self.location = configfs.location
        self.listdir = configfs.listdir
        self.folders = configfs.folders
        self.folder_numbers = configfs.folder_numbers
        self.links = configfs.links
        self.exists = configfs.exists
        self.is_dir = configfs.is_dir
        self.is_link = configfs.is_link
        self.is_linked = configfs.is_linked
        self.read = configfs.read
        self.values = configfs.values
        self.is_writable = configfs.is_writable
        self.readlink = configfs.readlink

    def write(self, path: str, value: str, *, secret: bool = False) -> None:
        """Tell and do a write."""
        self._tell(shown_write(self.location, path, value, secret=secret))
        self._configfs.write(path, value, secret=secret)

    def mkdir(self, path: str) -> None:
        """Tell and do a mkdir."""
        self._tell(f"mkdir {shown_path(self.location, path)}")
        self._configfs.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Tell and do a rmdir."""
        self._tell(f"rmdir {shown_path(self.location, path)}")
        self._configfs.rmdir(path)

    def symlink(self, target: str, path: str) -> None:
        """Tell and do a link."""
        here = self.location
        self._tell(f"ln -s {shown_path(here, target)} {shown_path(here, path)}")
        self._configfs.symlink(target, path)

    def unlink(self, path: str) -> None:
        """Tell and do the removal of a link."""
        self._tell(f"rm {shown_path(self.location, path)}")
        self._configfs.unlink(path)

    def unlink_all(self, paths: Sequence[str]) -> dict[str, LioshellError]:
        """Tell and do the removal of links."""
        for path in paths:
            self._tell(f"rm {shown_path(self.location, path)}")
        return self._configfs.unlink_all(paths)


def traced(kernel: Kernel, tell: Tell) -> Kernel:
    """Return a kernel that tells each change."""
    return kernel._replace(configfs=TracedConfigfs(kernel.configfs, tell))
