# SPDX-License-Identifier: Apache-2.0
"""Which names fit what has been typed: those that begin so, else those that resemble it.

Fuzzy without noise: a name that merely holds the letters is offered only where none begins with
them, so that Tab after "c" does not offer saveconfig beside create.
"""

from __future__ import annotations

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def fitting(typed: str, names: Iterable[str]) -> list[str]:
    """Return the names that fit best, in their own order.

    The best of: begins with it; begins with it in another case; holds it; holds its letters in
    their order.
    """
    names = list(names)
    if not typed:
        return names
    for fits in _WAYS:
        found = [name for name in names if fits(typed, name)]
        if found:
            return found
    return []


def _begins(typed: str, name: str) -> bool:
    return name.startswith(typed)


def _begins_in_any_case(typed: str, name: str) -> bool:
    return name.casefold().startswith(typed.casefold())


def _holds(typed: str, name: str) -> bool:
    return typed.casefold() in name.casefold()


def _holds_letters(typed: str, name: str) -> bool:
    letters = iter(name.casefold())
    return len(typed) > 1 and all(letter in letters for letter in typed.casefold())


_WAYS: tuple[Callable[[str, str], bool], ...] = (
    _begins,
    _begins_in_any_case,
    _holds,
    _holds_letters,
)
