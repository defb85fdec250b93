# SPDX-License-Identifier: Apache-2.0
"""Help of a command, out of the docstring of its ui_command_* method.

A docstring has a first sentence, paragraphs, and at its end "Examples:" with one line each. The
examples are command lines that can be typed at the node; a test runs them all.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, NamedTuple

from lioshell.render.layout import Block

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
    text, _, examples = cleandoc(docstring or "").partition(_EXAMPLES)
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    lines = (line.strip() for line in examples.splitlines())
    return CommandHelp(tuple(filter(None, paragraphs)), tuple(filter(None, lines)))


def of(node: Node, command: str) -> CommandHelp:
    """Return the help of one of a node's commands, with examples that hold at this node."""
    found = read(node.get_command_method(command).__doc__)
    examples = []
    for example in (*found.examples, *node.more_examples(command)):
        for word, meaning in node.example_words().items():
            example = example.replace(word, meaning)
        examples.append(example)
    return CommandHelp(found.paragraphs, tuple(examples))


def page(node: Node, command: str) -> list[Block]:
    """Return the page of one of a node's commands: syntax, meaning, parameters, examples."""
    found = of(node, command)
    blocks = [Block(node.get_command_syntax(command)[0].strip())]
    blocks += [Block(text=paragraph) for paragraph in found.paragraphs]
    described = {p.name: p for p in node.parameters_of(command)}
    names = node.get_command_signature(command)[0]
    rows = [(name, _meaning(described[name])) for name in names if name in described]
    if rows:
        blocks.append(Block("Parameters", rows=rows))
    if found.examples:
        blocks.append(Block("Examples", lines=found.examples))
    return blocks


def _meaning(parameter: Parameter) -> str:
    """Return a parameter's line of help with what may be given and what holds without it."""
    notes = []
    if parameter.type == "bool":
        notes.append("true or false")
    elif parameter.values:
        notes.append(" or ".join(parameter.values))
    if parameter.default is not None:
        notes.append(f"default {parameter.default}")
    return parameter.help + (f" ({', '.join(notes)})" if notes else "")
