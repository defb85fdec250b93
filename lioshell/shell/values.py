# SPDX-License-Identifier: Apache-2.0
"""Values as they are typed: booleans, numbers, LUNs, portals."""

from __future__ import annotations

from lioshell.errors import UsageError

_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0"))


def boolean(text: str, name: str) -> bool:
    """Return true or false; raises UsageError that names the parameter."""
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise UsageError(f"{name}={text!r} is neither true nor false", hint=f"Say {name}=true.")


def optional_boolean(text: str | None, name: str) -> bool | None:
    """Return true, false, or None where nothing was given."""
    return None if text is None else boolean(text, name)


def number(text: str, name: str) -> int:
    """Return a whole number from 0 up; raises UsageError that names the parameter."""
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{name}={text!r} is no number", hint="Give a whole number, as in 0.")
    return int(text)


def seconds(text: str, name: str) -> float:
    """Return a time in seconds above 0; raises UsageError that names the parameter."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise UsageError(f"{name}={text!r} is no time", hint="Give seconds, as in 0.5.")
    return value


def lun_number(text: str, name: str = "lun") -> int:
    """Return the number of a LUN given as 5, lun5 or mapped_lun5."""
    return number(text.removeprefix("mapped_").removeprefix("lun"), name)
