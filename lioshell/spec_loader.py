# SPDX-License-Identifier: Apache-2.0
"""Read one spec file: YAML text -> checked plain data, of which `lioshell.specs` makes a spec.

The YAML is taken as nodes, not as values, for two reasons: each error names its line, and a
default stays the text that was written (`default: Yes` is what the kernel shows, not a boolean).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from lioshell.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yaml import Node

    _Rule = Callable[["_Reader", Node, str], object]

_TYPES = ("string", "int", "bool", "size", "path", "enum", "secret")
_WWN_TYPES = ("iqn", "naa", "eui", "ib", "free")
_FABRIC_FEATURES = (
    *("tpgts", "luns", "acls", "acls_auth", "tpg_auth"),
    *("discovery_auth", "nps", "nexus", "enable"),
)
_BACKSTORE_FEATURES = ("alua", "serial", "model_alias")
_GROUPS = (
    *("discovery_auth", "tpg_attribute", "tpg_parameter", "tpg_auth"),
    *("acl_attribute", "acl_parameter", "acl_auth", "target_parameter"),
)


def parse(path: str) -> dict[str, object]:
    """Return a spec file as plain data: text, numbers, and tuples in `Parameter`'s order.

    Raises SpecError with file, line and key.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with open(path, encoding="utf-8") as file:
            root = yaml.compose(file, Loader=loader)
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}", path=path) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "no YAML text"
        raise SpecError(f"{path}:{line}: {problem}", path=path, line=line) from error
    reader = _Reader(path)
    if root is None:
        raise SpecError(f"{path}:1: the file is empty", path=path, line=1)
    kind = reader.keys(root, "").get("kind")
    is_fabric = kind is not None and reader.text(kind, "kind") == "fabric"
    return reader.table(root, "", _FABRIC if is_fabric else _BACKSTORE, required=True)


class _Reader:
    """Turns nodes into plain data; every method raises SpecError for what does not fit."""

    def __init__(self, path: str) -> None:
        self._path = path

    def fail(self, node: Node, key: str, problem: str, hint: str = "") -> NoReturn:
        line = node.start_mark.line + 1
        message = f"{self._path}:{line}: {key + ': ' if key else ''}{problem}"
        raise SpecError(message, hint=hint, path=self._path, line=line, key=key)

    def keys(self, node: Node, key: str) -> dict[str, Node]:
        """Return a mapping's nodes by key; a key that stands twice is an error."""
        from yaml import MappingNode

        if not isinstance(node, MappingNode):
            self.fail(node, key, "a mapping (key: value) is needed here")
        found: dict[str, Node] = {}
        for name_node, value in node.value:
            name = self.text(name_node, key)
            if name in found:
                self.fail(name_node, name, "stands twice")
            found[name] = value
        return found

    def table(
        self, node: Node, key: str, rules: Mapping[str, _Rule], *, required: bool
    ) -> dict[str, object]:
        """Return a mapping whose keys are known; `required` ones end with "!" in the rules."""
        nodes = self.keys(node, key)
        prefix = f"{key}." if key else ""
        known = {name.rstrip("!"): rule for name, rule in rules.items()}
        for name, value in nodes.items():
            if name not in known:
                hint = f"Known are: {', '.join(known)}"
                self.fail(value, f"{prefix}{name}", "unknown key", hint)
        for name in rules:
            if required and name.endswith("!") and name[:-1] not in nodes:
                self.fail(node, f"{prefix}{name[:-1]}", "is missing")
        return {n: known[n](self, value, f"{prefix}{n}") for n, value in nodes.items()}

    def text(self, node: Node, key: str) -> str:
        from yaml import ScalarNode

        if not isinstance(node, ScalarNode):
            self.fail(node, key, "one value is needed here")
        return str(node.value)

    def number(self, node: Node, key: str) -> int:
        text = self.text(node, key)
        try:
            return int(text)
        except ValueError:
            self.fail(node, key, f"{text!r} is no whole number")

    def boolean(self, node: Node, key: str) -> bool:
        text = self.text(node, key)
        if text not in ("true", "false"):
            self.fail(node, key, f"{text!r} is neither true nor false")
        return text == "true"

    def words(self, node: Node, key: str) -> tuple[str, ...]:
        from yaml import SequenceNode

        if not isinstance(node, SequenceNode):
            self.fail(node, key, "a list is needed here, as in [a, b]")
        return tuple(self.text(item, key) for item in node.value)

    def parameters(self, node: Node, key: str) -> tuple[tuple[object, ...], ...]:
        """Return each parameter as a tuple in the order of `Parameter`'s fields."""
        found = []
        for name, value in self.keys(node, key).items():
            at = f"{key}.{name}"
            given = self.table(value, at, _PARAMETER, required=True)
            if given["type"] == "enum" and not given.get("values"):
                self.fail(value, at, "an enum needs values")
            found.append(
                (
                    *(name, given["type"], given["help"], given.get("default")),
                    *(given.get("writable", True), given.get("required", False)),
                    *(given.get("values", ()), given.get("minimum"), given.get("maximum")),
                )
            )
        return tuple(found)

    def groups(self, node: Node, key: str) -> dict[str, object]:
        return self.table(node, key, dict.fromkeys(_GROUPS, _Reader.parameters), required=False)


def _one_of(words: tuple[str, ...]) -> _Rule:
    def check(reader: _Reader, node: Node, key: str) -> object:
        text = reader.text(node, key)
        if text not in words:
            reader.fail(node, key, f"{text!r} is none of: {', '.join(words)}")
        return text

    return check


def _some_of(words: tuple[str, ...]) -> _Rule:
    def check(reader: _Reader, node: Node, key: str) -> object:
        texts = reader.words(node, key)
        for text in texts:
            if text not in words:
                reader.fail(node, key, f"{text!r} is none of: {', '.join(words)}")
        return texts

    return check


_PARAMETER = {
    "type!": _one_of(_TYPES),
    "help!": _Reader.text,
    "default": _Reader.text,
    "writable": _Reader.boolean,
    "required": _Reader.boolean,
    "values": _Reader.words,
    "minimum": _Reader.number,
    "maximum": _Reader.number,
}
_COMMON = {
    "kind!": _one_of(("fabric", "backstore")),
    "name!": _Reader.text,
    "module!": _Reader.text,
    "help!": _Reader.text,
}
_FABRIC = {
    **_COMMON,
    "group!": _Reader.text,
    "wwn_types!": _some_of(_WWN_TYPES),
    "features": _some_of(_FABRIC_FEATURES),
    "default_port": _Reader.number,
    "attributes": _Reader.groups,
}
_BACKSTORE = {
    **_COMMON,
    "aliases": _Reader.words,
    "hba_prefix!": _Reader.text,
    "features": _some_of(_BACKSTORE_FEATURES),
    "create": _Reader.parameters,
    "control": _Reader.parameters,
    "attributes": _Reader.parameters,
}
