# SPDX-License-Identifier: Apache-2.0
"""Groups of attributes: the attrib, param, auth and discovery_auth folders of an object."""

from __future__ import annotations

import contextlib
import os
from functools import partial

from lioshell.errors import KernelError, NotFoundError, UsageError
from lioshell.model.secret import MASK, SECRET_PARAMETERS
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction
    from lioshell.specs import Parameter

_AUTH_FILES = {"mutual_userid": "userid_mutual", "mutual_password": "password_mutual"}
"""Today's names (targetcli-fb) of auth files whose configfs name is another."""

_DISCOVERY_FILES = {**_AUTH_FILES, "enable": "enforce_discovery_auth"}
_UNSET = "NULL"
"""What the kernel takes and shows for "no user, no password" (iscsi_target_auth / configfs)."""

_CREDENTIALS = ("/userid", "/password", "/userid_mutual", "/password_mutual")
_MAX_AUTH_BYTES = 255


class ParameterGroup:
    """One folder of attribute files, with today's names and the spec's descriptions.

    Files that the spec does not know are shown and set like the others. `require` makes a folder
    that comes into being with its first change; until then it reads as the spec describes it.
    """

    def __init__(
        self,
        lio: Lio,
        name: str,
        folder: str,
        declared: Sequence[Parameter] = (),
        *,
        require: Callable[[], None] | None = None,
    ) -> None:
        self.lio = lio
        self._require = require
        self.name = name
        self.folder = folder
        self.declared: Mapping[str, Parameter] = {p.name: p for p in declared}
        self._files = {"auth": _AUTH_FILES, "discovery_auth": _DISCOVERY_FILES}.get(name, {})

    def names(self) -> list[str]:
        """Return the parameters' names, sorted."""
        shown = {file: name for name, file in self._files.items()}
        files = self.declared if self._is_to_be_made else self.lio.configfs.listdir(self.folder)
        return sorted(shown.get(file, file) for file in files)

    @property
    def _is_to_be_made(self) -> bool:
        return self._require is not None and not self.lio.configfs.is_dir(self.folder)

    def file_of(self, name: str) -> str:
        """Return the configfs path of a parameter given by today's or its file's name."""
        return f"{self.folder}/{self._files.get(name, name)}"

    def _declaration(self, name: str) -> Parameter | None:
        return self.declared.get(name) or self.declared.get(self._files.get(name, name))

    def help_of(self, name: str) -> str:
        """Return the spec's line on a parameter, "" for one that it does not know."""
        declared = self._declaration(name)
        return "" if declared is None else declared.help

    def is_secret(self, name: str) -> bool:
        """Tell whether a parameter's value is a password."""
        return name in SECRET_PARAMETERS

    def get(self, name: str, *, reveal: bool = False) -> str:
        """Return a parameter's value; a password as *** unless `reveal`.

        Raises NotFoundError.
        """
        path = self._existing(name)
        declared = self._declaration(name)
        if declared is not None and self._is_to_be_made:
            return declared.default or ""
        value = self.shown(name, self.lio.configfs.read(path))
        if self._is_credential(name):
            value = "" if value == _UNSET else value
            if self.is_secret(name) and value and not reveal:
                return MASK
        return value

    def shown(self, name: str, text: str) -> str:  # noqa: ARG002  # for subclasses
        """Return what is shown, and could be written, for a text that the kernel gives."""
        return text

    def is_writable(self, name: str) -> bool:
        """Tell whether the kernel lets root change a parameter."""
        declared = self._declaration(name)
        if declared is not None and self._is_to_be_made:
            return declared.writable
        return self.lio.configfs.is_writable(self.file_of(name))

    def set_all(self, values: Mapping[str, str]) -> None:
        """Write several parameters, all or none of them.

        Raises NotFoundError, UsageError (read-only, bad value) or KernelError.
        """
        with self.lio.transaction() as steps:
            if self._require is not None:
                self._require()
            texts = {name: self._checked(name, value) for name, value in values.items()}
            if len(texts) > 1:
                # The kernel changes some of them along with others (iscsi_target_tpg.c,
                # iscsit_ta_generate_node_acls): undone is what reads as before.
                self.keep(steps)
            for name, text in texts.items():
                secret = self.is_secret(name)
                unset = _UNSET if self._is_credential(name) else None
                try:
                    steps.change(
                        self.file_of(name),
                        text,
                        secret=secret,
                        unset=unset,
                        to_write=partial(self.shown, name),
                    )
                except KernelError as error:
                    error.hint = error.hint or (
                        f"{name}={MASK if secret else text} is not possible here; "
                        f"see what it is now with: get {self.name} {name}"
                    )
                    raise

    def keep(self, steps: Transaction) -> None:
        """Have all values put back when the steps are undone."""
        before = self._readable()
        steps.on_failure(f"restore {self.folder}", lambda: self._put_back(before))

    def _is_credential(self, name: str) -> bool:
        """Tell whether a parameter is a user or a password, which NULL unsets."""
        return bool(self._files) and self.file_of(name).endswith(_CREDENTIALS)

    def _readable(self) -> dict[str, str]:
        """Return what can be read and written, by name."""
        found = {}
        for name in self.names():
            path = self.file_of(name)
            if self.lio.configfs.is_writable(path) and not self._is_credential(name):
                # Some can only be written (drivers/target, *_store without *_show).
                with contextlib.suppress(KernelError):
                    found[name] = self.shown(name, self.lio.configfs.read(path))
        return found

    def _put_back(self, before: Mapping[str, str]) -> None:
        for name, value in before.items():
            path = self.file_of(name)
            if self.shown(name, self.lio.configfs.read(path)) != value:
                self.lio.configfs.write(path, value)

    def has(self, name: str) -> bool:
        """Tell whether there is such a parameter, or will be with the group's first change."""
        if self._is_to_be_made and self._declaration(name) is not None:
            return True
        return self.lio.configfs.exists(self.file_of(name))

    def _existing(self, name: str) -> str:
        """Return the configfs path of a parameter; raises NotFoundError."""
        path = self.file_of(name)
        if not self.has(name):
            raise NotFoundError(
                f"There is no parameter {name} in group {self.name}",
                hint=f"See them with: get {self.name}",
                path=path,
            )
        return path

    def _checked(self, name: str, value: str) -> str:
        """Return the text that the kernel wants for a value."""
        path = self._existing(name)
        if not self.is_writable(name):
            raise UsageError(
                f"Parameter {name} is read-only", hint="The kernel fixes it.", path=path
            )
        if "\n" in value or "\0" in value:
            raise UsageError(f"The value of {name} holds a line break", hint="Give one line.")
        if self._is_credential(name):
            if len(os.fsencode(value)) > _MAX_AUTH_BYTES:
                raise UsageError(f"The value of {name} is longer than {_MAX_AUTH_BYTES} bytes")
            return value or _UNSET
        if not value:
            raise UsageError(
                f"{name}= lacks its value",
                hint=f"See what it is now with: get {self.name} {name}",
                path=path,
            )
        declared = self._declaration(name)
        if declared is not None and declared.type == "int" and not _is_int(value):
            raise UsageError(f"{value!r} is no number, as {name} has to be", hint=declared.help)
        if declared is not None and declared.type == "bool":
            return _kernel_bool(value)
        return value


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
