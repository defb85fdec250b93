# SPDX-License-Identifier: Apache-2.0
"""The grammar of spec files, as data: spec_loader.py reads by it, spec_schema.py translates it.

One description for both, so that the JSON schema of editors and the loader cannot come to differ.
What relates one value to another (a default outside its range) is checked by the loader alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

END = r"(?![\s\S])"
"""End of the text, without the line break that `$` lets pass; the same in Python and ECMAScript."""

_FILE = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
_COMPONENT = r"(?!\.\.?(?:/|" + END + r"))[^/\x00-\x1f]+"

NAME = f"^{_FILE}{END}"
"""One component of a path: no "/", no "..", nothing that leaves the folder it stands in."""

MODULE = f"^[A-Za-z0-9_][A-Za-z0-9_-]*{END}"
LINE = r"^[^\x00-\x1f]+" + END
GLOB = f"^/(?:sys|proc)(?:/{_COMPONENT})+{END}"
LINK = rf"^(?:\.\./){{0,8}}{_FILE}{END}"

TYPES = ("string", "int", "bool", "size", "path", "enum", "secret")
WWN_TYPES = ("iqn", "naa", "eui", "ib", "free")
WWN_FORMS = ("plain", "bare", "colons", "hex")
FABRIC_FEATURES = (
    *("tpgts", "luns", "acls", "acls_auth", "tpg_auth"),
    *("discovery_auth", "nps", "nexus", "enable"),
)
BACKSTORE_FEATURES = ("alua", "serial", "model_alias")
GROUPS = (
    *("fabric", "discovery_auth", "target_parameter"),
    *("tpg", "tpg_attribute", "tpg_parameter", "tpg_auth", "portal"),
    *("acl", "acl_attribute", "acl_parameter", "acl_auth"),
)


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text that matches a pattern; `what` names it in an error."""

    pattern: str = LINE
    what: str = "one line of text"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number."""


@dataclass(frozen=True, slots=True)
class Boolean:
    """true or false."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value, kept as it was written: `Yes` stays what the kernel shows."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one kind."""

    item: Rule
    least: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with known keys; of `one_of` there is exactly one."""

    keys: Mapping[str, Rule]
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameters:
    """A mapping of names to what each parameter is (`PARAMETER`)."""


Rule = Text | Choice | Number | Boolean | Scalar | ListOf | Table | Parameters

PARAMETER = Table(
    {
        "type": Choice(TYPES),
        "help": Text(),
        "default": Scalar(),
        "writable": Boolean(),
        "required": Boolean(),
        "values": ListOf(Scalar()),
        "minimum": Number(),
        "maximum": Number(),
        "saved": Boolean(),
    },
    required=("type", "help"),
)

_SOURCE = Table(
    {
        "files": Text(GLOB, "the path of files below /sys or /proc, * for any name"),
        "pattern": Text(what="a regular expression with one group"),
        "where": ListOf(
            Table(
                {
                    "link": Text(LINK, "the way from the file's folder to a link"),
                    "file": Text(NAME, "the name of a file in the same folder"),
                    "is": Text(),
                },
                required=("is",),
                one_of=("link", "file"),
            )
        ),
    },
    required=("files", "pattern"),
)

_COMMON: dict[str, Rule] = {
    "name": Text(NAME, "a name of letters, digits and . _ + -"),
    "aliases": ListOf(Text(NAME, "a name of letters, digits and . _ + -")),
    "module": Text(MODULE, "the name of a kernel module"),
    "help": Text(),
}

FABRIC = Table(
    {
        "kind": Choice(("fabric",)),
        **_COMMON,
        "group": Text(NAME, "the name of one folder in configfs' target folder"),
        "wwn_types": ListOf(Choice(WWN_TYPES), least=1),
        "wwn_form": Choice(WWN_FORMS),
        "wwn_fixed": Boolean(),
        "wwn_sources": ListOf(_SOURCE, least=1),
        "hardware": Text(GLOB, "the path of files below /sys or /proc, * for any name"),
        "features": ListOf(Choice(FABRIC_FEATURES)),
        "enable_needs_luns": Boolean(),
        "default_port": Number(),
        "attributes": Table(dict.fromkeys(GROUPS, Parameters())),
    },
    required=("kind", "name", "group", "module", "help", "wwn_types"),
)

BACKSTORE = Table(
    {
        "kind": Choice(("backstore",)),
        **_COMMON,
        "hba_prefix": Text(NAME, "the name of a folder in core/, without its number"),
        "features": ListOf(Choice(BACKSTORE_FEATURES)),
        "create": Parameters(),
        "control": Parameters(),
        "attributes": Parameters(),
    },
    required=("kind", "name", "hba_prefix", "module", "help"),
)
