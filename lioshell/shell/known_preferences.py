# SPDX-License-Identifier: Apache-2.0
"""The preferences there are: targetcli's, by its names and defaults, and our own."""

from __future__ import annotations

from lioshell.typed import NamedTuple


class Preference(NamedTuple):
    """One preference; `kind` is bool, int, string, or enum, whose words are `values`."""

    kind: str
    default: bool | int | str
    help: str
    values: tuple[str, ...] = ()


COLORS = (
    *("none", "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"),
    "default",
)
"""Of the terminal's palette; none leaves its text as it is."""

_LEVELS = ("debug", "info", "warning", "error", "critical")


def _color(default: str, what: str) -> Preference:
    return Preference("enum", default, f"Colour of {what} at the prompt.", COLORS)


PREFERENCES = {
    "auto_add_default_portal": Preference(
        "bool", True, "A new TPG listens on every address, port 3260."
    ),
    "auto_add_mapped_luns": Preference(
        "bool", True, "New LUNs are mapped for every initiator, and new initiators see every LUN."
    ),
    "auto_cd_after_create": Preference("bool", False, "Go to an object after creating it."),
    "auto_enable_tpgt": Preference("bool", True, "A new TPG is enabled at once."),
    "auto_save_on_exit": Preference("bool", True, "An interactive session saves when it ends."),
    "auto_use_daemon": Preference(
        "bool", False, "Of targetcli, kept for its scripts; there is no daemon to use."
    ),
    "color_command": _color("cyan", "commands"),
    "color_default": _color("none", "all else"),
    "color_keyword": _color("cyan", "the names of NAME=VALUE"),
    "color_mode": Preference("bool", True, "Answers and prompt have colours on a terminal."),
    "color_parameter": _color("magenta", "values"),
    "color_path": _color("magenta", "paths"),
    "complete_while_typing": Preference(
        "bool", False, "Completions are offered while one types, and not with Tab only."
    ),
    "confirm_destructive": Preference(
        "bool", True, "The prompt asks before a command that takes something away."
    ),
    "daemon_use_batch_mode": Preference(
        "bool", False, "Of targetcli, kept for its scripts; there is no daemon to use."
    ),
    "editing_mode": Preference("enum", "emacs", "Keys of the line editor.", values=("emacs", "vi")),
    "export_backstore_name_as_model": Preference(
        "bool", True, "Initiators see a storage object's name as the disk's model."
    ),
    "logfile": Preference(
        "string", "", "Commands that change something are noted in this file; empty for none."
    ),
    "loglevel_console": Preference(
        "enum",
        "info",
        "What is said beside the answers: from warning on, no more than that.",
        _LEVELS,
    ),
    "loglevel_file": Preference(
        "enum", "debug", "What logfile is told: debug all, info changes, error failures.", _LEVELS
    ),
    "max_backup_files": Preference("int", 10, "Saved configurations that are kept as backups."),
    "pager": Preference(
        "bool", True, "An answer longer than the screen is shown in $PAGER, or less."
    ),
    "prompt_length": Preference("int", 30, "Longest path in the prompt; 0 means no limit."),
    "runner_spin_us": Preference(
        "int",
        1000,
        "A session looks at busy disks for so many microseconds before it sleeps; 0: not at all.",
    ),
    "tree_max_depth": Preference("int", 0, "Levels that ls shows; 0 means all."),
    "tree_round_nodes": Preference("bool", True, "Nodes of the tree are o-, or else +-."),
    "tree_show_root": Preference("bool", True, "ls shows the place where it begins as well."),
    "tree_status_mode": Preference("bool", True, "ls shows each node's summary."),
}
