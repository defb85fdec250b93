# SPDX-License-Identifier: Apache-2.0
"""What of typing is wanted at run time, without its import: that is a tenth of a short command.

All else of typing is for type checkers, and imported behind TYPE_CHECKING, for them alone.
"""

from __future__ import annotations

from collections import namedtuple

__all__ = ["TYPE_CHECKING", "NamedTuple"]

TYPE_CHECKING = False
"""True to a type checker, which knows it by its name."""

if TYPE_CHECKING:
    from typing import Any, NamedTuple
else:

    class _NamedTuples(type):
        """Makes the named tuple that a class body describes.

        As typing.NamedTuple does, which compiles the text of each annotation as well.
        """

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            del bases
            fields = body.pop("__annotations__", {})
            defaults = [body.pop(field) for field in fields if field in body]
            module = body.pop("__module__")
            made = namedtuple(name, fields, defaults=defaults, module=module)  # noqa: PYI024  # its own
            made.__annotations__ = made.__new__.__annotations__ = fields
            for key, value in body.items():
                setattr(made, key, value)
            return made

    NamedTuple = type.__new__(_NamedTuples, "NamedTuple", (), {})
