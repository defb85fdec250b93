# SPDX-License-Identifier: Apache-2.0
"""Restore one storage object with its attributes and ALUA groups, or nothing of it."""

from __future__ import annotations

import os

from lioshell.config.pending import Place
from lioshell.config.restore_values import restore_alua_group, restore_values
from lioshell.errors import ConflictError, DocumentError, NotFoundError, RunnerError
from lioshell.lio import backstore_create as create
from lioshell.lio.backstores import find_storage_object
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lioshell.config.attempts import Attempts
    from lioshell.config.document import Item
    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio

IDENTIFICATION = ("vendor_id", "product_id", "revision", "company_id")
"""Files of wwn/ that an initiator sees in INQUIRY (target_core_configfs.c, target_wwn_attrs)."""

_FIXED_USER_ATTRIBUTES = frozenset(("dev_config", "dev_size", "emulate_write_cache"))
"""Attributes of user: objects that `control` has set, and that a write would announce over netlink
(drivers/target/target_core_user.c, tcmu_dev_config_store and others)."""

_NETLINK = "nl_reply_supported"


def restore_storage_object(
    lio: Lio,
    item: Item,
    attempts: Attempts,
    *,
    serve: Callable[[str], str],
    is_ours: Callable[[str], bool],
    existing: bool = False,
) -> None:
    """Make one storage object, or nothing of it; `existing` brings one that is there in line.

    `serve` has a user: device (its configfs path) served and returns what keeps it from being so;
    it is asked only for subtypes that `is_ours`: another runner serves the others. Raises
    LioshellError.
    """
    found = _half_made_removed(lio, item) if existing else None
    with lio.transaction() as steps:
        if found is None:
            made = _make(lio, item)
            if lio.survey is not None:
                survey = lio.survey
                survey.add_made(made)
                steps.on_failure("forget it", lambda: survey.remove(made))
        else:
            made = found
        where = f"/backstores/{made.plugin}/{made.name}"
        place = Place().inside("storage_objects", item)
        attributes = _attributes(item)
        if made.plugin == "user" and is_ours(made.subtype):
            attributes.pop(_NETLINK, None)
        restore_values(
            lio,
            f"{made.path}/attrib",
            attributes,
            lambda name, error: attempts.fail(
                f"{where} {name}", error, place.document({"attributes": {name: attributes[name]}})
            ),
        )
        for name in IDENTIFICATION:
            _restore_identification(lio, f"{made.path}/wwn/{name}", item.get(name))
        for group in item.get("alua_tpgs", []):
            restore_alua_group(lio, steps, made.path, group)
        if made.plugin == "user" and not lio.dry_run and is_ours(made.subtype):
            problem = serve(made.path)
            if problem:
                raise RunnerError(f"It is not served: {problem}", hint="Mend that first.")


def _attributes(item: Item) -> dict[str, Any]:
    fixed = _FIXED_USER_ATTRIBUTES if item.get("plugin") == "user" else frozenset()
    return {n: v for n, v in item.get("attributes", {}).items() if n not in fixed}


def _restore_identification(lio: Lio, path: str, value: object) -> None:
    if value is None or not lio.configfs.exists(path):
        return
    if lio.configfs.read(path).rstrip() != str(value):
        lio.configfs.write(path, str(value))


def _half_made_removed(lio: Lio, item: Item) -> StorageObject | None:
    """Return the object of an interrupted restore; one that is not enabled yet is removed.

    Raises ConflictError when an object of this name stands on another file or device.
    """
    try:
        found = find_storage_object(lio, item["plugin"], item["name"])
    except NotFoundError:
        return None
    if not found.enabled:
        found.delete()
        if lio.survey is not None:
            lio.survey.remove(found)
        return None
    wanted = item.get("config") if found.plugin == "user" else item.get("dev")
    has = found.dev_config if found.plugin == "user" else found.device
    if wanted and has != wanted and os.path.realpath(has) != os.path.realpath(str(wanted)):
        raise ConflictError(
            f"There is another object of this name already, on {has}",
            hint=f"Delete it, or forget the saved one: unrestored forget {found.tree_path}",
        )
    if item.get("wwn") and found.plugin != "pscsi" and not found.serial:
        # Killed between enable and the write of the serial number.
        lio.configfs.write(f"{found.path}/wwn/vpd_unit_serial", str(item["wwn"]))
    return found


def _make(lio: Lio, item: Item) -> StorageObject:
    plugin, name, wwn = item["plugin"], item["name"], item.get("wwn")
    # What the saved attributes say of the model alias is written with the other attributes.
    if plugin == "fileio":
        return create.create_fileio(
            lio,
            name,
            item["dev"],
            item.get("size"),
            write_back=bool(item.get("write_back", False)),
            aio=bool(item.get("aio", False)),
            wwn=wwn,
            model_alias=False,
            as_saved=True,
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
