# SPDX-License-Identifier: Apache-2.0
"""How the kernel reads what is written to an attribute: numbers, switches, option lists.

lib/kstrtox.c (kstrtou32, kstrtobool), lib/parser.c (match_token, match_int). A text that the
kernel does not take is a `Refused` with its errno.
"""

from __future__ import annotations

import errno
import re

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NUMBER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))")
_INT_MAX = 2**31 - 1
_ULONG_MAX = 2**64 - 1


class Refused(Exception):  # noqa: N818  # the kernel's answer, not a fault of the program
    """The kernel's answer to an operation that it refuses; `errno` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.errno = code


def _number(text: str) -> int | None:
    """Return a number in C's notation (base 0), None where it is none."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, hexadecimal, octal, decimal = match.groups()
    if hexadecimal is not None:
        value = int(hexadecimal, 16)
    elif decimal is not None:
        value = int(decimal)
    else:
        value = int(octal or "0", 8)
    return -value if sign == "-" else value


def unsigned(text: str, bits: int = 32) -> int:
    """Read a number as kstrtou8 to kstrtou64 do: one newline at the end is fine, a minus is not."""
    text = text.removesuffix("\n")
    value = None if text.startswith("-") else _number(text)
    if value is None:
        raise Refused(errno.EINVAL)
    if value >= 1 << bits:
        raise Refused(errno.ERANGE)
    return value


def signed(text: str, bits: int = 32) -> int:
    """Read a number as kstrtos8 to kstrtos32 do."""
    value = _number(text.removesuffix("\n"))
    if value is None:
        raise Refused(errno.EINVAL)
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise Refused(errno.ERANGE)
    return value


def switch(text: str) -> bool:
    """Read a switch as kstrtobool does, which looks at the first letters only."""
    first = text[:1]
    if first and first in "yYtT1":
        return True
    if first and first in "nNfF0":
        return False
    word = text[:2].lower()
    if word in ("on", "of"):
        return word == "on"
    raise Refused(errno.EINVAL)


def options(text: str, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Split `key=value` pairs at commas and newlines; unknown keys and empty values are dropped."""
    for token in re.split(r"[,\n]", text):
        key, equals, value = token.partition("=")
        if equals and value and key in known:
            yield key, value


def option_int(value: str) -> int | None:
    """Return the number of a `%d` option, None where the kernel overlooks the whole option.

    match_token only knows the option when all of its value is a number; the minus is allowed.
    """
    number = None if value.startswith("+") else _number(value)
    if number is None:
        return None
    if not -_INT_MAX - 1 <= number <= _INT_MAX:
        raise Refused(errno.ERANGE)
    return number


def option_u64(value: str) -> int:
    """Return the number of a `%s` option that the kernel reads with kstrtoull."""
    number = None if value.startswith("-") else _number(value)
    if number is None:
        raise Refused(errno.EINVAL)
    if number > _ULONG_MAX:
        raise Refused(errno.ERANGE)
    return number


def stripped(value: str, limit: int) -> str:
    """Return an identification field without blanks around it; at most `limit` characters.

    target_core_configfs.c, target_wwn_vendor_id_store: printable ASCII, else EINVAL.
    """
    if len(value) < limit + 2:
        value = value.strip(" \t\n\v\f\r")
    if len(value) > limit:
        raise Refused(errno.EOVERFLOW)
    if any(not " " <= character <= "~" for character in value):
        raise Refused(errno.EINVAL)
    return value
