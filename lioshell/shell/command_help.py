# SPDX-License-Identifier: Apache-2.0
"""Help of a command, out of the docstring of its ui_command_* method.

A docstring has a first sentence, paragraphs, and at its end "Examples:" with one line each. The
examples are command lines that can be typed at the node; a test runs them all.
"""

from __future__ import annotations

import inspect

from lioshell.render.layout import Block
from lioshell.shell import grammar
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lioshell.shell.node import Node
    from lioshell.specs import Parameter

_EXAMPLES = "Examples:"


class CommandHelp(NamedTuple):
    """What a docstring says: its paragraphs, the first of which is a summary, and examples."""

    paragraphs: tuple[str, ...]
    examples: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first paragraph: one sentence or two."""
        return self.paragraphs[0] if self.paragraphs else ""

    @property
    def first_sentence(self) -> str:
        """The first sentence, or the part of it before its first semicolon: for a menu."""
        return self.summary.partition(". ")[0].partition("; ")[0].rstrip(".")


def read(docstring: str | None) -> CommandHelp:
    """Return what a docstring says."""
    text, _, examples = inspect.cleandoc(docstring or "").partition(_EXAMPLES)
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    lines = (line.strip() for line in examples.splitlines())
    return CommandHelp(tuple(filter(None, paragraphs)), tuple(filter(None, lines)))


def of(node: Node, command: str) -> CommandHelp:
    """Return the help of one of a node's commands, with examples that hold at this node.

    Where there is one example only, a second one does the same from anywhere, by the path.
    """
    found = read(node.get_command_method(command).__doc__)
    examples = []
    for example in (*found.examples, *node.more_examples(command)):
        for word, meaning in node.example_words().items():
            example = example.replace(word, meaning)
        examples.append(example)
    if len(examples) == 1:
        examples.append(f"{grammar.quote(node.path)} {examples[0]}")
    return CommandHelp(found.paragraphs, tuple(examples))


def page(node: Node, command: str) -> list[Block]:
    """Return the page of one of a node's commands: syntax, meaning, parameters, examples."""
    found = of(node, command)
    blocks = [Block(node.get_command_syntax(command)[0].strip())]
    blocks += [Block(text=paragraph) for paragraph in found.paragraphs]
    described = {p.name: p for p in node.parameters_of(command)}
    signature = inspect.signature(node.get_command_method(command)).parameters
    rows = [
        _row(described[name], signature.get(name))
        for name in node.get_command_signature(command)[0]
        if name in described
    ]
    if rows:
        blocks.append(Block("Parameters", rows=rows))
    if found.examples:
        blocks.append(Block("Examples", lines=found.examples))
    return blocks


_TYPES = {
    "string": "text",
    "int": "number",
    "bool": "true/false",
    "size": "bytes, 10G",
    "enum": "word",
    "secret": "password",
    "line": "command",
}
"""Types of the specs as a reader of help knows them; the others are called what they are."""


def _row(parameter: Parameter, declared: inspect.Parameter | None) -> tuple[str, str, str, str]:
    """Return a parameter's name, type, default and meaning; not `declared`: a handler's option."""
    default = parameter.default or (declared and declared.default)
    if declared is not None and declared.default is inspect.Parameter.empty:
        default = "required"
    kind = _TYPES.get(parameter.type, parameter.type)
    words = f" ({', '.join(parameter.values)})" if parameter.values else ""
    return (parameter.name, kind, str(default or "-"), parameter.help + words)
