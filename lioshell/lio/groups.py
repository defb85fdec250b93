# SPDX-License-Identifier: Apache-2.0
"""Groups of attributes: the attrib, param, auth and discovery_auth folders of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lioshell.errors import KernelError, NotFoundError, UsageError
from lioshell.model.secret import MASK, SECRET_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lioshell.lio.root import Lio
    from lioshell.specs import Parameter

_AUTH_FILES = {"mutual_userid": "userid_mutual", "mutual_password": "password_mutual"}
"""Today's names (targetcli-fb) of auth files whose configfs name is another."""

_DISCOVERY_FILES = {**_AUTH_FILES, "enable": "enforce_discovery_auth"}
_UNSET = "NULL"
"""What the kernel takes and shows for "no user, no password" (iscsi_target_auth / configfs)."""

_MAX_AUTH_BYTES = 255


class ParameterGroup:
    """One folder of attribute files, with today's names and the spec's descriptions.

    Files that the spec does not know are shown and set like the others.
    """

    def __init__(
        self, lio: Lio, name: str, folder: str, declared: Sequence[Parameter] = ()
    ) -> None:
        self.lio = lio
        self.name = name
        self.folder = folder
        self.declared: Mapping[str, Parameter] = {p.name: p for p in declared}
        self._files = {"auth": _AUTH_FILES, "discovery_auth": _DISCOVERY_FILES}.get(name, {})

    def names(self) -> list[str]:
        """Return the parameters' names, sorted."""
        shown = {file: name for name, file in self._files.items()}
        return sorted(shown.get(file, file) for file in self.lio.configfs.listdir(self.folder))

    def file_of(self, name: str) -> str:
        """Return the configfs path of a parameter given by today's or its file's name."""
        return f"{self.folder}/{self._files.get(name, name)}"

    def help_of(self, name: str) -> str:
        """Return the spec's line on a parameter, "" for one that it does not know."""
        for key in (name, self._files.get(name, name)):
            if key in self.declared:
                return self.declared[key].help
        return ""

    def is_secret(self, name: str) -> bool:
        """Tell whether a parameter's value is a password."""
        return name in SECRET_PARAMETERS

    def get(self, name: str, *, reveal: bool = False) -> str:
        """Return a parameter's value; a password as *** unless `reveal`.

        Raises NotFoundError.
        """
        path = self.file_of(name)
        if not self.lio.configfs.exists(path):
            raise NotFoundError(
                f"There is no parameter {name} in group {self.name}",
                hint=f"See them with: get {self.name}",
                path=path,
            )
        value = self.lio.configfs.read(path)
        if self._files:
            value = "" if value == _UNSET else value
            if self.is_secret(name) and value and not reveal:
                return MASK
        return value

    def is_writable(self, name: str) -> bool:
        """Tell whether the kernel lets root change a parameter."""
        return self.lio.configfs.is_writable(self.file_of(name))

    def set_all(self, values: Mapping[str, str]) -> None:
        """Write several parameters, all or none of them.

        Raises NotFoundError, UsageError (read-only, bad value) or KernelError.
        """
        for name, value in values.items():
            self._check(name, value)
        with self.lio.transaction() as steps:
            for name, value in values.items():
                text = value or _UNSET if self._files and name != "enable" else value
                if self.declared.get(name) is not None and self.declared[name].type == "bool":
                    text = _kernel_bool(value)
                try:
                    steps.change(self.file_of(name), text, secret=self.is_secret(name))
                except KernelError as error:
                    shown = MASK if self.is_secret(name) else value
                    error.hint = error.hint or (
                        f"{name}={shown} is not possible here; "
                        f"see what it is now with: get {self.name} {name}"
                    )
                    raise

    def _check(self, name: str, value: str) -> None:
        path = self.file_of(name)
        if not self.lio.configfs.exists(path):
            raise NotFoundError(
                f"There is no parameter {name} in group {self.name}",
                hint=f"See them with: get {self.name}",
                path=path,
            )
        if not self.is_writable(name):
            raise UsageError(
                f"Parameter {name} is read-only", hint="The kernel fixes it.", path=path
            )
        if "\n" in value or "\0" in value:
            raise UsageError(f"The value of {name} holds a line break", hint="Give one line.")
        if self._files and len(value.encode()) > _MAX_AUTH_BYTES:
            raise UsageError(f"The value of {name} is longer than {_MAX_AUTH_BYTES} bytes")
        declared = self.declared.get(name)
        if declared is not None and declared.type == "int" and not _is_int(value):
            raise UsageError(f"{value!r} is no number, as {name} has to be", hint=declared.help)


def _kernel_bool(value: str) -> str:
    if value.lower() in ("1", "true", "yes", "on"):
        return "1"
    if value.lower() in ("0", "false", "no", "off"):
        return "0"
    raise UsageError(f"{value!r} is neither true nor false", hint="Give 1 or 0.")


def _is_int(value: str) -> bool:
    try:
        int(value, 0)
    except ValueError:
        return False
    return True
