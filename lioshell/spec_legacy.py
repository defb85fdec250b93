# SPDX-License-Identifier: Apache-2.0
"""Read a `.spec` file of RTS' older tools: `key = value` lines that describe one fabric.

The fabric is named after the file. What such a file cannot say is taken as those tools took it:
the kernel module is NAME_target_mod, the configfs group NAME, the features those of iSCSI. Its
keys that hold shell commands are refused, because a file of data must not run anything.
"""

from __future__ import annotations

import os
import re

from lioshell import spec_rules as rules
from lioshell.errors import SpecError
from lioshell.spec_meaning import check_fabric
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, NoReturn

_DEFAULT_FEATURES = "discovery_auth, acls, acls_auth, nps, tpgts"
_FEATURES = {
    "discovery_auth": ("discovery_auth",),
    "acls": ("acls",),
    "acls_auth": ("acls", "acls_auth", "tpg_auth"),
    "auth": ("acls", "acls_auth", "tpg_auth"),
    "nps": ("nps",),
    "tpgts": ("tpgts",),
    "nexus": ("nexus",),
    "cpus_allowed_list": (),
}
"""A word of the old format -> what a spec of today says for it."""

_COMMANDS = ("wwn_from_cmds", "wwn_from_cmds_filter", "wwn_from_files_filter")
_KEYS = ("features", "wwn_type", "kernel_module", "configfs_group", "wwn_from_files", *_COMMANDS)
_WWN_PATTERNS = {
    "naa": "((?:[0-9a-f]{2}:?){7}[0-9a-f]{2})",
    "eui": "((?:[0-9a-f]{2}:?){7}[0-9a-f]{2})",
}
_ANY_WWN = r"(\S+)"
_ISCSI_PORT = 3260

_CREDENTIALS = (
    ("userid", "string", "CHAP user that an initiator gives", ""),
    ("password", "secret", "CHAP password that belongs to userid", ""),
    ("userid_mutual", "string", "CHAP user with which the target proves itself", ""),
    ("password_mutual", "secret", "CHAP password that belongs to userid_mutual", ""),
)
_ENFORCE = ("enforce_discovery_auth", "bool", "Refuse discovery without these credentials", "0")


def parse(path: str) -> dict[str, Any]:
    """Return a `.spec` file as what spec_loader.parse returns of a spec that says the same.

    Raises SpecError with file, line and key.
    """
    file = _SpecFile(path)
    name = os.path.basename(path).removesuffix(".spec")
    if re.search(rules.NAME, name) is None:
        raise SpecError(f"{path}: {name!r} is no name of a fabric", path=path)
    words = file.words("features", _DEFAULT_FEATURES)
    features = [feature for word in words for feature in file.known("features", word)]
    # Every fabric has LUNs; whether a TPG can be enabled is asked of the kernel.
    features = ["luns", *dict.fromkeys(features), "enable"]
    plain: dict[str, Any] = {
        "kind": "fabric",
        "name": name,
        "group": file.matching("configfs_group", name, rules.NAME),
        "module": file.matching("kernel_module", f"{name}_target_mod", rules.MODULE),
        "help": f"Fabric {name}, as {os.path.basename(path)} describes it",
        "wwn_types": tuple(file.wwn_type(word) for word in file.words("wwn_type", "free")),
        "features": tuple(features),
        "attributes": _attributes(features),
    }
    if "nps" in features:
        plain["default_port"] = _ISCSI_PORT
    sources = file.words("wwn_from_files", "")
    if sources:
        pattern = _WWN_PATTERNS.get(plain["wwn_types"][0], _ANY_WWN)
        plain["wwn_sources"] = tuple(
            {"files": file.glob("wwn_from_files", source), "pattern": pattern} for source in sources
        )
    try:
        check_fabric(plain)
    except SpecError as error:
        file.fail(error.key, error.message)
    return plain


def differences(plain: dict[str, Any], described: dict[str, Any]) -> list[str]:
    """Return the keys in which a `.spec` says something else than a fuller spec of its name."""
    keys = [key for key in ("group", "module") if plain[key] != described[key]]
    keys += ["wwn_types"] if not set(plain["wwn_types"]) <= set(described["wwn_types"]) else []
    optional = {"enable"}
    if not set(plain["features"]) - optional <= set(described.get("features", ())):
        keys.append("features")
    return keys


def _attributes(features: list[str]) -> dict[str, Any]:
    """Return the groups of credentials that the features stand for."""
    groups: dict[str, Any] = {}
    credentials = tuple((*given, True, False, (), None, None) for given in _CREDENTIALS)
    for group in ("tpg_auth", "acls_auth"):
        if group in features:
            groups[group.replace("acls", "acl")] = credentials
    if "discovery_auth" in features:
        enforce = (*_ENFORCE, True, False, (), None, None)
        groups["discovery_auth"] = (*credentials, enforce)
    return groups


class _SpecFile:
    """The keys of one file with their lines."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._values: dict[str, tuple[str, int]] = {}
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
            raise SpecError(f"{path} cannot be read: {reason}", path=path) from error
        for number, line in enumerate(lines, 1):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            key, equals, value = (part.strip() for part in text.partition("="))
            if not equals or not re.fullmatch("[a-z_]+", key):
                self._fail_at(number, "", f"{text!r} is no line of the form key = value")
            if key not in _KEYS:
                self._fail_at(number, key, "unknown key", f"Known are: {', '.join(_KEYS)}")
            if key in _COMMANDS:
                self._fail_at(
                    number,
                    key,
                    "shell commands are not run out of a file of data",
                    "Remove the line and give WWNs by hand, or write a YAML spec with wwn_sources.",
                )
            if key in self._values:
                self._fail_at(number, key, "stands twice")
            self._values[key] = (value, number)

    def fail(self, key: str, problem: str, hint: str = "") -> NoReturn:
        self._fail_at(self._values.get(key, ("", 1))[1], key, problem, hint)

    def _fail_at(self, line: int, key: str, problem: str, hint: str = "") -> NoReturn:
        message = f"{self._path}:{line}: {key + ': ' if key else ''}{problem}"
        raise SpecError(message, hint=hint, path=self._path, line=line, key=key)

    def words(self, key: str, default: str) -> list[str]:
        """Return the comma-separated words of a key."""
        text = self._values.get(key, (default, 0))[0]
        words = [word.strip().strip("\"'") for word in text.split(",")]
        return [word for word in words if word]

    def known(self, key: str, feature: str) -> tuple[str, ...]:
        """Return what a feature is called today."""
        if feature not in _FEATURES:
            self.fail(key, f"{feature!r} is none of: {', '.join(_FEATURES)}")
        return _FEATURES[feature]

    def wwn_type(self, word: str) -> str:
        """Return a type of WWN."""
        if word not in rules.WWN_TYPES:
            self.fail("wwn_type", f"{word!r} is none of: {', '.join(rules.WWN_TYPES)}")
        return word

    def matching(self, key: str, default: str, pattern: str) -> str:
        """Return a single word that stays where it stands: no path, no option."""
        text = self._values.get(key, (default, 0))[0].strip("\"'")
        if re.search(pattern, text) is None:
            self.fail(key, f"{text!r} is not one plain name")
        return text

    def glob(self, key: str, text: str) -> str:
        """Return the path of files that may be read."""
        if re.search(rules.GLOB, text) is None:
            self.fail(key, f"{text!r} is no path of files below /sys or /proc")
        return text
