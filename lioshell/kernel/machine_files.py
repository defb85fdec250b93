# SPDX-License-Identifier: Apache-2.0
"""Files of sysfs and procfs that a spec names: found by pattern, read, their links followed.

Only what lies below /sys and /proc can be named (spec_rules.py), and nothing is run.
"""

from __future__ import annotations

import os

_MAX_BYTES = 4096


class MachineFiles:
    """The folders /sys and /proc, each somewhere else in a simulated machine."""

    def __init__(self, sys_root: str = "/sys", proc_root: str = "/proc") -> None:
        self._roots = {"sys": sys_root, "proc": proc_root}

    def find(self, pattern: str) -> list[str]:
        """Return the files that a pattern such as /sys/class/fc_host/host*/port_name finds."""
        first, *names = pattern.lstrip("/").split("/")
        if first not in self._roots or ".." in names:
            return []
        found = [f"/{first}"]
        for name in names:
            found = [path for folder in found for path in self._matching(folder, name)]
        return sorted(found)

    def _matching(self, folder: str, name: str) -> list[str]:
        if "*" not in name:
            path = f"{folder}/{name}"
            return [path] if os.path.exists(self._real(path)) else []
        from fnmatch import fnmatchcase

        try:
            there = os.listdir(self._real(folder))
        except OSError:
            # No such hardware, or no driver for it: nothing is found.
            return []
        return [f"{folder}/{entry}" for entry in there if fnmatchcase(entry, name)]

    def text(self, path: str) -> str:
        """Return the stripped text of a file, "" of one that cannot be read."""
        try:
            with open(self._real(path), "rb") as file:
                return file.read(_MAX_BYTES).decode("utf-8", "replace").strip()
        except OSError:
            # An adapter that goes away, or a port that is down, has no text.
            return ""

    def linked_name(self, path: str, link: str) -> str:
        """Return the last name of what `link` points to, seen from the folder that holds `path`."""
        folder = os.path.realpath(os.path.dirname(self._real(path)))
        return os.path.basename(os.path.realpath(os.path.join(folder, link)))

    def _real(self, path: str) -> str:
        _, first, *rest = path.split("/", 2)
        return "/".join((self._roots[first], *rest))
