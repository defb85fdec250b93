# SPDX-License-Identifier: Apache-2.0
"""What the values of a spec have to be to each other: raises SpecError with the key alone.

The reader of a file (spec_loader.py, spec_legacy.py) adds the file and the line.
"""

from __future__ import annotations

import re

from lioshell.errors import SpecError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

RESERVED_NAMES = ("backstores", "core")
"""What stands in the tree, or in configfs' target folder, beside the fabrics."""

_HEX_TYPES = ("naa", "eui", "ib")
_NUMBERS = ("int", "size")


def check_fabric(plain: Mapping[str, Any]) -> None:
    """Check a fabric as a whole."""
    features = plain.get("features", ())
    types = plain["wwn_types"]
    form = plain.get("wwn_form", "plain")
    for key in ("name", "group"):
        if plain[key] in RESERVED_NAMES:
            raise SpecError(f"{plain[key]!r} is the name of something else in LIO", key=key)
    for name in plain.get("aliases", ()):
        if name == plain["name"]:
            raise SpecError(f"{name!r} is the fabric's own name", key="aliases")
    if form != "plain" and (len(types) != 1 or types[0] not in _HEX_TYPES):
        raise SpecError(
            f"{form!r} needs exactly one of the types {', '.join(_HEX_TYPES)} in wwn_types",
            key="wwn_form",
        )
    if plain.get("wwn_fixed") and "wwn_sources" not in plain:
        raise SpecError("needs wwn_sources, which say what WWNs there are", key="wwn_fixed")
    if "acls_auth" in features and "acls" not in features:
        raise SpecError("acls_auth is a property of acls, which are missing", key="features")
    if "default_port" in plain:
        if "nps" not in features:
            raise SpecError("only fabrics with the feature nps have ports", key="default_port")
        if not 1 <= plain["default_port"] <= 65535:
            raise SpecError("a port is a number from 1 to 65535", key="default_port")
    if plain.get("enable_needs_luns") and "enable" not in features:
        raise SpecError("only with the feature enable", key="enable_needs_luns")


def check_source(source: Mapping[str, Any]) -> None:
    """Check the pattern that takes a WWN out of a file."""
    try:
        groups = re.compile(source["pattern"]).groups
    except re.error as error:
        raise SpecError(f"is no regular expression: {error}") from None
    if groups != 1:
        raise SpecError(f"needs one group (...) around the WWN, and has {groups}")


def check_parameter(given: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Check a parameter; `tags` are YAML's types of its values (str, int, bool, ...)."""
    kind, default = given["type"], given.get("default")
    values, minimum, maximum = given.get("values", ()), given.get("minimum"), given.get("maximum")
    if kind == "enum" and not values:
        raise SpecError("an enum needs values")
    if kind not in _NUMBERS and (minimum is not None or maximum is not None):
        raise SpecError("only an int or a size has minimum and maximum")
    if minimum is not None and maximum is not None and minimum > maximum:
        raise SpecError(f"the minimum {minimum} is above the maximum {maximum}")
    if default is None:
        return
    if kind in _NUMBERS:
        if tags["default"] != "int" or not re.fullmatch("-?[0-9]+", default):
            raise SpecError(f"the default {default!r} is no whole number")
        too_low = minimum is not None and int(default) < minimum
        if too_low or (maximum is not None and int(default) > maximum):
            raise SpecError(f"the default {default} is outside of minimum and maximum")
    if kind == "bool" and default not in ("0", "1", "true", "false"):
        raise SpecError(f"the default {default!r} is none of: 0, 1, true, false")
    if kind == "enum" and default not in values:
        raise SpecError(f"the default {default!r} is none of: {', '.join(values)}")
