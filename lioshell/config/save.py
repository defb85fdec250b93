# SPDX-License-Identifier: Apache-2.0
"""Save: what runs, and what a restore could not bring back, as a document in targetcli's format."""

from __future__ import annotations

import copy
import os

from lioshell.config import backups, saved_file, unrestored
from lioshell.config.attached import without_attached
from lioshell.config.document import (
    IDENTITY,
    MAPS,
    OWN_SECTION,
    Document,
    Item,
    empty,
    entries,
    identity,
    in_order,
    merged,
)
from lioshell.config.dump_backstores import dump_storage_objects
from lioshell.config.dump_targets import dump_fabrics
from lioshell.config.pending import laid_over
from lioshell.errors import DocumentError, HostError, NotFoundError
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.config.unrestored import Pending, Unrestored
    from lioshell.lio.root import Lio

NOT_RESTORED = "not_restored"
"""Key of the section `lioshell`: what is in the file though it did not run when it was saved."""

_CREDENTIALS = ("userid", "password", "mutual_userid", "mutual_password")
_KNOWN: dict[str, frozenset[str]] = {
    "storage_objects": frozenset(
        ("name", "plugin", "attributes", "alua_tpgs", "wwn", "dev", "size", "write_back", "aio",
         "readonly", "nullio", "config", "control", "hw_max_sectors", "vendor_id", "product_id",
         "revision", "company_id")
    ),
    "alua_tpgs": frozenset(
        ("name", "tg_pt_gp_id", "alua_access_state", "alua_access_status", "alua_access_type",
         "alua_support_active_nonoptimized", "alua_support_active_optimized",
         "alua_support_lba_dependent", "alua_support_offline", "alua_support_standby",
         "alua_support_transitioning", "alua_support_unavailable", "alua_write_metadata",
         "implicit_trans_secs", "nonop_delay_msecs", "preferred", "trans_delay_msecs")
    ),
    "fabric_modules": frozenset(
        ("name", "discovery_enable_auth", "cpus_allowed_list", "parameters",
         *(f"discovery_{name}" for name in _CREDENTIALS))
    ),
    "targets": frozenset(("fabric", "wwn", "tpgs", *MAPS)),
    "tpgs": frozenset(
        ("tag", "enable", "luns", "portals", "node_acls", "nexus", *MAPS,
         *(f"chap_{name}" for name in _CREDENTIALS))
    ),
    "luns": frozenset(
        ("index", "alias", "storage_object", "alua_tg_pt_gp_name", "alua_tg_pt_offline",
         "alua_tg_pt_status", "alua_tg_pt_write_md")
    ),
    "portals": frozenset(("ip_address", "port", "iser", "offload")),
    "node_acls": frozenset(
        ("node_wwn", "mapped_luns", "cmdsn_depth", "tag", *MAPS,
         *(f"chap_{name}" for name in _CREDENTIALS), *_CREDENTIALS)
    ),
    "mapped_luns": frozenset(("index", "tpg_lun", "write_protect", "alias")),
}  # fmt: skip
"""Keys that a dump decides about: one that it leaves out is not there any more. All others are
somebody else's, and stay with their object."""


class Saved(NamedTuple):
    """What a save did: whether the file was written, what it carried over."""

    changed: bool
    document: Document
    carried: tuple[Unrestored, ...] = ()


def save(
    lio: Lio,
    path: str,
    *,
    max_backups: int | None = None,
    warn: Callable[[str], None] | None = None,
) -> Saved:
    """Save what runs to a file, along with what the last restore could not bring back.

    What others have written into the file is kept. `max_backups` is how many older versions the
    folder `backup` beside it keeps, None for a file that has none. Nothing is written where nothing
    has changed. Raises HostError or DocumentError; the file is as it was then.
    """
    pending = unrestored.read(lio.kernel.run_dir)
    before: Document | None = None
    left_out: list[str] = []
    try:
        before, left_out = saved_file.read_and_count(path, warn=warn)
    except NotFoundError:
        # The first save.
        pass
    except (DocumentError, HostError):
        # Somebody may still want what is in it; what is no file, the write below complains of.
        if os.path.isfile(path):
            saved_file.keep_aside(path)
    document = with_pending(dump(lio), pending)
    if before is not None:
        document = kept(with_undescribed(lio, document, before), before)
        if not left_out and in_order(document) == in_order(empty() | before):
            saved_file.close_to_others(path)
            return Saved(False, document, () if pending is None else pending.objects)
        if max_backups is not None:
            backups.keep(path, max_backups)
    saved_file.write(path, document)
    return Saved(True, document, () if pending is None else pending.objects)


def dump(lio: Lio) -> Document:
    """Return the running configuration as a document, in a stable order.

    The disks that programs have attached are no part of it.
    """
    storage_objects = dump_storage_objects(lio)
    modules, targets = dump_fabrics(lio)
    document = {"storage_objects": storage_objects, "fabric_modules": modules, "targets": targets}
    return without_attached(document)[0]


def with_pending(document: Document, pending: Pending | None) -> Document:
    """Return a document with what is not restored, and the list of it.

    What runs counts, but for the objects of a restore that was interrupted: they may be half made.
    """
    if pending is None:
        return document
    if pending.interrupted:
        result = in_order(merged(pending.document, document))
    else:
        whole = {one.path for one in pending.objects}
        result = in_order(laid_over(document, pending.document, whole))
    if pending.objects:
        result[OWN_SECTION] = {
            NOT_RESTORED: [{"path": one.path, "reason": one.reason} for one in pending.objects]
        }
    return result


def with_undescribed(lio: Lio, document: Document, before: Document) -> Document:
    """Return a document with the objects of the file before that no spec describes any more.

    Whether they run cannot be told by what was dumped, and their spec may come back.
    """
    fabrics, backstores = lio.specs.fabric_words(), lio.specs.backstore_words()
    result = dict(document)
    for section, key, words in (
        ("storage_objects", "plugin", backstores),
        ("fabric_modules", "name", fabrics),
        ("targets", "fabric", fabrics),
    ):
        there = {identity(section, item) for item in entries(document, section)}
        result[section] = [
            *document.get(section, []),
            *(
                copy.deepcopy(item)
                for item in entries(before, section)
                if isinstance(item.get(key), str)
                and item[key] not in words
                and identity(section, item) not in there
            ),
        ]
    return result


def kept(document: Document, before: Document) -> Document:
    """Return a document with the keys of the file before that are not ours, at every level."""
    own = {k: v for k, v in before.get(OWN_SECTION, {}).items() if k != NOT_RESTORED}
    result = dict(document)
    if own or OWN_SECTION in document:
        result[OWN_SECTION] = {**own, **document.get(OWN_SECTION, {})}
    for key, value in before.items():
        if key in IDENTITY and isinstance(value, list):
            result[key] = _kept_list(key, document.get(key, []), before)
        elif key not in result and key != OWN_SECTION:
            result[key] = copy.deepcopy(value)
    return result


def _kept_list(name: str, items: list[Item], before: Item) -> list[Item]:
    old = {identity(name, item): item for item in entries(before, name)}
    return [_kept_item(name, item, old.get(identity(name, item), {})) for item in items]


def _kept_item(name: str, item: Item, before: Item) -> Item:
    result = dict(item)
    known = _KNOWN[name]
    for key, value in before.items():
        if key in IDENTITY and isinstance(item.get(key), list):
            result[key] = _kept_list(key, item[key], before)
        elif key not in known and key not in result:
            result[key] = copy.deepcopy(value)
    return result
