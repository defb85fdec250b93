# SPDX-License-Identifier: Apache-2.0
"""What every line is made of."""

from __future__ import annotations

from lioshell.typed import NamedTuple


class Span(NamedTuple):
    """A piece of a line in one style; styles are names of render/color.py."""

    text: str
    style: str
