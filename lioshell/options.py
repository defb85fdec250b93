# SPDX-License-Identifier: Apache-2.0
"""The options of the command line (design.md, section 2); its one declaration."""

from __future__ import annotations

import os

from lioshell.errors import UsageError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

OUTSIDE_THE_TREE = ("serve", "exercise", "completion")
"""Commands that are words of the command line but not of the shell."""

_WITH_VALUE = "cfo"
"""Short options that have a value."""


class Options(NamedTuple):
    """What the command line says; `words` is one shell command, unquoted by the calling shell."""

    lines: tuple[str, ...]
    script: str | None
    keep_going: bool
    sim: str | None
    configfs: str
    output: str
    dry_run: bool
    yes: bool
    color: str
    quiet: bool
    verbose: bool
    words: tuple[str, ...]

    @property
    def kernel_options(self) -> tuple[str, ...]:
        """The options that choose the kernel, for a process that is to use the same one."""
        if self.sim is not None:
            return (f"--sim={self.sim}",)
        return (f"--configfs={self.configfs}",)


class Option(NamedTuple):
    """One option; without `metavar` and `choices` it is a switch."""

    flags: tuple[str, ...]
    dest: str
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    default: str | None = None
    repeatable: bool = False

    @property
    def is_switch(self) -> bool:
        """Whether it has no value."""
        return not self.metavar and not self.choices


OPTIONS = (
    Option(("-c",), "lines", "run LINE", "LINE", repeatable=True),
    Option(("-f",), "script", "run the script FILE", "FILE"),
    Option(("--keep-going",), "keep_going", "run all lines, fail at the end"),
    Option(("--sim",), "sim", "use the simulated kernel, its state kept in DIR", "[DIR]"),
    Option(("--configfs",), "configfs", "mount point of configfs", "DIR", (), "/sys/kernel/config"),
    Option(("-o",), "output", "form", "", ("text", "json", "yaml"), "text"),
    Option(("-n", "--dry-run"), "dry_run", "print the writes instead of doing them"),
    Option(("-y", "--yes"), "yes", "answer yes to every question"),
    Option(("--color",), "color", "colours", "", ("auto", "always", "never"), "auto"),
    Option(("-q",), "quiet", "answers that were asked for only"),
    Option(("-v",), "verbose", "print every configfs write"),
    Option(("--version",), "version", "print the version"),
    Option(("-h", "--help"), "help", "print this help"),
)
"""The declaration that the parser, the completions and the man page follow."""


def parse(argv: Sequence[str], default_sim_dir: str) -> Options | str:
    """Return the options, or the text that --help or --version asks for; raises UsageError."""
    options, words = _split(argv, default_sim_dir)
    found = _plain(options)
    if found is None or found["help"]:
        from lioshell.option_parser import parser

        made = parser()
        found = vars(made.parse_args(options))
        if found["help"]:
            return made.format_help()
    if found["version"]:
        from lioshell import __version__

        return f"lioshell {__version__}\n"
    sources = sum((bool(found["lines"]), found["script"] is not None, bool(words)))
    if sources > 1:
        raise UsageError(
            "Give either words, or -c, or -f", hint="See the options with: lioshell --help"
        )
    chosen = {name: found[name] for name in Options._fields if name in found}
    chosen["lines"] = tuple(found["lines"])
    # A service that is started for the devices has another current folder.
    chosen["configfs"] = os.path.abspath(found["configfs"])
    return Options(**chosen, words=tuple(words))


def _plain(options: Sequence[str]) -> dict[str, Any] | None:
    """Return what options say that are written plainly, None for others.

    Those, and what is wrong, are for argparse, whose import takes as long as a short command.
    """
    by_flag = {flag: option for option in OPTIONS for flag in option.flags}
    found: dict[str, Any] = {
        o.dest: [] if o.repeatable else False if o.is_switch else o.default for o in OPTIONS
    }
    words = iter(options)
    for word in words:
        flag, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = by_flag.get(flag)
        if option is None or (option.is_switch and equals):
            return None
        if option.is_switch:
            found[option.dest] = True
            continue
        if not equals:
            value = next(words, "-")
            if value.startswith("-"):
                return None
        if option.choices and value not in option.choices:
            return None
        if option.repeatable:
            found[option.dest].append(value)
        else:
            found[option.dest] = value
    return found


def _split(argv: Sequence[str], default_sim_dir: str) -> tuple[list[str], list[str]]:
    """Return the options and the words behind them; --sim's folder is joined to it.

    `--sim` may be followed by a folder or by a command, and both may begin with "/": a word is the
    folder when it begins with "." or "~", or is an absolute path whose parent, other than "/",
    exists. "--" ends the options.
    """
    options: list[str] = []
    words = list(argv)
    while words and words[0].startswith("-") and len(words[0]) > 1:
        word = words.pop(0)
        if word == "--":
            break
        if _takes_the_next(word) and words:
            options += [word, words.pop(0)]
        elif word == "--sim":
            folder = words.pop(0) if words and _is_folder(words[0]) else default_sim_dir
            options.append(f"--sim={os.path.abspath(os.path.expanduser(folder))}")
        elif word.startswith("--sim="):
            folder = os.path.expanduser(word.removeprefix("--sim=")) or default_sim_dir
            options.append(f"--sim={os.path.abspath(folder)}")
        else:
            options.append(word)
    return options, words


def _takes_the_next(word: str) -> bool:
    """Tell whether an option's value is the next word: -c, -nc, --color."""
    if word.startswith("--"):
        return word in ("--color", "--configfs")
    # -cls is -c with its value, as in -ojson.
    return word[-1] in _WITH_VALUE and not any(letter in _WITH_VALUE for letter in word[1:-1])


def _is_folder(word: str) -> bool:
    if word.startswith((".", "~")):
        return True
    parent = os.path.dirname(word.rstrip("/"))
    return word.startswith("/") and parent != "/" and os.path.isdir(parent)
