# SPDX-License-Identifier: Apache-2.0
"""The storage objects, looked at once for many steps: a restore of thousands stays linear.

Without it each creation lists the HBAs, which grow with every one.
"""

from __future__ import annotations

from lioshell.errors import NotFoundError
from lioshell.lio.object_index import NO_BACKING, Held, backing_at
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.object_index import Backing
    from lioshell.lio.root import Lio


class HbaNumbers:
    """Which N of core/<kind>_<N> are free; no two kinds share one."""

    def __init__(self, hbas: Iterable[str]) -> None:
        self._taken = {hba.rpartition("_")[2] for hba in hbas}
        self._lowest = 0

    def lowest_free(self) -> int:
        """Return the lowest number that nothing has."""
        while str(self._lowest) in self._taken:
            self._lowest += 1
        return self._lowest

    def take(self, number: int) -> None:
        """Remember that a number is in use."""
        self._taken.add(str(number))

    def give_back(self, number: int) -> None:
        """Remember that a number is free again."""
        self._taken.discard(str(number))
        self._lowest = min(self._lowest, number)


class Survey:
    """What there is, kept up to date by who creates and deletes through the same `Lio`."""

    def __init__(self, lio: Lio) -> None:
        from lioshell.lio.backstores import StorageObject, list_hbas, plugin_of

        hbas = list_hbas(lio)
        self.numbers = HbaNumbers(hbas)
        self._objects: dict[tuple[str, str], StorageObject] = {}
        self._users: dict[str, list[StorageObject]] = {}
        self._standing: dict[str, Backing] = {}
        self._index = lio.index
        self._made: dict[str, Held] = {}
        for hba in hbas:
            plugin = plugin_of(lio, hba)
            for name in lio.configfs.folders(f"core/{hba}") if plugin is not None else ():
                self.add(StorageObject(lio, str(plugin), hba, name))

    def find(self, plugin: str, name: str) -> StorageObject | None:
        """Return a storage object, None where there is none."""
        return self._objects.get((plugin, name))

    def require(self, plugin: str, name: str) -> StorageObject:
        """Return a storage object; raises NotFoundError."""
        found = self.find(plugin, name)
        if found is None:
            raise NotFoundError(
                f"There is no storage object {name} in /backstores/{plugin}",
                hint="See what there is with: ls /backstores",
            )
        return found

    def users_of(self, path: str) -> list[StorageObject]:
        """Return the storage objects that may stand on a file or device."""
        numbers, name = backing_at(path)
        return [user for key in (name, numbers) if key for user in self._users.get(key, ())]

    def add(self, storage_object: StorageObject) -> Backing:
        """Remember an object, as it stands in configfs now; return what it stands on."""
        from lioshell.lio.backing_use import backing_path

        self._objects[storage_object.plugin, storage_object.name] = storage_object
        self._take(storage_object)
        path = backing_path(storage_object)
        backing = backing_at(path) if path else NO_BACKING
        self._standing[storage_object.path] = backing
        for key in backing:
            if key:
                self._users.setdefault(key, []).append(storage_object)
        return backing

    def add_made(self, storage_object: StorageObject) -> None:
        """Remember an object that was made just now, in an HBA of its own."""
        backing = self.add(storage_object)
        if storage_object.plugin != "user" or backing.numbers or not backing.path:
            # A file that nobody serves yet may be made later, and by another name then.
            held = Held(storage_object.hba, storage_object.name, backing)
            self._made[storage_object.path] = held

    def keep(self) -> None:
        """Tell the index of what was made, so that the next command need not look for it."""
        if self._made:
            hbas = self._index.hbas()
            self._index.add_all([(one, hbas.get(one.hba, 0)) for one in self._made.values()])

    def remove(self, storage_object: StorageObject) -> None:
        """Forget an object; its number may be given again."""
        self._objects.pop((storage_object.plugin, storage_object.name), None)
        self._made.pop(storage_object.path, None)
        for key in self._standing.pop(storage_object.path, NO_BACKING):
            users = self._users.get(key, [])
            users[:] = [user for user in users if user.path != storage_object.path]
        number = storage_object.hba.rpartition("_")[2]
        if number.isdigit():
            self.numbers.give_back(int(number))

    def _take(self, storage_object: StorageObject) -> None:
        number = storage_object.hba.rpartition("_")[2]
        if number.isdigit():
            self.numbers.take(int(number))
