# SPDX-License-Identifier: Apache-2.0
"""Colours and their meaning; imported only where something is shown in colour.

The 16 colours of the terminal's own palette and faint text: legible on dark and light
backgrounds. Bright black is not used, which some palettes make the background's colour.
"""

from __future__ import annotations

from rich.color import ColorSystem
from rich.style import Style

_STYLES = {
    "plain": None,
    "value": None,
    "summary": None,
    "name": "cyan",
    "guide": "dim",
    "note": "dim",
    "heading": "bold",
    "healthy": "green",
    "unhealthy": "bold red",
    "good": "green",
    "warning": "yellow",
    "error": "bold red",
    "hint": "cyan",
}


def painted(text: str, style: str) -> str:
    """Return a text with the escape sequences of a style; the names are those of `Span.style`."""
    definition = _STYLES[style]
    if definition is None or not text:
        return text
    return Style.parse(definition).render(text, color_system=ColorSystem.STANDARD)
