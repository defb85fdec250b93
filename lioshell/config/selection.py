# SPDX-License-Identifier: Apache-2.0
"""A part of a configuration: one target, one storage object, or all of it."""

from __future__ import annotations

from lioshell.config.document import (
    Document,
    Item,
    empty,
    entries,
    exported,
    merged,
    names,
    tree_path,
)
from lioshell.config.dump_targets import dump_lun, dump_mapped_lun
from lioshell.config.pending import Place
from lioshell.errors import ConflictError, NotFoundError
from lioshell.lio.backstores import find_storage_object, list_storage_objects
from lioshell.lio.fabrics import Fabric
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio
    from lioshell.lio.tpgs import Tpg


class Selection(NamedTuple):
    """What `target=` and `storage_object=` name; neither of them means everything.

    A storage object is given by its name, by PLUGIN/NAME or by its path.
    """

    target: str | None = None
    storage_object: str | None = None

    def __bool__(self) -> bool:
        return self.target is not None or self.storage_object is not None

    def of(self, document: Document, lio: Lio) -> Document:
        """Return the part of a document; raises NotFoundError, ConflictError for a name of several.

        A target brings along the storage objects of its LUNs that do not exist.
        """
        if not self:
            return {key: document.get(key, []) for key in empty()}
        part = empty()
        if self.target is not None:
            part["targets"] = [t for t in entries(document, "targets") if self._is_target(t)]
            if not part["targets"]:
                raise NotFoundError(
                    f"There is no target {self.target} in the saved configuration",
                    hint="Give the name as the file has it.",
                )
            needed = {path for target in part["targets"] for path in exported(target)}
            part["storage_objects"] = [
                item
                for item in entries(document, "storage_objects")
                if tree_path("storage_objects", item) in needed and not _exists(lio, item)
            ]
        if self.storage_object is not None:
            found = [o for o in entries(document, "storage_objects") if self._is_object(o)]
            if len(found) != 1:
                raise self._not_one(found)
            part = merged(part, {"storage_objects": found})
        return part

    def exports(self, lio: Lio) -> Document:
        """Return the LUNs that the selected storage object has now: they come back with it."""
        part: Document = {}
        for storage_object in self.running_storage_objects(lio):
            for tpg, index in self.exporting(lio, storage_object):
                place = Place().inside("targets", {"fabric": tpg.spec.name, "wwn": tpg.wwn})
                place = place.inside("tpgs", {"tag": tpg.tag})
                lun = dump_lun(lio, tpg.lun(index))
                part = merged(part, place.holding("luns", lun or {}))
                for wwn in tpg.acl_wwns():
                    at = place.inside("node_acls", {"node_wwn": wwn})
                    for mapped in tpg.acl(wwn).mapped_luns():
                        if mapped.lun_path == tpg.lun(index).path:
                            entry = dump_mapped_lun(mapped) or {}
                            part = merged(part, at.holding("mapped_luns", entry))
        return part

    def running_targets(self, lio: Lio) -> Iterator[tuple[Fabric, str]]:
        """Yield fabric and WWN of the selected target where it runs."""
        for name in lio.specs.fabric_names() if self.target is not None else ():
            fabric = Fabric(lio, lio.specs.fabric(name))
            if self.target in fabric.targets():
                yield fabric, str(self.target)

    def running_storage_objects(self, lio: Lio) -> Iterator[StorageObject]:
        """Yield the selected storage object where it runs."""
        for plugin in lio.specs.backstore_names() if self.storage_object is not None else ():
            for found in list_storage_objects(lio, plugin):
                if self._is_object({"plugin": plugin, "name": found.name}):
                    yield found

    @staticmethod
    def exporting(lio: Lio, storage_object: StorageObject) -> list[tuple[Tpg, int]]:
        """Return TPG and number of each LUN of a storage object."""
        from lioshell.lio.sessions import tpg_at

        found = []
        for path in storage_object.users():
            tpg, _, lun = path.rpartition("/lun/lun_")
            found.append((tpg_at(lio, tpg), int(lun)))
        return found

    def _is_target(self, item: Item) -> bool:
        return str(item.get("wwn")) == self.target

    def _is_object(self, item: Item) -> bool:
        plugin, name = str(item.get("plugin")), str(item.get("name"))
        wanted = str(self.storage_object).removeprefix("/backstores/")
        kind, slash, rest = wanted.rpartition("/")
        return name == rest and (not slash or kind.partition(":")[0] == plugin)

    def _not_one(self, found: list[Item]) -> Exception:
        if not found:
            return NotFoundError(
                f"There is no storage object {self.storage_object} in the saved configuration",
                hint="Give the name as the file has it, or PLUGIN/NAME.",
            )
        paths = [tree_path("storage_objects", item) for item in found]
        return ConflictError(
            f"{self.storage_object} may mean: {names(paths)}", hint="Give PLUGIN/NAME."
        )


def _exists(lio: Lio, item: Item) -> bool:
    plugin, name = item.get("plugin"), item.get("name")
    if plugin not in lio.specs.backstore_names() or not isinstance(name, str):
        return False
    try:
        find_storage_object(lio, str(plugin), name)
    except NotFoundError:
        return False
    return True
