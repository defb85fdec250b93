# SPDX-License-Identifier: Apache-2.0
"""The options of the command line (design.md, section 2); its one declaration."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from lioshell.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTSIDE_THE_TREE = ("serve", "exercise", "completion")
"""Commands that are words of the command line but not of the shell."""

_WITH_VALUE = "cfo"
"""Short options that have a value."""


@dataclass(frozen=True, slots=True)
class Options:
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


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints become our errors."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"lioshell: {message}", hint="See the options with: lioshell --help")


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser; the completions and the man page follow it."""
    made = _Parser(
        prog="lioshell",
        usage="lioshell [OPTIONS] [COMMAND WORDS...]",
        description="An admin shell for LIO, the SCSI target in the Linux kernel. Without words: "
        "interactive, or a script from standard input.",
        epilog="Commands outside the tree: serve (serve the user: devices), completion (print "
        "the completion of bash). All else: lioshell help, lioshell ls.",
        allow_abbrev=False,
        add_help=False,
    )
    add = made.add_argument
    add("-c", dest="lines", action="append", default=[], metavar="LINE", help="run LINE")
    add("-f", dest="script", metavar="FILE", help="run the script FILE")
    add("--keep-going", action="store_true", help="run all lines, fail at the end")
    add("--sim", metavar="[DIR]", help="use the simulated kernel, its state kept in DIR")
    add("--configfs", metavar="DIR", default="/sys/kernel/config", help="mount point of configfs")
    add("-o", dest="output", choices=("text", "json", "yaml"), default="text", help="form")
    add("-n", "--dry-run", action="store_true", help="print the writes instead of doing them")
    add("-y", "--yes", action="store_true", help="answer yes to every question")
    add("--color", choices=("auto", "always", "never"), default="auto", help="colours")
    add("-q", dest="quiet", action="store_true", help="answers that were asked for only")
    add("-v", dest="verbose", action="store_true", help="print every configfs write")
    add("--version", action="store_true", help="print the version")
    add("-h", "--help", action="store_true", help="print this help")
    return made


def parse(argv: Sequence[str], default_sim_dir: str) -> Options | str:
    """Return the options, or the text that --help or --version asks for; raises UsageError."""
    made = parser()
    options, words = _split(argv, default_sim_dir)
    found = made.parse_args(options)
    if found.help:
        return made.format_help()
    if found.version:
        from lioshell import __version__

        return f"lioshell {__version__}\n"
    sources = sum((bool(found.lines), found.script is not None, bool(words)))
    if sources > 1:
        raise UsageError(
            "Give either words, or -c, or -f", hint="See the options with: lioshell --help"
        )
    return Options(
        lines=tuple(found.lines),
        script=found.script,
        keep_going=found.keep_going,
        sim=found.sim,
        # A service that is started for the devices has another current folder.
        configfs=os.path.abspath(found.configfs),
        output=found.output,
        dry_run=found.dry_run,
        yes=found.yes,
        color=found.color,
        quiet=found.quiet,
        verbose=found.verbose,
        words=tuple(words),
    )


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
