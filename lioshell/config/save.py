# SPDX-License-Identifier: Apache-2.0
"""Save: what runs, as a document in targetcli's format."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lioshell.config import saved_file
from lioshell.errors import (
    ConflictError,
    DocumentError,
    HostError,
    KernelError,
    NotFoundError,
)
from lioshell.lio.alua import ALUA_WORDS
from lioshell.lio.backstores import list_storage_objects
from lioshell.lio.fabrics import Fabric
from lioshell.model.names import sort_key

if TYPE_CHECKING:
    from lioshell.config.saved_file import Document
    from lioshell.lio.acls import NodeAcl
    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.fabrics import Target
    from lioshell.lio.groups import ParameterGroup
    from lioshell.lio.root import Lio
    from lioshell.lio.tpgs import Tpg

_CONTROL_ATTRIBUTES = ("max_data_area_mb", "hw_block_size", "data_pages_per_blk")
_OWN_SECTIONS = frozenset(("storage_objects", "fabric_modules", "targets"))


def save(lio: Lio, path: str, *, force: bool = False) -> bool:
    """Save what runs to a file; returns False when nothing has changed since.

    Sections of the old file that are not ours are kept. Raises ConflictError when a restore left
    objects out, because they would be lost; `force` saves all the same.
    """
    missing = saved_file.unrestored(path)
    if missing and not force:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise ConflictError(
            f"Saving would lose what the last restore left out: {shown}",
            hint="Restore it first with restoreconfig, or say --yes to forget it.",
            path=path,
        )
    document = dump(lio)
    try:
        before = saved_file.read(path)
    except NotFoundError:
        before = {}
    except (DocumentError, HostError):
        # Somebody may still want what is in it; what is no file, the write below complains of.
        if os.path.isfile(path):
            saved_file.keep_aside(path)
        before = {}
    document |= {k: v for k, v in before.items() if k not in _OWN_SECTIONS}
    changed = saved_file.write(path, document)
    if missing:
        saved_file.remember_unrestored(path, [])
    return changed


def dump(lio: Lio) -> Document:
    """Return the running configuration as a document, in a stable order."""
    storage_objects = []
    for plugin in sorted(lio.specs.backstore_names()):
        found = sorted(list_storage_objects(lio, plugin), key=lambda o: sort_key(o.name))
        # A half-made object cannot be restored, and must not keep the others from being saved.
        storage_objects += [_storage_object(lio, o) for o in found if o.enabled]
    modules, targets = [], []
    for name in sorted(lio.specs.fabric_names()):
        fabric = Fabric(lio, lio.specs.fabric(name))
        if not fabric.exists:
            continue
        module = _discovery(fabric)
        if module:
            modules.append(module)
        targets += [_target(fabric.target(w)) for w in sorted(fabric.targets(), key=sort_key)]
    return {"storage_objects": storage_objects, "fabric_modules": modules, "targets": targets}


def _storage_object(lio: Lio, storage_object: StorageObject) -> dict[str, Any]:
    plugin = storage_object.plugin
    attributes = _attributes(lio, f"{storage_object.path}/attrib")
    item: dict[str, Any] = {
        "name": storage_object.name,
        "plugin": plugin,
        "attributes": attributes,
        "alua_tpgs": _alua_groups(lio, storage_object),
    }
    if plugin != "pscsi":
        item["wwn"] = storage_object.serial
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
        item["exclusive"] = True
    elif plugin == "ramdisk" and storage_object.nullio:
        item["nullio"] = True
    elif plugin == "user":
        item["config"] = storage_object.dev_config
        control = []
        for name in _CONTROL_ATTRIBUTES:
            path = f"{storage_object.path}/attrib/{name}"
            if lio.configfs.exists(path):
                control.append(f"{name}={lio.configfs.read(path)}")
        item["control"] = ",".join(control)
        item["hw_max_sectors"] = int(
            lio.configfs.read(f"{storage_object.path}/attrib/hw_max_sectors")
        )
    return item


def _attributes(lio: Lio, folder: str) -> dict[str, int | str]:
    """Return every attribute that can be read and written: the unknown ones too."""
    return {name: _value(text) for name, text in _texts(lio, folder).items()}


def _texts(lio: Lio, folder: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name in sorted(lio.configfs.listdir(folder)):
        path = f"{folder}/{name}"
        if lio.configfs.is_writable(path):
            try:
                values[name] = lio.configfs.read(path)
            except KernelError as error:
                # Some attributes can only be written (drivers/target, *_store without *_show).
                if error.operation != "read":
                    raise
    return values


def _value(text: str) -> int | str:
    """Return a number where writing it gives the same text again."""
    digits = text.removeprefix("-")
    is_number = digits.isascii() and digits.isdigit() and str(int(text)) == text
    return int(text) if is_number else text


def _alua_groups(lio: Lio, storage_object: StorageObject) -> list[dict[str, Any]]:
    folder = f"{storage_object.path}/alua"
    if not lio.configfs.is_dir(folder):
        return []
    groups = []
    for name in sorted(lio.configfs.folders(folder)):
        values = _attributes(lio, f"{folder}/{name}")
        for key, words in ALUA_WORDS.items():
            if values.get(key) in words:
                values[key] = words.index(str(values[key]))
        groups.append({"name": name, **values})
    return groups


def _discovery(fabric: Fabric) -> dict[str, Any] | None:
    """Return the discovery credentials, also while they are not enforced: they would be lost."""
    if not fabric.spec.has("discovery_auth"):
        return None
    group = fabric.discovery_auth()
    values = _auth(group, "discovery_")
    enforced = fabric.enforces_discovery_auth
    if not enforced and not values:
        return None
    return {"name": fabric.spec.name, "discovery_enable_auth": enforced, **values}


def _auth(group: ParameterGroup, prefix: str) -> dict[str, str]:
    values = {}
    for name in ("userid", "password", "mutual_userid", "mutual_password"):
        value = group.get(name, reveal=True)
        if value:
            values[prefix + name] = value
    return values


def _target(target: Target) -> dict[str, Any]:
    return {
        "fabric": target.spec.name,
        "wwn": target.wwn,
        "tpgs": [_tpg(target.tpg(tag)) for tag in target.tpg_tags()],
    }


def _tpg(tpg: Tpg) -> dict[str, Any]:
    item: dict[str, Any] = {
        "tag": tpg.tag,
        "enable": tpg.enabled,
        "attributes": _group_values(tpg.group("attribute")),
        "parameters": _group_texts(tpg.group("parameter")),
        "luns": [],
        "portals": [
            {
                "ip_address": portal.ip_address,
                "port": portal.ip_port,
                "iser": portal.flag("iser"),
                "offload": portal.flag("cxgbit"),
            }
            for portal in sorted(tpg.portals(), key=lambda p: sort_key(p.name))
        ],
        "node_acls": [_acl(tpg.acl(wwn)) for wwn in sorted(tpg.acl_wwns(), key=sort_key)],
    }
    for index in tpg.lun_indexes():
        lun = tpg.lun(index)
        storage_object = lun.storage_object
        if storage_object is not None:
            entry = {
                "index": index,
                "alias": lun.alias,
                "storage_object": f"/backstores/{storage_object.plugin}/{storage_object.name}",
            }
            if lun.alua_group:
                entry["alua_tg_pt_gp_name"] = lun.alua_group
            item["luns"].append(entry)
    if tpg.spec.has("tpg_auth"):
        item |= _auth(tpg.group("auth"), "chap_")
    if tpg.spec.has("nexus") and tpg.nexus:
        item["nexus"] = tpg.nexus
    return item


def _acl(acl: NodeAcl) -> dict[str, Any]:
    item: dict[str, Any] = {
        "node_wwn": acl.wwn,
        "attributes": _group_values(acl.group("attribute")),
        "parameters": _group_texts(acl.group("parameter")),
        "mapped_luns": [],
    }
    if acl.spec.has("acls_auth"):
        item |= _auth(acl.group("auth"), "chap_")
    for mapped in acl.mapped_luns():
        lun = mapped.tpg_lun
        if lun is not None:
            item["mapped_luns"].append(
                {
                    "index": mapped.index,
                    "tpg_lun": lun.index,
                    "write_protect": mapped.write_protect,
                    "alias": mapped.alias,
                }
            )
    return item


def _group_values(group: ParameterGroup) -> dict[str, int | str]:
    lio = group.lio
    if not lio.configfs.is_dir(group.folder):
        return {}
    return _attributes(lio, group.folder)


def _group_texts(group: ParameterGroup) -> dict[str, str]:
    """Return a group of parameters, which targetcli saves as text, numbers too."""
    return _texts(group.lio, group.folder) if group.lio.configfs.is_dir(group.folder) else {}
