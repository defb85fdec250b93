# SPDX-License-Identifier: Apache-2.0
"""The name of a new fabric module: what C, the kernel and configfs allow."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lioshell.errors import ConflictError, UsageError

_PREFIX = "tcm_"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MAX_LENGTH = 31
"""TARGET_FABRIC_NAME_SIZE without the byte at its end (drivers/target/target_core_internal.h)."""

_RESERVED = frozenset(
    (
        *("auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else"),
        *("enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register"),
        *("restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch"),
        *("typedef", "union", "unsigned", "void", "volatile", "while", "asm", "typeof"),
        *("bool", "true", "false", "module", "core"),
    )
)
"""C's own words, and what means something else in the kernel's build or below target/."""


@dataclass(frozen=True, slots=True)
class ModuleName:
    """`fabric` is the folder below target/ and the stem of C names; `module` is what is loaded."""

    fabric: str

    @property
    def module(self) -> str:
        """The kernel module's name, as modprobe takes it."""
        return f"{_PREFIX}{self.fabric}"

    @property
    def option(self) -> str:
        """The option of Kconfig, without CONFIG_."""
        return self.module.upper()


def module_name(text: str, taken: frozenset[str] = frozenset()) -> ModuleName:
    """Return the name of a new module, given with "tcm_" before it or without.

    `taken` are the fabrics that exist. Raises UsageError or ConflictError.
    """
    fabric = text.removeprefix(_PREFIX)
    if not _NAME.fullmatch(fabric):
        raise UsageError(
            f"{text!r} is no name for a fabric module",
            hint="Use small letters, digits and _, a letter first: fabric new nab5000",
        )
    if fabric in _RESERVED:
        raise UsageError(
            f"{text!r} means something else in C or in the kernel's tree",
            hint="Take another name, for example one with a digit: fabric new nab5000",
        )
    if len(fabric) > _MAX_LENGTH - len(_PREFIX):
        raise UsageError(
            f"{text!r} is too long: the kernel takes {_MAX_LENGTH - len(_PREFIX)} letters",
            hint="Take a shorter name.",
        )
    if fabric in taken or text in taken:
        raise ConflictError(f"There is a fabric {text} already", hint="Take another name.")
    return ModuleName(fabric)
