# SPDX-License-Identifier: Apache-2.0
"""Removing everything: targets, storage objects, discovery credentials; all of it or nothing."""

from __future__ import annotations

import contextlib
from functools import partial

from lioshell.errors import KernelError, SpecError
from lioshell.lio.backstores import list_hbas, list_storage_objects
from lioshell.lio.fabrics import Fabric
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.lio.root import Lio

_CREDENTIALS = ("userid", "password", "mutual_userid", "mutual_password")


def clear(lio: Lio) -> None:
    """Remove every target, every storage object and the discovery credentials.

    A failure makes the targets again; storage objects, which cannot come back, go last.
    """
    with lio.kernel.system.expedited(), lio.transaction() as steps:
        fabrics = list(_fabrics(lio))
        for fabric in fabrics:
            if fabric.exists:
                clear_discovery(fabric)
            for wwn in fabric.targets():
                fabric.target(wwn).remove(steps)
        for plugin in lio.specs.backstore_names():
            for storage_object in list_storage_objects(lio, plugin):
                storage_object.remove(steps)
        steps.at_the_end(partial(remove_empty_hbas, lio))
        for fabric in fabrics:
            steps.at_the_end(partial(_release, fabric))


def remove_empty_hbas(lio: Lio) -> None:
    """Remove the HBA folders without an object, which scripts and killed commands leave."""
    prefixes = [lio.specs.backstore(name).hba_prefix for name in lio.specs.backstore_names()]
    for hba in list_hbas(lio):
        if hba.rpartition("_")[0] in prefixes and not lio.configfs.folders(f"core/{hba}"):
            # One that another process uses now harms nobody.
            with contextlib.suppress(KernelError):
                lio.configfs.rmdir(f"core/{hba}")


def clear_discovery(fabric: Fabric) -> None:
    """Unset the discovery credentials, and no longer demand them; other settings as at first."""
    group = fabric.discovery_auth()
    if not group.lio.configfs.is_dir(group.folder):
        return
    names = set(group.names())
    values = {name: "" for name in _CREDENTIALS if name in names and group.get(name)}
    for parameter in fabric.spec.attributes.get("discovery_auth", ()):
        name, default = parameter.name, parameter.default
        if default and parameter.writable and name in names and group.get(name) != default:
            values[name] = default
    if fabric.enforces_discovery_auth:
        values["enable"] = "0"
    if values:
        group.set_all(values)


def _fabrics(lio: Lio) -> Iterator[Fabric]:
    for name in lio.specs.fabric_names():
        # What a broken spec describes was not made by us, and is not known well enough to remove.
        with contextlib.suppress(SpecError):
            yield Fabric(lio, lio.specs.fabric(name))


def _release(fabric: Fabric) -> None:
    # All that was asked for is gone; an empty folder harms nobody.
    with contextlib.suppress(KernelError):
        fabric.release()
