#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write docs/api.md out of the docstrings: `python3 docs/api_reference.py`, from the checkout."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
_INTRODUCTION = """# API reference

Made of the docstrings by docs/api_reference.py. [library.md](library.md) tells how to begin.
"""


def reference() -> str:
    """Return the page."""
    from lioshell import lio, tcmu

    return "\n".join([_INTRODUCTION, *_package(lio), *_package(tcmu)]).rstrip() + "\n"


def _package(module: ModuleType) -> list[str]:
    lines = [f"## {module.__name__}", "", _text(module), ""]
    for name in sorted(module.__all__, key=lambda name: (not name[0].isupper(), name)):
        lines += _thing(f"{module.__name__.rpartition('.')[2]}.{name}", getattr(module, name))
    return lines


def _thing(name: str, thing: object) -> list[str]:
    lines = [f"### `{name}{_signature(thing)}`", "", _text(thing), ""]
    if inspect.isclass(thing) and not issubclass(thing, BaseException):
        for member, value in vars(thing).items():
            if member.startswith("_"):
                continue
            if isinstance(value, property) and inspect.getdoc(value):
                lines += [f"#### `{member}`", "", _text(value), ""]
            elif isinstance(value, (classmethod, staticmethod)):
                value = value.__func__  # what it wraps is described
                lines += [f"#### `{member}{_signature(value)}`", "", _text(value), ""]
            elif inspect.isfunction(value) and inspect.getdoc(value):
                lines += [f"#### `{member}{_signature(value)}`", "", _text(value), ""]
    return lines


def _signature(thing: object) -> str:
    if inspect.isclass(thing) and (
        issubclass(thing, BaseException) or getattr(thing, "_is_protocol", False)
    ):
        return ""
    try:
        signature = inspect.signature(thing)  # type: ignore[arg-type]  # what is none raises
    except (TypeError, ValueError):
        return ""
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    text = str(signature.replace(parameters=parameters)).replace("'", "")
    text = re.sub(r"<class (\w+)>", r"\1", text)
    # The fields of a named tuple.
    return re.sub(r"ForwardRef\(([^()]*)\)", r"\1", text)


def _text(thing: object) -> str:
    return inspect.getdoc(thing) or ""


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    (ROOT / "docs" / "api.md").write_text(reference(), encoding="utf-8")
