# SPDX-License-Identifier: Apache-2.0
"""The command `specs`: which fabrics and backstores are known, and what is wrong with files."""

from __future__ import annotations

import contextlib
import os

from lioshell.errors import NotFoundError, PartialError, SpecError, UsageError
from lioshell.lio.wwns import found_wwns, is_listed
from lioshell.shell.common_commands import ShellNode
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, ClassVar

    from lioshell.specs import BackstoreSpec, FabricSpec

_ACTIONS = ("list", "show", "check")


class SpecsCommand(ShellNode):
    """What a node needs to have the command."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "specs": (
            Parameter(
                *("action", "enum", "list all, show one, or check a file", "list"), values=_ACTIONS
            ),
            Parameter("subject", "path", "The name for show, the file for check"),
        ),
    }

    def ui_command_specs(self, action: str = "list", subject: str | None = None) -> None:
        """Tell what describes the fabrics and backstores: list, show NAME, check FILE.

        The list has the handlers of user: too; `/backstores/user:SUBTYPE info` tells more of one.

        `check` without FILE checks all that are loaded. Files of your own are read from
        /etc/lioshell/specs.d; docs/specs.md tells how to write one.

        Examples:
            specs list
            specs show iscsi
            specs check /etc/lioshell/specs.d/demo.yaml
        """
        if action == "list":
            if subject is not None:
                raise UsageError("specs list takes no name", hint=f"Type: specs show {subject}")
            self._list_specs()
        elif action == "show":
            if subject is None:
                raise UsageError("specs show needs a name", hint="See them with: specs list")
            self._show_spec(subject)
        elif action == "check":
            self._check_spec(subject)
        else:
            raise UsageError(
                f"specs cannot {action!r}",
                hint="Type: specs list, specs show NAME, specs check FILE",
            )

    def _list_specs(self) -> None:
        specs = self.lio.specs
        rows = [
            (n, "fabric", self._state(n), specs.path("fabric", n)) for n in specs.fabric_names()
        ]
        rows += [(n, "backstore", "", specs.path("backstore", n)) for n in specs.backstore_names()]
        rows += self._handlers()
        rows += [(_stem(e.path), "refused", e.message, e.path) for e in specs.problems()]
        self.out.table(("NAME", "KIND", "STATE", "FILE"), rows)

    def _handlers(self) -> list[tuple[str, str, str, str]]:
        """Return the subtypes of user: with what each lacks, and where it comes from."""
        from lioshell.runner.handlers import registry

        found = []
        for name in registry.names():
            missing = registry.unavailable(name)
            state = "" if missing is None else f"unavailable: {missing.why}"
            found.append((f"user:{name}", "handler", state, registry.origin(name)))
        return found

    def _state(self, name: str) -> str:
        """Tell whether a fabric stands in the tree, and if not, why."""
        try:
            spec = self.lio.specs.fabric(name)
        except SpecError:
            return "refused"
        system = self.lio.kernel.system
        if is_listed(spec, system):
            return "listed"
        return f"no {spec.hardware}" if spec.hardware else "no port of it on this machine"

    def _show_spec(self, name: str) -> None:
        specs = self.lio.specs
        with contextlib.suppress(NotFoundError):  # it may be a backstore
            self._show_fabric(specs.fabric(name))
            return
        try:
            backstore = specs.backstore(name)
        except NotFoundError:
            raise NotFoundError(
                f"There is no spec {name}", hint="See them with: specs list"
            ) from None
        self._show_backstore(backstore)

    def _show_fabric(self, spec: FabricSpec) -> None:
        fields: dict[str, Any] = {
            "name": spec.name,
            "aliases": ", ".join(spec.aliases),
            "kind": "fabric",
            "help": spec.help,
            "file": self.lio.specs.path("fabric", spec.name),
            "module": spec.module,
            "configfs": f"{self.lio.configfs.location}/{spec.group}",
            "features": ", ".join(sorted(spec.features)),
            "wwn_types": ", ".join(spec.wwn_types),
            "wwn_form": spec.wwn_form,
            "wwn_sources": ", ".join(source.files for source in spec.wwn_sources),
            "wwns_found": ", ".join(found_wwns(spec, self.lio.kernel.system)),
            "state": self._state(spec.name),
        }
        if spec.default_port is not None:
            fields["default_port"] = spec.default_port
        self._show(fields, dict(spec.attributes))

    def _show_backstore(self, spec: BackstoreSpec) -> None:
        fields: dict[str, Any] = {
            "name": spec.name,
            "aliases": ", ".join(spec.aliases),
            "kind": "backstore",
            "help": spec.help,
            "file": self.lio.specs.path("backstore", spec.name),
            "module": spec.module,
            "configfs": f"{self.lio.configfs.location}/core/{spec.hba_prefix}_N",
            "features": ", ".join(sorted(spec.features)),
        }
        groups = {"create": spec.create, "control": spec.control, "attributes": spec.attributes}
        self._show(fields, groups)

    def _show(self, fields: dict[str, Any], groups: dict[str, tuple[Parameter, ...]]) -> None:
        if self.out.form != "text":
            described = {group: list(map(_described, found)) for group, found in groups.items()}
            self.out.fields({**fields, "groups": described})
            return
        self.out.fields({key: value for key, value in fields.items() if value != ""})
        for group, found in groups.items():
            rows = [(p.name, p.default, _help(p), p.writable) for p in found]
            self.out.parameters(rows, title=group.upper().replace("_", " "))

    def _check_spec(self, path: str | None) -> None:
        specs = self.lio.specs
        if path is None:
            problems = specs.problems()
            if problems:
                error = PartialError(f"{len(problems)} spec files are refused", hint="Mend them.")
                error.details = tuple(str(problem) for problem in problems)
                raise error
            count = len(specs.fabric_names()) + len(specs.backstore_names())
            self.out.say(f"{count} specs, no mistakes", "good")
            return
        path = os.path.abspath(path)
        if not os.path.exists(path):
            raise NotFoundError(f"There is no file {path}", hint="Check the name.", path=path)
        kind, name, parameters = specs.check(path)
        self.out.say(f"{path}: {kind} {name}, {parameters} parameters, no mistakes", "good")


def _described(parameter: Parameter) -> dict[str, Any]:
    return dict(_fields(parameter))


def _fields(parameter: Parameter) -> Iterator[tuple[str, Any]]:
    for name in ("name", "type", "help", "default", "writable", "required"):
        yield name, getattr(parameter, name)
    if parameter.values:
        yield "values", list(parameter.values)
    for name in ("minimum", "maximum"):
        if getattr(parameter, name) is not None:
            yield name, getattr(parameter, name)


def _help(parameter: Parameter) -> str:
    """Return type, range and help in one line."""
    words = [parameter.type]
    if parameter.values:
        words.append("|".join(parameter.values))
    if parameter.minimum is not None or parameter.maximum is not None:
        low = "" if parameter.minimum is None else parameter.minimum
        high = "" if parameter.maximum is None else parameter.maximum
        words.append(f"{low}..{high}")
    if parameter.required:
        words.append("required")
    return f"({' '.join(words)}) {parameter.help}"


def _stem(path: str) -> str:
    return os.path.basename(path).rpartition(".")[0] or os.path.basename(path)
