# SPDX-License-Identifier: Apache-2.0
"""The command line's options for argparse: their help, their short forms, what is wrong with them.

Apart from their declaration, because importing argparse takes as long as a short command.
"""

from __future__ import annotations

import argparse

from lioshell.errors import UsageError
from lioshell.options import OPTIONS
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints become our errors."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"lioshell: {message}", hint="See the options with: lioshell --help")


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
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
    for option in OPTIONS:
        if option.is_switch:
            made.add_argument(
                *option.flags, dest=option.dest, action="store_true", help=option.help
            )
        elif option.repeatable:
            made.add_argument(
                *option.flags,
                dest=option.dest,
                action="append",
                default=[],
                metavar=option.metavar,
                help=option.help,
            )
        else:
            made.add_argument(
                *option.flags,
                dest=option.dest,
                choices=option.choices or None,
                default=option.default,
                metavar=option.metavar or None,
                help=option.help,
            )
    return made
