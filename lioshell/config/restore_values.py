# SPDX-License-Identifier: Apache-2.0
"""Write saved values to configfs where they differ from what the kernel has."""

from __future__ import annotations

from lioshell.errors import DocumentError, KernelError
from lioshell.lio.alua import ALUA_WORDS
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction

_DEFAULT_ALUA_GROUP = "default_tg_pt_gp"
_CREDENTIALS = ("userid", "password", "mutual_userid", "mutual_password")
_PASSES = 3


def restore_values(
    lio: Lio,
    folder: str,
    values: Mapping[str, Any],
    absent: Callable[[str, DocumentError], None],
) -> None:
    """Write a table of attributes or parameters, each only where the kernel has another value.

    `absent` is told the attributes that this kernel does not have. The kernel changes some along
    with others (iscsi_target_tpg.c, iscsit_ta_generate_node_acls), so that what was written is
    looked at again until nothing differs. Raises KernelError for a value that is refused.
    """
    if not values:
        return
    found = _found(lio, folder)
    wanted = {}
    for name, value in values.items():
        if name in found or lio.dry_run or lio.configfs.exists(f"{folder}/{name}"):
            wanted[name] = _text(value)
        else:
            hint = "It was saved on another one; a save keeps it. Forget it with: unrestored forget"
            absent(name, DocumentError(f"This kernel has no attribute {name}", hint=hint))
    for _ in range(_PASSES):
        if not _write_differing(lio, folder, wanted, found):
            return
        found = _found(lio, folder)


def _found(lio: Lio, folder: str) -> dict[str, str]:
    try:
        return lio.configfs.values(folder)
    except KernelError:
        # There is no such folder; what is wanted of it is absent.
        return {}


def _write_differing(
    lio: Lio, folder: str, wanted: Mapping[str, str], found: Mapping[str, str]
) -> bool:
    """Write what differs from what was `found`, and tell whether anything did.

    After a write, which may have changed others, each is looked at anew.
    """
    wrote = False
    for name, text in wanted.items():
        path = f"{folder}/{name}"
        if not wrote and name in found:
            now: str | None = found[name]
        else:
            now = _text_now(lio, path)
        if now != text and (name in found or lio.configfs.is_writable(path)):
            lio.configfs.write(path, text)
            wrote = wrote or now is not None
    return wrote


def _text_now(lio: Lio, path: str) -> str | None:
    try:
        return lio.configfs.read(path)
    except KernelError as error:
        if error.operation != "read":
            raise
        # It can only be written (drivers/target, *_store without *_show).
        return None


def _text(value: object) -> str:
    if not isinstance(value, str | int):
        raise TypeError(f"a value is no text and no number: {value!r}")
    return str(int(value)) if isinstance(value, bool) else str(value)


def restore_alua_group(lio: Lio, steps: Transaction, path: str, group: dict[str, Any]) -> None:
    """Make an ALUA group of a storage object, or bring its own default group in line."""
    name = group["name"]
    if not isinstance(name, str) or "/" in name:
        raise ValueError(f"{name!r} is no name of an ALUA group")
    base = f"{path}/alua/{name}"
    if name != _DEFAULT_ALUA_GROUP and not lio.configfs.is_dir(base):
        steps.mkdir(base)
        lio.configfs.write(f"{base}/tg_pt_gp_id", str(int(group["tg_pt_gp_id"])))
    found = _found(lio, base)
    for key, value in group.items():
        if key in ("name", "tg_pt_gp_id"):
            continue
        path = f"{base}/{key}"
        if key not in found:
            if lio.configfs.exists(path):
                # It can be read alone; or it cannot, which is a failure then.
                lio.configfs.read(path)
            continue
        words = ALUA_WORDS.get(key)
        # Shown as words, written as a number: compare in the form that is shown.
        shown = words[value] if words and isinstance(value, int) else _text(value)
        if found[key] != shown:
            lio.configfs.write(path, _text(value))
            # The kernel may have changed others along with it.
            found = _found(lio, base)


def credentials(item: Mapping[str, Any], prefix: str = "chap_") -> dict[str, str]:
    """Return an object's CHAP users and passwords, by their names in the shell.

    The names of targetcli's man page, without the prefix, count as well. Raises DocumentError for a
    reference that led to no password.
    """
    values = {}
    for name in _CREDENTIALS:
        value = item.get(f"{prefix}{name}", item.get(name))
        if isinstance(value, dict):
            kind, where = next(iter(value.items()), ("password", "nothing"))
            raise DocumentError(
                f"{name} is in the {kind} {where}, which is not there",
                hint="Bring it back, then: restoreconfig --retry",
            )
        if value:
            values[name] = str(value)
    return values
