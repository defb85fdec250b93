# SPDX-License-Identifier: Apache-2.0
"""JSON as targetcli writes it, several times faster than json: its quick part knows no `indent`."""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_STEP = "  "


def indented(value: Any, margin: str = "\n") -> str:
    """Return the text of json.dumps(value, indent=2, sort_keys=True).

    `margin` is the line break and the blanks that begin each line. Raises TypeError or ValueError
    as json does.
    """
    kind = type(value)
    if kind is str:
        return encode_basestring_ascii(value)
    if kind is int:
        return str(value)
    inner = margin + _STEP
    if kind is list and value:
        return f"[{inner}{f',{inner}'.join([indented(one, inner) for one in value])}{margin}]"
    if kind is dict and value and all(type(key) is str for key in value):
        lines = [
            f"{encode_basestring_ascii(key)}: {indented(value[key], inner)}"
            for key in sorted(value)
        ]
        return f"{{{inner}{f',{inner}'.join(lines)}{margin}}}"
    text = json.dumps(value, indent=2, sort_keys=True)
    return text.replace("\n", margin)
