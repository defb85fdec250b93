# SPDX-License-Identifier: Apache-2.0
"""The command `fabric new`: its words, and what it tells of what was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lioshell.errors import UsageError
from lioshell.specs import Parameter

if TYPE_CHECKING:
    from lioshell.shell.session import Session

PARAMETERS = (
    Parameter("action", "enum", "What to do", required=True, values=("new",)),
    Parameter("name", "string", "The module's name, as in nab5000", required=True),
    Parameter("proto", "enum", "The protocol", required=True, values=("FC", "SAS", "iSCSI")),
    Parameter("dir", "path", "The folder to make; ./tcm_NAME, when not given"),
    Parameter("headers", "path", "Kernel headers; the running kernel's, when not given"),
    Parameter("kernel_tree", "path", "A kernel's sources to add the module to"),
)


def run(session: Session, words: tuple[str, ...], named: dict[str, str]) -> None:
    """Run `fabric WORDS...`; options may be given as key=value or as --key VALUE."""
    positional, options = _taken_apart(words, named)
    if positional[:1] != ["new"] or len(positional) != 2:
        raise UsageError(
            "fabric takes: new NAME", hint="For example: fabric new nab5000 proto=iSCSI"
        )
    if "proto" not in options:
        raise UsageError(
            "Which protocol the fabric speaks is not given",
            hint=f"For example: fabric new {positional[1]} proto=iSCSI (or FC, SAS)",
        )
    from lioshell.fabricgen.generate import new_fabric

    made = new_fabric(
        positional[1],
        protocol=options["proto"],
        folder=options.get("dir", ""),
        headers=options.get("headers", ""),
        kernel_tree=options.get("kernel_tree", ""),
        taken=frozenset(session.lio.specs.fabric_names()),
        dry_run=session.lio.dry_run,
    )
    out = session.out
    verb = "would be made" if session.lio.dry_run else "made"
    out.say(f"{made.folder}: {verb} for {made.headers}", "good")
    for name in made.files:
        out.say(f"  {name}")
    for path in made.registered_in:
        out.say(f"{path}: {'would get' if session.lio.dry_run else 'has'} a line for it")
    if made.left_out:
        out.say(f"Left out, each of them may be added: {', '.join(made.left_out)}")
    spec = made.folder / f"{made.name.fabric}.yaml"
    if made.registered_in:
        out.say(f"Next: make menuconfig (CONFIG_{made.name.option}), make modules")
    else:
        out.say(f"Next: make -C {made.folder} && insmod {made.folder}/{made.name.module}.ko")
    out.say(f"      cp {spec} /etc/lioshell/specs.d/")


def _taken_apart(words: tuple[str, ...], named: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return positional words and options; raises UsageError for options that do not exist."""
    positional: list[str] = []
    options = dict(named)
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            positional.append(word)
            continue
        key, equals, value = word[2:].partition("=")
        key = key.replace("-", "_")
        if not equals:
            value = next(rest, "")
        if not value:
            raise UsageError(f"{word} wants a value", hint=f"Give one: {key}=VALUE")
        options[key] = value
    known = {p.name for p in PARAMETERS if p.name not in ("action", "name")}
    for key in options.keys() - known:
        raise UsageError(
            f"fabric has no parameter {key}", hint=f"There is: {' '.join(sorted(known))}"
        )
    return positional, options
