# SPDX-License-Identifier: Apache-2.0
"""Export: one file or block device as an iSCSI target with one LUN, and the way back."""

from __future__ import annotations

import os
import re

from lioshell.errors import ConflictError, KernelError, NotFoundError, UsageError
from lioshell.lio.backing_file import kernel_path
from lioshell.lio.backing_use import standing_on
from lioshell.lio.backstore_create import create_block, create_fileio
from lioshell.lio.backstores import find_storage_object
from lioshell.lio.fabrics import Fabric
from lioshell.model.names import normalise_wwn
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.fabrics import Target
    from lioshell.lio.root import Lio
    from lioshell.lio.tpgs import Tpg
    from lioshell.model.secret import Secret

    T = TypeVar("T")

DEFAULT_PORTALS = (("::0", 3260), ("0.0.0.0", 3260))  # noqa: S104  # a target is meant to be reached
"""The first that this machine takes: all addresses of IPv6 and 4, or of IPv4 alone."""

_IQN_PREFIX = "iqn.2003-01.org.linux-iscsi"
_TAG = 1
_FREE_NAMES = 100

DEMO, CHAP, ACLS, NOBODY = "demo", "chap", "acls", "nobody"
"""Who is let in: anybody; who knows the password; the initiators with an ACL; nobody yet."""


class Export(NamedTuple):
    """One file or device that is exported.

    `access` is DEMO, CHAP, ACLS or NOBODY. `is_new`: this call made or changed something.
    """

    path: str
    storage_object: StorageObject
    tpg: Tpg
    lun: int
    portals: tuple[tuple[str, int], ...]
    access: str
    is_new: bool

    @property
    def iqn(self) -> str:
        """The target's name."""
        return self.tpg.wwn


class Login(NamedTuple):
    """The credentials that an initiator has to give (CHAP, RFC 7143)."""

    user: str
    password: Secret


def export(
    lio: Lio,
    file_or_dev: str,
    *,
    iqn: str | None = None,
    portals: Sequence[tuple[str, int]] = (),
    initiators: Sequence[str] = (),
    login: Login | None = None,
    demo: bool = False,
) -> Export:
    """Export a file or block device that exists, all or nothing.

    What is there already of the same export is kept, so that a second call changes nothing; one
    with other initiators, portals or credentials adds them. Without `initiators`, `login` and
    `demo` nobody is let in. `demo` lets anybody read and write. Raises NotFoundError, ConflictError
    (in use, mounted, another target of this name), UsageError.
    """
    if demo and (login is not None or initiators):
        raise UsageError(
            "demo lets anybody in: it does not go with a password or with initiators",
            hint="Give one of them.",
        )
    path = kernel_path(file_or_dev)
    if not os.path.exists(path) and lio.kernel.system.block_device(path) is None:
        raise NotFoundError(
            f"There is no file or device {path}",
            hint=f"Make one first, as in: truncate -s 10G {path}",
            path=path,
        )
    fabric = Fabric(lio, lio.specs.fabric("iscsi"))
    name = normalise_wwn(iqn or _iqn(path), fabric.spec.wwn_types)
    changes = _Changes()
    with lio.transaction() as steps:
        storage_object = standing_on(lio, path) or changes.made(_create(lio, path))
        target = _target(fabric, name, changes)
        tpg = (
            target.tpg(_TAG) if _TAG in target.tpg_tags() else changes.made(target.create_tpg(_TAG))
        )
        lun = _lun(tpg, storage_object, changes)
        # Who is let in is settled before anybody can reach it.
        _let_in(tpg, initiators, login, changes, demo=demo)
        _listen(tpg, portals, changes)
        if not tpg.enabled:
            steps.on_failure(f"switch {tpg.path} off", lambda: tpg.set_enabled(False))
            tpg.set_enabled(True)
            changes.any = True
    return Export(path, storage_object, tpg, lun, _places(tpg), access_of(tpg), changes.any)


class _Changes:
    """Whether anything was made or changed."""

    def __init__(self) -> None:
        self.any = False

    def made(self, thing: T) -> T:
        self.any = True
        return thing


def _iqn(path: str) -> str:
    """Return the name of an export: the host's and the file's, in the letters of RFC 3722."""
    words = (os.uname().nodename, os.path.basename(path))
    host, base = (re.sub(r"[^a-z0-9.-]+", "-", word.lower()).strip("-.") for word in words)
    return f"{_IQN_PREFIX}.{host or 'localhost'}:{base or 'disk'}"


def _create(lio: Lio, path: str) -> StorageObject:
    name = _free_name(lio, os.path.basename(path))
    if lio.kernel.system.block_device(path) is not None:
        return create_block(lio, name, path)
    by = lio.kernel.system.holders(path)
    if by:
        raise ConflictError(
            f"{path} is in use: {', '.join(by)}",
            hint="Unmount it and detach it first, or its file system is damaged.",
            path=path,
        )
    return create_fileio(lio, name, path, None, as_saved=True)


def _free_name(lio: Lio, base: str) -> str:
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", base).lstrip("-.") or "disk"
    for number in range(1, _FREE_NAMES):
        name = stem if number == 1 else f"{stem}-{number}"
        if not any(_exists(lio, plugin, name) for plugin in ("block", "fileio")):
            return name
    raise ConflictError(
        f"There are {_FREE_NAMES - 1} objects named {stem} already", hint="Rename the file."
    )


def _exists(lio: Lio, plugin: str, name: str) -> bool:
    try:
        find_storage_object(lio, plugin, name)
    except NotFoundError:
        return False
    return True


def _target(fabric: Fabric, iqn: str, changes: _Changes) -> Target:
    if iqn in fabric.targets():
        return fabric.target(iqn)
    return changes.made(fabric.create_target(iqn))


def _lun(tpg: Tpg, storage_object: StorageObject, changes: _Changes) -> int:
    indexes = tpg.lun_indexes()
    for index in indexes:
        found = tpg.lun(index).storage_object
        if found is not None and found.path == storage_object.path:
            return index
    if indexes:
        raise ConflictError(
            f"The target {tpg.wwn} exports something else already",
            hint="Give the target another name: --iqn iqn.2003-01.com.example:NAME",
            path=tpg.tree_path,
        )
    lun, _ = changes.made(tpg.create_lun(storage_object, 0))
    return lun.index


def _let_in(
    tpg: Tpg, initiators: Sequence[str], login: Login | None, changes: _Changes, *, demo: bool
) -> None:
    values: dict[str, str] = {}
    if demo or (login is not None and not initiators):
        values = {"generate_node_acls": "1", "cache_dynamic_acls": "1"}
        values["demo_mode_write_protect"] = "0"
    if demo or initiators or login is not None or changes.any:
        values["authentication"] = "0" if login is None else "1"
    _set(tpg, "attribute", values, changes)
    if login is not None and not initiators:
        _set(tpg, "auth", _credentials(login), changes)
    for wwn in initiators:
        wanted = normalise_wwn(wwn, tpg.spec.wwn_types)
        if wanted not in tpg.acl_wwns():
            changes.made(tpg.create_acl(wanted))
        if login is not None:
            group = tpg.acl(wanted).group("auth")
            if any(group.get(k, reveal=True) != v for k, v in _credentials(login).items()):
                group.set_all(_credentials(login))
                changes.any = True


def _credentials(login: Login) -> dict[str, str]:
    return {"userid": login.user, "password": login.password.reveal()}


def _set(tpg: Tpg, name: str, values: dict[str, str], changes: _Changes) -> None:
    if not values:
        return
    group = tpg.group(name)
    different = {k: v for k, v in values.items() if group.get(k, reveal=True) != v}
    if different:
        group.set_all(different)
        changes.any = True


def _listen(tpg: Tpg, portals: Sequence[tuple[str, int]], changes: _Changes) -> None:
    existing = _places(tpg)
    for address, port in portals:
        if (address, port) not in existing:
            changes.made(tpg.create_portal(address, port))
    if portals or existing:
        return
    for place, (address, port) in enumerate(DEFAULT_PORTALS):
        try:
            changes.made(tpg.create_portal(address, port))
        except KernelError:
            if place == len(DEFAULT_PORTALS) - 1:
                raise
        else:
            return


def _places(tpg: Tpg) -> tuple[tuple[str, int], ...]:
    """Return the addresses without brackets and the ports that a TPG listens on."""
    return tuple((portal.ip_address.strip("[]"), portal.ip_port) for portal in tpg.portals())


def access_of(tpg: Tpg) -> str:
    """Tell who is let in: DEMO, CHAP, ACLS or NOBODY."""
    if tpg.attribute("generate_node_acls") == "1":
        return CHAP if tpg.attribute("authentication") == "1" else DEMO
    return ACLS if tpg.acl_wwns() else NOBODY


def find_export(lio: Lio, text: str) -> Export:
    """Return the export of a file or device, or of an IQN.

    Raises NotFoundError where there is none, ConflictError where the target or the storage object
    has become more than an export: it is not removed then.
    """
    fabric = Fabric(lio, lio.specs.fabric("iscsi"))
    if text in fabric.targets():
        tpg = _only_tpg(fabric.target(text))
        storage_object = _only_object(tpg)
        path = storage_object.device
    else:
        path = kernel_path(text)
        found = standing_on(lio, path)
        users = found.users() if found is not None else []
        if found is None or not users:
            raise NotFoundError(
                f"{text} is not exported", hint="See what is: lioshell ls /iscsi", path=path
            )
        storage_object = found
        if len(users) > 1 or not users[0].startswith("iscsi/"):
            raise _more_than_an_export(storage_object.tree_path)
        tpg = _only_tpg(fabric.target(users[0].split("/")[1]))
        _only_object(tpg)
    if len(storage_object.users()) > 1:
        raise _more_than_an_export(storage_object.tree_path)
    index = tpg.lun_indexes()[0]
    return Export(path, storage_object, tpg, index, _places(tpg), access_of(tpg), is_new=False)


def _only_tpg(target: Target) -> Tpg:
    if target.tpg_tags() != [_TAG]:
        raise _more_than_an_export(target.tree_path)
    return target.tpg(_TAG)


def _only_object(tpg: Tpg) -> StorageObject:
    indexes = tpg.lun_indexes()
    found = tpg.lun(indexes[0]).storage_object if len(indexes) == 1 else None
    if found is None or found.plugin not in ("block", "fileio"):
        raise _more_than_an_export(tpg.tree_path)
    return found


def _more_than_an_export(path: str) -> ConflictError:
    return ConflictError(
        f"{path} is more than the export of one file or device",
        hint=f"Look at it with: lioshell ls {path}; then delete what you do not want.",
        path=path,
    )


def unexport(lio: Lio, found: Export) -> None:
    """Remove an export: its target and its storage object; the file or device stays as it is."""
    with lio.transaction():
        Fabric(lio, found.tpg.spec).target(found.iqn).delete()
        found.storage_object.delete()
