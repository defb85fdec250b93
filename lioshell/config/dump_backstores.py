# SPDX-License-Identifier: Apache-2.0
"""Storage objects as they are saved."""

from __future__ import annotations

from lioshell.config.dump_values import attributes, text_of
from lioshell.errors import KernelError
from lioshell.lio.alua import ALUA_WORDS
from lioshell.lio.backstores import list_storage_objects
from lioshell.model.names import sort_key
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from lioshell.config.document import Item
    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio

_CONTROL_ATTRIBUTES = ("max_data_area_mb", "hw_block_size", "data_pages_per_blk")
_SELDOM = "alua_support_lba_dependent"
"""0 in every group until somebody changes it (target_core_alua.c, core_alua_allocate_tg_pt_gp)."""

_RING_SIZE, _USUAL_RING_SIZE = "cmd_ring_size_mb", "8"
"""What targetcli does not save: Linux 6.3 and later, target_core_user.c."""

_USUAL_IDENTIFICATION = {"vendor_id": "LIO-ORG", "company_id": "0x001405"}
_USUAL_PRODUCTS = {
    "block": ("IBLOCK",),
    "fileio": ("FILEIO",),
    "ramdisk": ("RAMDISK-MCP", "RAMDISK-DR"),
    "user": ("TCMU device", "USER"),
}
"""What the kernel gives a new object (target_core_*.c, inquiry_prod), which is not saved."""


def dump_storage_objects(lio: Lio) -> list[Item]:
    """Return all storage objects, by plugin and name.

    One that is half made cannot be restored, and one that another program deletes meanwhile is
    gone; neither keeps the others from being saved.
    """
    found = []
    for plugin in sorted(lio.specs.backstore_names()):
        for storage_object in sorted(
            list_storage_objects(lio, plugin), key=lambda o: sort_key(o.name)
        ):
            try:
                if storage_object.enabled:
                    found.append(_storage_object(lio, storage_object))
            except KernelError:
                if lio.configfs.is_dir(storage_object.path):
                    raise
    return found


def _storage_object(lio: Lio, storage_object: StorageObject) -> Item:
    plugin, path = storage_object.plugin, storage_object.path
    item: Item = {
        "name": storage_object.name,
        "plugin": plugin,
        "attributes": attributes(lio, f"{path}/attrib"),
        "alua_tpgs": list(_alua_groups(lio, storage_object)),
    }
    if plugin != "pscsi":
        item["wwn"] = storage_object.serial
        item |= _identification(lio, storage_object, item["attributes"])
    if plugin in ("fileio", "block", "pscsi"):
        item["dev"] = storage_object.device
    if plugin in ("fileio", "ramdisk", "user"):
        item["size"] = storage_object.size_bytes
    if plugin == "fileio":
        item["write_back"] = storage_object.write_back
        item["aio"] = "Async: 1" in storage_object.info()
    elif plugin == "block":
        item["readonly"] = storage_object.read_only
        item["write_back"] = False
    elif plugin == "ramdisk" and storage_object.nullio:
        item["nullio"] = True
    elif plugin == "user":
        item["config"] = storage_object.dev_config
        item["control"] = ",".join(_control(lio, f"{path}/attrib"))
        item["hw_max_sectors"] = int(lio.configfs.read(f"{path}/attrib/hw_max_sectors"))
    return item


def _control(lio: Lio, folder: str) -> Iterator[str]:
    for name in _CONTROL_ATTRIBUTES:
        value = text_of(lio, f"{folder}/{name}")
        if value:
            yield f"{name}={value}"
    size = text_of(lio, f"{folder}/{_RING_SIZE}")
    if size and size != _USUAL_RING_SIZE:
        yield f"{_RING_SIZE}={size}"


def _identification(
    lio: Lio, storage_object: StorageObject, attribs: dict[str, Any]
) -> dict[str, str]:
    """Return the INQUIRY strings that somebody has changed."""
    folder, found = f"{storage_object.path}/wwn", {}
    for name, usual in _USUAL_IDENTIFICATION.items():
        value = text_of(lio, f"{folder}/{name}").rstrip()
        if value and value != usual:
            found[name] = value
    product = text_of(lio, f"{folder}/product_id").rstrip()
    # With this attribute the kernel puts the object's name there (target_core_configfs.c,
    # dev_set_t10_wwn_model_alias).
    alias = storage_object.name[:16] if attribs.get("emulate_model_alias") else None
    if product and product.rstrip() not in (
        *_USUAL_PRODUCTS.get(storage_object.plugin, ()),
        alias and alias.rstrip(),
    ):
        found["product_id"] = product
    return found


def _alua_groups(lio: Lio, storage_object: StorageObject) -> Iterator[Item]:
    folder = f"{storage_object.path}/alua"
    if not lio.configfs.is_dir(folder):
        return
    for name in sorted(lio.configfs.folders(folder), key=sort_key):
        values = attributes(lio, f"{folder}/{name}")
        for key, words in ALUA_WORDS.items():
            if values.get(key) in words:
                values[key] = words.index(str(values[key]))
        if values.get(_SELDOM) == 0:
            del values[_SELDOM]
        yield {"name": name, **values}
