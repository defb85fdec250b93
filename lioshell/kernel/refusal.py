# SPDX-License-Identifier: Apache-2.0
"""What a refusal of configfs means and what to do about it; for the real and the simulated one.

The kernel answers with an errno alone. What it means depends on the operation: configfs' own
answers are in fs/configfs/{dir,file,symlink}.c, LIO's in drivers/target/.
"""

from __future__ import annotations

import errno

from lioshell.errors import KernelError

_ANY = "*"
_EXISTS = "Choose another name, or delete that one first."
_MODULE = "Ask for something that the kernel knows, or load the module that brings it."
_VALUE = "Look at the value; `dmesg | tail` may say why the kernel does not take it."

_HINTS = {
    (_ANY, errno.ENOENT): "Look what is there with: ls",
    (_ANY, errno.ENOMEM): "The kernel is out of memory, or the size asked for is too large.",
    (_ANY, errno.EINTR): "Try again.",
    ("mkdir", errno.EEXIST): _EXISTS,
    ("mkdir", errno.EINVAL): "The kernel does not take this name; `dmesg | tail` may say why.",
    ("mkdir", errno.ENAMETOOLONG): "Choose a shorter name.",
    ("mkdir", errno.ENOSYS): _MODULE,
    ("mkdir", errno.EPERM): "Nothing can be created in this folder.",
    ("rmdir", errno.EBUSY): "Something links to it: delete the LUNs or mapped LUNs first.",
    ("rmdir", errno.ENOTEMPTY): "Delete what is in it first.",
    ("rmdir", errno.EPERM): "The kernel made it; it goes away with the object that it belongs to.",
    ("symlink", errno.EEXIST): "This LUN is linked already: delete it first.",
    ("symlink", errno.EINVAL): "The LUN has to belong to the same target portal group.",
    ("symlink", errno.ENODEV): "Enable the storage object first.",
    ("symlink", errno.EFAULT): "Only a storage object or a LUN can be linked here.",
    ("symlink", errno.EPERM): "Nothing can be linked in this folder.",
    ("write", errno.EINVAL): _VALUE,
    ("write", errno.ERANGE): "The number is too large.",
    ("write", errno.EOVERFLOW): "The text is too long.",
    ("write", errno.E2BIG): "An attribute takes one page of text at most.",
    ("write", errno.EEXIST): "It is set already: clear it first.",
    ("write", errno.ENODEV): "Enable or link the object first; see also `dmesg | tail`.",
    ("write", errno.ENOSYS): "This backstore cannot do that.",
    ("write", errno.EOPNOTSUPP): "This object does not let it be changed.",
    ("write", errno.EACCES): "The kernel fixes this attribute.",
    ("write", errno.EBUSY): "Something else uses the device: stop that first.",
    ("write", errno.EPERM): "Delete the LUNs first.",
    ("write", errno.ESRCH): "Nobody serves this device who could be told.",
    ("read", errno.ENODEV): "It has no value yet.",
    ("read", errno.EACCES): "This attribute can only be written.",
}

_MESSAGES = {
    ("mkdir", errno.EEXIST): "{path} exists already",
    ("rmdir", errno.EBUSY): "{path} is in use",
    ("rmdir", errno.ENOTEMPTY): "{path} is not empty",
    ("rmdir", errno.ENOENT): "{path} does not exist",
    ("unlink", errno.ENOENT): "{path} does not exist",
}


def refusal(operation: str, path: str, code: int) -> KernelError:
    """Return the error for an operation on `path` (absolute) that ended with errno `code`."""
    what = _MESSAGES.get((operation, code), "").format(path=path)
    hint = _HINTS.get((operation, code)) or _HINTS.get((_ANY, code), "")
    return KernelError(operation, path, code, hint=hint, what=what)
