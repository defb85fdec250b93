# SPDX-License-Identifier: Apache-2.0
"""Who on this machine uses a block device or a file, for the message that refuses to export it."""

from __future__ import annotations

import glob
import os
import stat

_MOUNTS, _SWAPS = "proc/self/mountinfo", "proc/swaps"


def holders(path: str, root: str = "/") -> list[str]:
    """Return what uses a device or an image, in words: mounts, other devices, swap.

    A device's partitions count. A file counts as used where a loop device stands on it. `root` is
    another folder for tests. Empty where nothing is found; not everything that claims a device
    can be found (O_EXCL of a process).
    """
    try:
        status = os.stat(path)
    except OSError:
        return []
    if stat.S_ISREG(status.st_mode):
        return [
            f"attached to /dev/{name}{_more(holders_of_number(number, root))}"
            for name, number in _loops_on(os.path.realpath(path), root)
        ]
    if not stat.S_ISBLK(status.st_mode):
        return []
    return holders_of_number(f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}", root)


def holders_of_number(number: str, root: str = "/") -> list[str]:
    """Return what uses a block device given as "major:minor", and its partitions."""
    folder = os.path.join(root, "sys/dev/block", number)
    numbers = {number: ""}
    for partition in glob.glob(f"{glob.escape(folder)}/*/partition"):
        name = os.path.basename(os.path.dirname(partition))
        numbers[_text(f"{folder}/{name}/dev")] = f" ({name})"
    found = []
    for line in _lines(os.path.join(root, _MOUNTS)):
        # ID, parent, major:minor, root of the mount, mount point (proc_pid_mountinfo(5)).
        fields = line.split(" ")
        if len(fields) > 4 and fields[2] in numbers:
            found.append(f"mounted at {_unescaped(fields[4])}{numbers[fields[2]]}")
    for one, which in numbers.items():
        names = _names(os.path.join(root, "sys/dev/block", one, "holders"))
        found += [f"part of {name}{which}" for name in sorted(names)]
    for line in _lines(os.path.join(root, _SWAPS))[1:]:
        device = os.path.join(root, line.split(" ")[0].lstrip("/"))
        if _number_of(device) in numbers:
            found.append("swap")
    return list(dict.fromkeys(found))


def _loops_on(path: str, root: str) -> list[tuple[str, str]]:
    """Return the loop devices on a file: names and numbers (drivers/block/loop.c, backing_file)."""
    found = []
    for file in sorted(glob.glob(os.path.join(root, "sys/block/loop*/loop/backing_file"))):
        device = os.path.dirname(os.path.dirname(file))
        if _text(file) == path:
            found.append((os.path.basename(device), _text(f"{device}/dev")))
    return found


def _more(words: list[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def _number_of(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        # A device without such a folder, or one that has gone.
        return []


def _lines(path: str) -> list[str]:
    return _text(path).splitlines()


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().strip()
    except OSError:
        # Gone, or not in this kernel: it holds nothing.
        return ""


def _unescaped(text: str) -> str:
    """Undo the octal escapes of mountinfo, as in "/mnt/my\\040disk"."""
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape")
