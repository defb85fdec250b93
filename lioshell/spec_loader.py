# SPDX-License-Identifier: Apache-2.0
"""Read one spec file: YAML text -> checked plain data, of which `lioshell.specs` makes a spec.

The YAML is taken as nodes, not as values, for two reasons: each error names its line, and a
default stays the text that was written (`default: Yes` is what the kernel shows, not a boolean).
"""

from __future__ import annotations

import re
from functools import partial

from lioshell import spec_rules as rules
from lioshell.errors import SpecError
from lioshell.spec_meaning import check_fabric, check_parameter, check_source
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

    from yaml import Event, Node

_MAX_CHARACTERS = 1 << 20
_TOO_DEEP = "nested too deeply"
_MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"


def parse(path: str) -> dict[str, Any]:
    """Return a spec file as plain data: text, numbers, and tuples in `Parameter`'s order.

    Raises SpecError with file, line and key.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX_CHARACTERS + 1)
        if len(text) > _MAX_CHARACTERS:
            raise SpecError(f"{path} is too long to be a spec", path=path)
        _refuse_depth(path, yaml.parse(text, Loader=loader))
        root = yaml.compose(text, Loader=loader)
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}", path=path) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "no YAML text"
        if "nesting depth" in problem:
            problem = _TOO_DEEP  # a newer libyaml looks ahead, and refuses it before us
        raise SpecError(f"{path}:{line}: {problem}", path=path, line=line) from error
    reader = _Reader(path)
    if root is None:
        raise SpecError(f"{path}:1: the file is empty", path=path, line=1)
    reader.refuse_cycles(root)
    kind = reader.keys(root, "").get("kind")
    if kind is not None and reader.text(kind, "kind") == "backstore":
        return reader.table(root, "", rules.BACKSTORE)
    plain = reader.table(root, "", rules.FABRIC)
    reader.judge(root, "", lambda: check_fabric(plain))
    return plain


def _refuse_depth(path: str, events: Iterable[Event]) -> None:
    """Refuse what is nested so deeply that libyaml would overflow its stack with the nodes."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        if kind.endswith(("MappingStartEvent", "SequenceStartEvent")):
            depth += 1
        elif kind.endswith(("MappingEndEvent", "SequenceEndEvent")):
            depth -= 1
        if depth > _MAX_DEPTH:
            mark = event.start_mark
            line = 1 if mark is None else mark.line + 1
            raise SpecError(f"{path}:{line}: {_TOO_DEEP}", path=path, line=line)


class _Reader:
    """Turns nodes into plain data; every method raises SpecError for what does not fit."""

    def __init__(self, path: str) -> None:
        self._path = path

    def fail(self, node: Node, key: str, problem: str, hint: str = "") -> NoReturn:
        line = node.start_mark.line + 1
        message = f"{self._path}:{line}: {key + ': ' if key else ''}{problem}"
        raise SpecError(message, hint=hint, path=self._path, line=line, key=key)

    def refuse_cycles(self, root: Node) -> None:
        """Refuse a node that holds itself, which YAML can say with an anchor."""
        stack: list[tuple[Node, frozenset[int]]] = [(root, frozenset())]
        seen: set[int] = set()
        while stack:
            node, above = stack.pop()
            if id(node) in above:
                self.fail(node, "", "refers to itself (a YAML anchor inside its own value)")
            if id(node) in seen or not isinstance(node.value, list):
                continue
            inside = above | {id(node)}
            children = [part for entry in node.value for part in _parts(entry)]
            # A node may stand in several places, as long as none of them is itself.
            if not any(id(child) in inside for child in children):
                seen.add(id(node))
            stack += [(child, inside) for child in children]

    def read(self, node: Node, key: str, rule: rules.Rule) -> Any:
        """Return a node as plain data, as its rule says."""
        match rule:
            case rules.Text():
                return self.line(node, key, rule)
            case rules.Choice():
                text = self.text(node, key)
                if text not in rule.words:
                    self.fail(node, key, f"{text!r} is none of: {', '.join(rule.words)}")
                return text
            case rules.Number():
                return self.number(node, key)
            case rules.Boolean():
                return self.boolean(node, key)
            case rules.Scalar():
                return self.scalar(node, key)
            case rules.ListOf():
                return self.items(node, key, rule)
            case rules.Table():
                return self.table(node, key, rule)
            case rules.Parameters():
                return self.parameters(node, key)

    def keys(self, node: Node, key: str) -> dict[str, Node]:
        """Return a mapping's nodes by key; a key that stands twice is an error."""
        from yaml import MappingNode

        if not isinstance(node, MappingNode):
            self.fail(node, key, "a mapping (key: value) is needed here")
        found: dict[str, Node] = {}
        for name_node, value in node.value:
            name = self.scalar(name_node, key)
            if name in found:
                self.fail(name_node, name, "stands twice")
            found[name] = value
        return found

    def table(self, node: Node, key: str, rule: rules.Table) -> dict[str, Any]:
        """Return a mapping whose keys are known."""
        nodes = self.keys(node, key)
        prefix = f"{key}." if key else ""
        for name, value in nodes.items():
            if name not in rule.keys:
                hint = f"Known are: {', '.join(rule.keys)}"
                self.fail(value, f"{prefix}{name}", "unknown key", hint)
        for name in rule.required:
            if name not in nodes:
                self.fail(node, f"{prefix}{name}", "is missing")
        if rule.one_of and sum(name in nodes for name in rule.one_of) != 1:
            self.fail(node, key, f"needs one of: {', '.join(rule.one_of)}")
        found = {n: self.read(v, f"{prefix}{n}", rule.keys[n]) for n, v in nodes.items()}
        if "pattern" in found:
            self.judge(nodes["pattern"], f"{prefix}pattern", lambda: check_source(found))
        return found

    def judge(self, node: Node, key: str, check: Callable[[], None]) -> None:
        """Run a check of what values mean together; its SpecError gets file and line."""
        try:
            check()
        except SpecError as error:
            at = ".".join(part for part in (key, error.key) if part)
            nodes = self.keys(node, key) if error.key and not key else {}
            self.fail(nodes.get(error.key, node), at, error.message, error.hint)

    def scalar(self, node: Node, key: str) -> str:
        from yaml import ScalarNode

        if not isinstance(node, ScalarNode) or node.tag == f"{_TAG}null":
            self.fail(node, key, "one value is needed here")
        return str(node.value)

    def text(self, node: Node, key: str) -> str:
        text = self.scalar(node, key)
        if node.tag != f"{_TAG}str":
            self.fail(node, key, f'a text is needed here: write "{text}" in quotes')
        return text

    def line(self, node: Node, key: str, rule: rules.Text) -> str:
        text = self.text(node, key)
        if re.search(rule.pattern, text) is None:
            self.fail(node, key, f"{text!r} is not {rule.what}")
        return text

    def number(self, node: Node, key: str) -> int:
        text = self.scalar(node, key)
        if node.tag != f"{_TAG}int" or not re.fullmatch("-?[0-9]{1,20}", text):
            self.fail(node, key, f"{text!r} is no whole number")
        return int(text)

    def boolean(self, node: Node, key: str) -> bool:
        text = self.scalar(node, key)
        if node.tag != f"{_TAG}bool" or text not in ("true", "false"):
            self.fail(node, key, f"{text!r} is neither true nor false")
        return text == "true"

    def items(self, node: Node, key: str, rule: rules.ListOf) -> tuple[Any, ...]:
        from yaml import SequenceNode

        if not isinstance(node, SequenceNode):
            self.fail(node, key, "a list is needed here, as in [a, b]")
        if len(node.value) < rule.least:
            self.fail(node, key, "needs at least one entry")
        return tuple(self.read(item, key, rule.item) for item in node.value)

    def parameters(self, node: Node, key: str) -> tuple[tuple[Any, ...], ...]:
        """Return each parameter as a tuple in the order of `Parameter`'s fields."""
        found = []
        for name, value in self.keys(node, key).items():
            at = f"{key}.{name}"
            if re.search(rules.NAME, name) is None:
                self.fail(value, at, f"{name!r} is no file name in a folder of configfs")
            given = self.table(value, at, rules.PARAMETER)
            tags = {n: v.tag.removeprefix(_TAG) for n, v in self.keys(value, at).items()}
            self.judge(value, at, partial(check_parameter, given, tags))
            found.append(
                (
                    *(name, given["type"], given["help"], given.get("default")),
                    *(given.get("writable", True), given.get("required", False)),
                    *(given.get("values", ()), given.get("minimum"), given.get("maximum")),
                    given.get("saved", True),
                )
            )
        return tuple(found)


def _parts(entry: Any) -> tuple[Node, ...]:
    """Return the nodes of one entry: of a mapping key and value, of a list the item."""
    return entry if isinstance(entry, tuple) else (entry,)
