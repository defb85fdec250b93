# SPDX-License-Identifier: Apache-2.0
"""The whole error tree and the exit codes; imports nothing of ours.

Every error is one sentence without secrets, a hint that says what to type next,
and the configfs (or file) path that it is about. The command line shows these three
and `-o json` prints them as one object; design.md, section 2, fixes the codes.
"""

from __future__ import annotations

import os
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of the command line; they are API."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFLICT = 3
    LOCKED = 4
    KERNEL = 5
    ENVIRONMENT = 6
    PLAN_CHANGES = 10
    INTERRUPTED = 130


class LioshellError(Exception):
    """A failure that is shown to the user as what failed, why, and what to type next.

    `message` is one sentence, `hint` one imperative sentence or empty, `path` the configfs or
    file path that it is about or empty. `remains` lists what could not be undone.
    """

    exit_code = ExitCode.FAILED
    code = "failed"

    def __init__(self, message: str, *, hint: str = "", path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path
        self.remains: tuple[str, ...] = ()
        self.details: tuple[str, ...] = ()
        """What failed one by one, where the message counts several failures."""
        self.excerpt: tuple[str, ...] = ()
        """Lines of input to show above the error, as the line and a caret below the place."""

    def __str__(self) -> str:
        return self.message


class UsageError(LioshellError):
    """What was typed cannot be understood: a command, a parameter, a value."""

    exit_code = ExitCode.USAGE
    code = "usage"


class NotFoundError(LioshellError):
    """A path or an object that does not exist."""

    exit_code = ExitCode.CONFLICT
    code = "not-found"


class ConflictError(LioshellError):
    """An object that exists already or is in use."""

    exit_code = ExitCode.CONFLICT
    code = "conflict"


class LockedError(LioshellError):
    """Another process changes the configuration at this moment."""

    exit_code = ExitCode.LOCKED
    code = "locked"


class DeclinedError(LioshellError):
    """A destructive command that its user did not want in the end; nothing was changed."""

    code = "declined"


class KernelError(LioshellError):
    """The kernel refused one operation on configfs.

    `errno` is the number that the kernel answered with, `operation` the system call's name
    (mkdir, rmdir, write, read, symlink, unlink, listdir).
    """

    exit_code = ExitCode.KERNEL
    code = "kernel"

    def __init__(
        self, operation: str, path: str, errno: int, *, hint: str = "", what: str = ""
    ) -> None:
        self.operation = operation
        self.errno = errno
        reason = os.strerror(errno)
        message = what or f"The kernel refused to {operation} {path}: {reason}"
        super().__init__(message, hint=hint, path=path)


class HostError(LioshellError):
    """The machine lacks what is needed: root, LIO, a module, a library."""

    exit_code = ExitCode.ENVIRONMENT
    code = "environment"


class SpecError(LioshellError):
    """A spec file that cannot be used; `line` counts from 1, 0 where there is none."""

    code = "spec"

    def __init__(
        self, message: str, *, hint: str = "", path: str = "", line: int = 0, key: str = ""
    ) -> None:
        hint = hint or "docs/specs.md tells how a spec is written."
        super().__init__(message, hint=hint, path=path)
        self.line = line
        self.key = key


class DocumentError(LioshellError):
    """A saved configuration that cannot be read or written."""

    code = "document"


class RunnerError(LioshellError):
    """The embedded TCMU runner cannot serve a device."""

    code = "runner"


class PlanChangesError(LioshellError):
    """No failure: `plan` found something to change."""

    exit_code = ExitCode.PLAN_CHANGES
    code = "changes"


class PartialError(LioshellError):
    """Some of several objects failed; each was reported where it failed."""

    code = "partial"
