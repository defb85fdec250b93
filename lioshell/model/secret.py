# SPDX-License-Identifier: Apache-2.0
"""Secrets: CHAP passwords that show as *** wherever they are printed by accident."""

from __future__ import annotations

MASK = "***"

SECRET_PARAMETERS = frozenset(
    {"password", "mutual_password", "password_mutual", "chap_password", "chap_mutual_password"}
)
"""Parameter names, of commands and of saved documents, whose value is a secret."""


class Secret:
    """A text that only `reveal()` shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself; for configfs and the saved document only."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)
