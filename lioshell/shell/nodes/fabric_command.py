# SPDX-License-Identifier: Apache-2.0
"""The command `fabric new`: its words, and what it tells of what was made."""

from __future__ import annotations

from lioshell.errors import UsageError
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.option_words import taken_apart
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar

    from lioshell.shell.session import Session

PARAMETERS = (
    Parameter("action", "enum", "What to do", required=True, values=("new",)),
    Parameter("name", "string", "The module's name, as in nab5000", required=True),
    Parameter("proto", "enum", "The protocol", values=("FC", "SAS", "iSCSI")),
    Parameter("dir", "path", "The folder to make; ./tcm_NAME, when not given"),
    Parameter("headers", "path", "Kernel headers; the running kernel's, when not given"),
    Parameter("kernel_tree", "path", "A kernel's sources to add the module to"),
)


class FabricCommand(ShellNode):
    """What a node needs to have the command."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {"fabric": PARAMETERS}

    def ui_command_fabric(self, *words: str, **options: str) -> None:
        """Make the sources of a new kernel fabric module: `fabric new NAME proto=FC|SAS|iSCSI`.

        The folder is ./tcm_NAME or dir=DIR; kernel_tree=DIR adds the module to a kernel's sources.
        The callbacks are those of the running kernel's headers or of headers=DIR; a spec file for
        lioshell is made with them.

        Examples:
            fabric new nab5000 --proto iSCSI --dir /root/nab5000 --headers /root/linux
            fabric new nab5000 proto=FC dir=/root/nab5000 headers=/root/linux
        """
        new_fabric(self.session, words, options)


def new_fabric(session: Session, words: tuple[str, ...], named: dict[str, str]) -> None:
    """Run `fabric WORDS...`; options may be given as key=value or as --key VALUE."""
    positional, given = taken_apart("fabric", words, named, PARAMETERS, {})
    options = {name: values[-1] for name, values in given.items()}
    if positional[:1] != ["new"] or len(positional) != 2:
        raise UsageError(
            "fabric takes: new NAME", hint="For example: fabric new nab5000 proto=iSCSI"
        )
    if "proto" not in options:
        raise UsageError(
            "Which protocol the fabric speaks is not given",
            hint=f"For example: fabric new {positional[1]} proto=iSCSI (or FC, SAS)",
        )
    from lioshell.fabricgen import generate

    made = generate.new_fabric(
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
