# SPDX-License-Identifier: Apache-2.0
"""The JSON schema of spec files, for editors: specs/schema.json, made out of spec_rules.py.

    python3 -m lioshell.spec_schema > specs/schema.json

A test compares the file with this, and what the schema accepts with what the loader accepts.
"""

from __future__ import annotations

import json
import sys

from lioshell import spec_rules as rules
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_ANY_VALUE = {"type": ["string", "number", "boolean"]}


def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12) of a fabric's and of a backstore's file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lioshell spec: a fabric or a kind of backstore",
        "description": "See docs/specs.md. How values relate (a default outside its range, a "
        "feature that needs another) is checked by: lioshell specs check FILE",
        "type": "object",
        "required": ["kind"],
        "if": {"properties": {"kind": {"const": "backstore"}}},
        "then": _of(rules.BACKSTORE),
        "else": _of(rules.FABRIC),
        "$defs": {"parameter": _of(rules.PARAMETER)},
    }


def _of(rule: rules.Rule) -> dict[str, Any]:
    match rule:
        case rules.Text():
            return {"type": "string", "pattern": rule.pattern, "description": rule.what}
        case rules.Choice():
            return {"enum": list(rule.words)}
        case rules.Number():
            return {"type": "integer"}
        case rules.Boolean():
            return {"type": "boolean"}
        case rules.Scalar():
            return dict(_ANY_VALUE)
        case rules.ListOf():
            return {"type": "array", "items": _of(rule.item), "minItems": rule.least}
        case rules.Parameters():
            return {
                "type": "object",
                "propertyNames": {"pattern": rules.NAME},
                "additionalProperties": {"$ref": "#/$defs/parameter"},
            }
        case rules.Table():
            return _table(rule)


def _table(rule: rules.Table) -> dict[str, Any]:
    table: dict[str, Any] = {
        "type": "object",
        "properties": {name: _of(inner) for name, inner in rule.keys.items()},
        "required": list(rule.required),
        "additionalProperties": False,
    }
    if rule.one_of:
        table["oneOf"] = [{"required": [name]} for name in rule.one_of]
    return table


def text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
