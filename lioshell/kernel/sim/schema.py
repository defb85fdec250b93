# SPDX-License-Identifier: Apache-2.0
"""The words in which the simulated kernel's rules are written: attributes and groups.

What configfs calls a config_item_type: which attributes and default groups a folder has, what
mkdir makes in it, what may be linked in it (include/linux/configfs.h).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from lioshell.kernel.sim import values
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lioshell.kernel.sim.simulation import Simulation
    from lioshell.specs import Parameter

READ_WRITE = 0o644
READ_ONLY = 0o444
WRITE_ONLY = 0o200


@dataclass(frozen=True, slots=True)
class Write:
    """One write(2) to an attribute; `path` and `folder` are relative to the target folder."""

    sim: Simulation
    path: str
    value: str

    @property
    def folder(self) -> str:
        """The folder that holds the attribute."""
        return self.path.rpartition("/")[0]

    @property
    def parent(self) -> str:
        """The folder above: the object, for an attribute of one of its default groups."""
        return self.folder.rpartition("/")[0]

    def read(self, path: str) -> str:
        """Return another attribute's text, as in `read("attrib/block_size")` of `parent`."""
        return self.sim.tree.text(path)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: the text of its file when it is made, and what a write does.

    `store` returns the file's new text, or None when it stays; it raises `Refused`. `own`: most
    objects have another text there sooner or later, so that it is not worth sharing the first.
    """

    text: str = ""
    mode: int = READ_WRITE
    store: Callable[[Write], str | None] | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """What mkdir gives a new object beyond what its group says.

    `texts`: attribute path below the object -> text. `state`: what the kernel knows of it and no
    attribute shows.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    state: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of folder.

    `make(sim, folder, name)` checks a mkdir in it, and `child(name)` is the kind that it makes;
    without them mkdir is EPERM. `link(sim, folder, target)` checks a link in it (without: EPERM),
    `linked` and `unlinked` do what follows from one. `created(sim, path)` is called after a folder
    of this kind was made, `drop(sim, path)` before one goes. Only `make` and `link` may raise
    `Refused`.
    """

    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    make: Callable[[Simulation, str, str], Made] | None = None
    child: Callable[[str], Group | None] | None = None
    link: Callable[[Simulation, str, str], None] | None = None
    linked: Callable[[Simulation, str, str], None] | None = None
    unlinked: Callable[[Simulation, str, str], None] | None = None
    created: Callable[[Simulation, str], None] | None = None
    drop: Callable[[Simulation, str], None] | None = None


EMPTY = Group()


def read_only(text: str) -> Attribute:
    """Return an attribute that only the kernel changes; `text` without its newline."""
    return Attribute(f"{text}\n", READ_ONLY)


def from_parameter(parameter: Parameter, *, fabric: bool, text: str | None = None) -> Attribute:
    """Return the attribute that a spec's parameter describes; `text` stands for its default.

    Fabrics read a switch as a number, backstores as a word (iscsi_target_configfs.c has
    kstrtou32, target_core_configfs.c strtobool).
    """
    shown = (parameter.default or "") if text is None else text
    if not parameter.writable:
        return read_only(shown)

    def store(write: Write) -> str | None:
        return f"{_checked(parameter, write.value, fabric=fabric)}\n"

    return Attribute(f"{shown}\n", READ_WRITE, store)


def _checked(parameter: Parameter, value: str, *, fabric: bool) -> str:
    kind = parameter.type
    if kind == "bool" and not fabric:
        return str(int(values.switch(value)))
    if kind == "size":
        return str(values.unsigned(value, 64))
    if kind in ("int", "bool"):
        minimum = parameter.minimum or 0
        maximum = 1 if kind == "bool" else parameter.maximum
        number = values.signed(value) if minimum < 0 else values.unsigned(value)
        if number < minimum or (maximum is not None and number > maximum):
            raise values.Refused(errno.EINVAL)
        return str(number)
    if kind == "enum":
        word = value.removesuffix("\n")
        if all(known.isdigit() for known in parameter.values):
            word = str(values.unsigned(value))
        if word not in parameter.values:
            raise values.Refused(errno.EINVAL)
        return word
    return value
