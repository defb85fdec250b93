# SPDX-License-Identifier: Apache-2.0
"""Options in the style of programs, as in `fabric new NAME --proto FC` or `export FILE -p ADDRESS`.

Commands that stand in for a program of their own take them beside key=value.
"""

from __future__ import annotations

from lioshell.errors import UsageError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lioshell.specs import Parameter


def taken_apart(
    command: str,
    words: Sequence[str],
    named: Mapping[str, str],
    parameters: Sequence[Parameter],
    short: Mapping[str, str],
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the positional words, and the values of each option in their order.

    `parameters` declare the options, a flag by the type bool; `short` is letter -> option. Raises
    UsageError for an option that does not exist or lacks its value.
    """
    known = {p.name: p for p in parameters if not p.required}
    positional: list[str] = []
    options: dict[str, list[str]] = {}

    def add(word: str, key: str, value: str) -> None:
        if key not in known:
            names = " ".join(sorted(known))
            raise UsageError(f"{command} has no option {word}", hint=f"There is: {names}")
        if not value:
            raise UsageError(f"{word} wants a value", hint=f"Give one: {key}=VALUE")
        options.setdefault(key, []).append(value)

    for key, value in named.items():
        add(key, key, value)
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            positional.append(word)
            continue
        key, equals, value = word.lstrip("-").partition("=")
        key = key.replace("-", "_")
        if not word.startswith("--"):
            key = short.get(key, key)
        if not equals:
            declared = known.get(key)
            flag = declared is not None and declared.type == "bool"
            value = "true" if flag else next(rest, "")
        add(word, key, value)
    return positional, options
