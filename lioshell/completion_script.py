# SPDX-License-Identifier: Apache-2.0
"""`lioshell completion`: the completion of bash, made from the command line's declaration."""

from __future__ import annotations

from lioshell.errors import UsageError
from lioshell.option_parser import parser
from lioshell.options import OUTSIDE_THE_TREE
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCRIPT = """\
# bash completion of lioshell; made by: lioshell completion bash
_lioshell() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    case $previous in
        -f|--configfs|--sim)
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        -o)
            mapfile -t COMPREPLY < <(compgen -W '{outputs}' -- "$current")
            return ;;
        --color)
            mapfile -t COMPREPLY < <(compgen -W '{colors}' -- "$current")
            return ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{options}' -- "$current")
    elif [[ $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{words}' -- "$current")
    fi
}}
complete -o default -F _lioshell lioshell
"""


def completion_script(words: Sequence[str]) -> str:
    """Return the script of a shell; raises UsageError for another shell than bash."""
    shell = words[0] if words else "bash"
    if shell != "bash" or len(words) > 1:
        raise UsageError(
            f"There is no completion for {' '.join(words)}", hint="Type: lioshell completion bash"
        )
    options: list[str] = []
    choices: dict[str, str] = {}
    for action in parser()._actions:  # noqa: SLF001  # argparse has no public list of them
        options += action.option_strings
        if action.choices:
            choices[action.dest] = " ".join(action.choices)
    commands = ("ls", "help", "version", "saveconfig", "restoreconfig", *OUTSIDE_THE_TREE)
    return _SCRIPT.format(
        outputs=choices["output"],
        colors=choices["color"],
        options=" ".join(options),
        words=" ".join(commands),
    )
