# SPDX-License-Identifier: Apache-2.0
"""The single steps of a restore: one storage object, one target with what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lioshell.errors import DocumentError, RunnerError
from lioshell.lio import backstore_create as create
from lioshell.lio.alua import ALUA_WORDS
from lioshell.lio.backstores import find_storage_object
from lioshell.lio.fabrics import Fabric

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.fabrics import Target
    from lioshell.lio.root import Lio
    from lioshell.lio.tpgs import Tpg
    from lioshell.lio.transaction import Transaction

    Attempt = Callable[[str], AbstractContextManager[None]]

_VALUES = (("attributes", "attrib"), ("parameters", "param"))
"""Section of a TPG or an ACL -> the folder in configfs."""

_DEFAULT_ALUA_GROUP = "default_tg_pt_gp"

_FIXED_USER_ATTRIBUTES = frozenset(
    ("dev_config", "dev_size", "emulate_write_cache", "nl_reply_supported")
)
"""Attributes of user: objects that `control` has set, and that a write would announce over netlink
(drivers/target/target_core_user.c, tcmu_dev_config_store and others)."""


def restore_storage_object(
    lio: Lio, item: dict[str, Any], serve: Callable[[str], str], attempt: Attempt
) -> None:
    """Make one storage object with its attributes and ALUA groups, or nothing of it.

    `serve` has a user: device served and returns what keeps it from being so. An attribute that
    this kernel does not have is an attempt of its own. Raises LioshellError.
    """
    with lio.transaction() as steps:
        made = _make(lio, item)
        attributes = {
            name: value
            for name, value in item.get("attributes", {}).items()
            if made.plugin != "user" or name not in _FIXED_USER_ATTRIBUTES
        }
        where = f"/backstores/{made.plugin}/{made.name}"
        _restore_values(lio, f"{made.path}/attrib", attributes, where, attempt)
        for group in item.get("alua_tpgs", []):
            _restore_alua_group(lio, steps, made.path, group)
        if made.plugin == "user":
            problem = serve(made.path)
            if problem:
                raise RunnerError(f"It is not served: {problem}", hint="Mend that first.")


def _make(lio: Lio, item: dict[str, Any]) -> StorageObject:
    plugin, name, wwn = item["plugin"], item["name"], item.get("wwn")
    # What the saved attributes say of the model alias is written with the other attributes.
    if plugin == "fileio":
        return create.create_fileio(
            lio,
            name,
            item["dev"],
            item.get("size"),
            write_back=bool(item.get("write_back", False)),
            wwn=wwn,
            model_alias=False,
            make_file=False,
        )
    if plugin == "block":
        return create.create_block(
            lio, name, item["dev"], readonly=item.get("readonly"), wwn=wwn, model_alias=False
        )
    if plugin == "ramdisk":
        nullio = bool(item.get("nullio", False))
        return create.create_ramdisk(
            lio, name, int(item["size"]), nullio=nullio, wwn=wwn, model_alias=False
        )
    if plugin == "pscsi":
        return create.create_pscsi(lio, name, item["dev"])
    if plugin == "user":
        options = [o for o in item.get("control", "").split(",") if o]
        block = next((o for o in options if o.startswith("hw_block_size=")), "hw_block_size=512")
        options = [o for o in options if not o.startswith("hw_block_size=")]
        if item.get("hw_max_sectors"):
            options.append(f"hw_max_sectors={int(item['hw_max_sectors'])}")
        return create.create_user(
            lio,
            name,
            int(item["size"]),
            item["config"],
            wwn=wwn,
            block_size_bytes=int(block.partition("=")[2]),
            control=options,
        )
    raise DocumentError(f"There is no kind of backstore {plugin!r}", hint="Add a spec for it.")


def _restore_values(
    lio: Lio, folder: str, values: dict[str, Any], where: str, attempt: Attempt
) -> None:
    """Write the attributes that differ from what the kernel has.

    One that this kernel does not have, because another one saved it, costs nothing but itself.
    """
    for name, value in values.items():
        if lio.configfs.exists(f"{folder}/{name}") or lio.dry_run:
            _restore_value(lio, f"{folder}/{name}", value)
            continue
        with attempt(f"{where} {name}"):
            raise DocumentError(
                f"This kernel has no attribute {name}", hint="It was saved on another one."
            )


def _restore_value(lio: Lio, path: str, value: object) -> None:
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if lio.configfs.is_writable(path) and lio.configfs.read(path) != text:
        lio.configfs.write(path, text)


def _restore_alua_group(lio: Lio, steps: Transaction, path: str, group: dict[str, Any]) -> None:
    name = group["name"]
    base = f"{path}/alua/{name}"
    if name != _DEFAULT_ALUA_GROUP:
        steps.mkdir(base)
        lio.configfs.write(f"{base}/tg_pt_gp_id", str(group["tg_pt_gp_id"]))
    for key, value in group.items():
        if key in ALUA_WORDS and isinstance(value, int):
            # Shown as words, written as a number: compare in the form that is shown.
            if lio.configfs.read(f"{base}/{key}") != ALUA_WORDS[key][value]:
                lio.configfs.write(f"{base}/{key}", str(value))
            continue
        if key not in ("name", "tg_pt_gp_id") and lio.configfs.exists(f"{base}/{key}"):
            _restore_value(lio, f"{base}/{key}", value)


def restore_target(lio: Lio, item: dict[str, Any], attempt: Attempt) -> None:
    """Make one target; each LUN, portal and ACL in it is an attempt of its own."""
    fabric_name = item["fabric"]
    if fabric_name not in lio.specs.fabric_names():
        raise DocumentError(f"There is no fabric {fabric_name}", hint="Add a spec for it.")
    spec = lio.specs.fabric(fabric_name)
    target = Fabric(lio, spec).create_target(item["wwn"])
    for tpg_item in item.get("tpgs", []):
        tag = int(tpg_item["tag"])
        with attempt(f"{target.tree_path}/tpg{tag}"):
            _restore_tpg(lio, target, tag, tpg_item, attempt)


def _restore_tpg(
    lio: Lio, target: Target, tag: int, item: dict[str, Any], attempt: Attempt
) -> None:
    """Restore a TPG and what is in it; it is switched on last, with its credentials in place."""
    where = f"{target.tree_path}/tpg{tag}"
    with lio.transaction():
        tpg = target.tpg(tag) if tag in target.tpg_tags() else target.create_tpg(tag)
        if tpg.spec.has("nexus") and item.get("nexus") and item["nexus"] != tpg.nexus:
            lio.configfs.write(f"{tpg.path}/nexus", "NULL")
            lio.configfs.write(f"{tpg.path}/nexus", item["nexus"])
        for key, folder in _VALUES:
            _restore_values(lio, f"{tpg.path}/{folder}", item.get(key, {}), where, attempt)
        _restore_auth(tpg.group("auth") if tpg.spec.has("tpg_auth") else None, item)
    for lun in item.get("luns", []):
        with attempt(f"{tpg.tree_path}/luns/lun{lun.get('index')}"), lio.transaction():
            _restore_lun(lio, tpg, lun)
    for portal in item.get("portals", []):
        name = f"{portal.get('ip_address')}:{portal.get('port')}"
        with attempt(f"{tpg.tree_path}/portals/{name}"), lio.transaction() as steps:
            made = tpg.create_portal(portal["ip_address"], int(portal["port"]))
            for key, file in (("iser", "iser"), ("offload", "cxgbit")):
                if portal.get(key):
                    steps.write(f"{made.path}/{file}", "1")
    for acl in item.get("node_acls", []):
        with attempt(f"{tpg.tree_path}/acls/{acl.get('node_wwn')}"):
            _restore_acl(lio, tpg, acl, attempt)
    if item.get("enable"):
        tpg.set_enabled(True)


def _restore_lun(lio: Lio, tpg: Tpg, item: dict[str, Any]) -> None:
    _, _, plugin, name = item["storage_object"].split("/", 3)
    storage_object = find_storage_object(lio, plugin, name)
    made, _ = tpg.create_lun(
        storage_object, int(item["index"]), add_mapped=False, alias=item.get("alias")
    )
    group = item.get("alua_tg_pt_gp_name")
    if group and group != (made.alua_group or _DEFAULT_ALUA_GROUP):
        lio.configfs.write(f"{made.path}/alua_tg_pt_gp", group)


def _restore_acl(lio: Lio, tpg: Tpg, item: dict[str, Any], attempt: Attempt) -> None:
    with lio.transaction():
        acl, _ = tpg.create_acl(item["node_wwn"], add_mapped=False)
        where = f"{tpg.tree_path}/acls/{acl.wwn}"
        for key, folder in _VALUES:
            _restore_values(lio, f"{acl.path}/{folder}", item.get(key, {}), where, attempt)
        _restore_auth(acl.group("auth") if acl.spec.has("acls_auth") else None, item)
    for mapped in item.get("mapped_luns", []):
        with attempt(f"{where}/mapped_lun{mapped.get('index')}"):
            acl.create_mapped_lun(
                int(mapped["index"]),
                tpg.lun(int(mapped["tpg_lun"])),
                write_protect=bool(mapped.get("write_protect", False)),
                alias=mapped.get("alias"),
            )


def _restore_auth(group: Any, item: dict[str, Any]) -> None:
    """Write credentials; the man page's names without "chap_" are read as well."""
    values = {}
    for name in ("userid", "password", "mutual_userid", "mutual_password"):
        value = item.get(f"chap_{name}", item.get(name))
        if value:
            values[name] = str(value)
    if not values:
        return
    if group is None:
        raise DocumentError("Credentials for a fabric that has none", hint="Remove them.")
    group.set_all(values)
