# SPDX-License-Identifier: Apache-2.0
"""The saved configuration in YAML: for people to read, to compare, to keep in version control.

It has the keys of targetcli's JSON, in an order that begins with what matters. Attributes that have
a spec's default stand apart in one block (`defaults`), so that `attributes` shows what is special.
Passwords are not in the file: each is a reference to a file or to a credential (secret_store).
"""

from __future__ import annotations

import copy
from typing import Any

from lioshell.config import secret_store
from lioshell.config.document import (
    IDENTITY,
    MAPS,
    OWN_SECTION,
    SECTIONS,
    VERSION,
    Document,
    Item,
    check,
)
from lioshell.errors import DocumentError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD = "# Saved by lioshell: what `restoreconfig` restores. Passwords are kept elsewhere.\n"
_DEFAULTS = "defaults"
_FIRST = (
    *("name", "fabric", "wwn", "node_wwn", "tag", "index", "ip_address", "port", "plugin"),
    *("enable", "dev", "config", "size", "storage_object", "tpg_lun"),
)
_LAST = (
    *("attributes", "parameters", _DEFAULTS, "alua_tpgs", "portals", "luns", "node_acls"),
    *("mapped_luns", "tpgs"),
)
_USUAL: dict[str, dict[str, int | str]] = {
    "alua_tpgs": {
        "alua_access_state": 0, "alua_access_status": 0, "alua_access_type": 3,
        "alua_support_active_nonoptimized": 1, "alua_support_active_optimized": 1,
        "alua_support_offline": 1, "alua_support_standby": 1, "alua_support_transitioning": 1,
        "alua_support_unavailable": 1, "alua_write_metadata": 0, "implicit_trans_secs": 0,
        "nonop_delay_msecs": 100, "preferred": 0, "trans_delay_msecs": 0,
    },
    "storage_objects": {
        "emulate_model_alias": 1, "emulate_dpo": 1, "emulate_fua_write": 1, "emulate_fua_read": 1,
        "emulate_write_cache": 0, "emulate_ua_intlck_ctrl": 0, "emulate_tas": 1, "emulate_tpu": 0,
        "emulate_tpws": 0, "emulate_caw": 1, "emulate_3pc": 1, "emulate_pr": 1, "pi_prot_type": 0,
        "pi_prot_format": 0, "pi_prot_verify": 0, "enforce_pr_isids": 1, "emulate_rest_reord": 0,
        "force_pr_aptpl": 0, "block_size": 512, "queue_depth": 128, "alua_support": 1,
        "pgr_support": 1, "unmap_granularity_alignment": 0, "unmap_zeroes_data": 0,
        "cmd_time_out": 30, "qfull_time_out": -1, "tmr_notification": 0, "nl_reply_supported": -1,
    },
    "tpgs": {
        "cache_dynamic_acls": 0, "default_cmdsn_depth": 64, "default_erl": 0,
        "demo_mode_discovery": 1, "demo_mode_write_protect": 1, "fabric_prot_type": 0,
        "generate_node_acls": 0, "login_keys_workaround": 1, "login_timeout": 15,
        "netif_timeout": 2, "prod_mode_write_protect": 0, "t10_pi": 0,
        "tpg_enabled_sendtargets": 1,
        "AuthMethod": "CHAP", "DataDigest": "CRC32C,None", "DataPDUInOrder": "Yes",
        "DataSequenceInOrder": "Yes", "DefaultTime2Retain": "20", "DefaultTime2Wait": "2",
        "ErrorRecoveryLevel": "0", "FirstBurstLength": "65536", "HeaderDigest": "CRC32C,None",
        "IFMarkInt": "Reject", "IFMarker": "No", "ImmediateData": "Yes", "InitialR2T": "Yes",
        "MaxBurstLength": "262144", "MaxConnections": "1", "MaxOutstandingR2T": "1",
        "MaxRecvDataSegmentLength": "8192", "MaxXmitDataSegmentLength": "262144",
        "OFMarkInt": "Reject", "OFMarker": "No", "TargetAlias": "LIO Target",
    },
    "node_acls": {
        "authentication": -1, "dataout_timeout": 3, "dataout_timeout_retries": 5, "default_erl": 0,
        "nopin_response_timeout": 30, "nopin_timeout": 15, "random_datain_pdu_offsets": 0,
        "random_datain_seq_offsets": 0, "random_r2t_offsets": 0,
    },
}  # fmt: skip
"""What a new object mostly has. It only decides where a value stands in the file: all of them are
in it, so that a wrong entry here costs nothing but a line."""


def text(path: str, document: Document) -> str:
    """Return a document as YAML text; passwords are put where `path` refers to.

    References of the file as it is whose password has not changed stay. Raises OSError when a
    password cannot be written.
    """
    import yaml

    plain = secret_store.put_away(path, document, _referring(path))
    shown = {key: _ordered(key, plain[key]) for key in SECTIONS if key in plain}
    shown |= {k: v for k, v in plain.items() if k not in (*SECTIONS, OWN_SECTION)}
    own = plain.get(OWN_SECTION, {})
    shown = {OWN_SECTION: {"version": VERSION, **own}, **shown}
    body = yaml.dump(
        shown, Dumper=_dumper(), sort_keys=False, width=100, allow_unicode=True, indent=2
    )
    return _HEAD + str(body)


def _referring(path: str) -> Document:
    """Return what a file holds now, passwords by reference; nothing for one that is unreadable."""
    try:
        with open(path, encoding="utf-8") as file:
            return _parsed(file.read(), path)
    except (OSError, UnicodeDecodeError, DocumentError):
        return {}


def parse(text_: str, path: str) -> Document:
    """Return the document of a YAML text; raises DocumentError with the line."""
    return secret_store.looked_up(path, _parsed(text_, path))


def _parsed(text_: str, path: str) -> Document:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = yaml.load(text_, Loader=loader)  # noqa: S506  # the safe loader, in C where there is one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be understood"
        raise DocumentError(
            f"{path}{line} is no YAML: {problem}",
            hint="Mend it, or restore another file.",
            path=path,
        ) from error
    document = check(found, path)
    own = {k: v for k, v in document.get(OWN_SECTION, {}).items() if k != "version"}
    result = {k: _unordered(v) for k, v in document.items() if k != OWN_SECTION}
    if own:
        result[OWN_SECTION] = own
    return result


def _ordered(name: str, items: Any) -> Any:
    """Return a list of entries whose keys stand in the order for people."""
    if not isinstance(items, list):
        return items
    return [_ordered_item(name, item) if isinstance(item, dict) else item for item in items]


def _ordered_item(name: str, item: Item) -> Item:
    item = _with_defaults_apart(name, item)

    def rank(key: str) -> tuple[int, int, str]:
        if key in _FIRST:
            return (0, _FIRST.index(key), key)
        return (2, _LAST.index(key), key) if key in _LAST else (1, 0, key)

    found = {}
    for key in sorted(item, key=rank):
        value = item[key]
        if key in IDENTITY:
            value = _ordered(key, value)
        elif key in MAPS and isinstance(value, dict):
            value = dict(sorted(value.items()))
        found[key] = value
    return found


def _with_defaults_apart(name: str, item: Item) -> Item:
    usual, result = _USUAL.get(name, {}), dict(item)
    defaults: dict[str, Any] = {}
    if name == "alua_tpgs":
        same = {k: v for k, v in item.items() if k in usual and _same(v, usual[k])}
        defaults = same
        result = {k: v for k, v in item.items() if k not in same}
    for key in MAPS:
        table = item.get(key)
        if name == "alua_tpgs" or not isinstance(table, dict):
            continue
        same = {k: v for k, v in table.items() if k in usual and _same(v, usual[k])}
        if same:
            defaults[key] = same
            result[key] = {k: v for k, v in table.items() if k not in same}
    if defaults and _DEFAULTS not in item:
        flow: Callable[[dict[str, Any]], _Flow] = lambda table: _Flow(sorted(table.items()))  # noqa: E731  # used in two shapes just below
        result[_DEFAULTS] = (
            flow(defaults)
            if name == "alua_tpgs"
            else {key: flow(table) for key, table in sorted(defaults.items())}
        )
        return result
    return dict(item)


def _same(value: object, usual: object) -> bool:
    return type(value) is type(usual) and value == usual


def _unordered(found: Any) -> Any:
    """Return what was read with the defaults back where they belong; a value beside them counts."""
    if isinstance(found, list):
        return [_unordered(item) for item in found]
    if not isinstance(found, dict):
        return found
    result = {key: _unordered(value) for key, value in found.items() if key != _DEFAULTS}
    defaults = found.get(_DEFAULTS)
    if not isinstance(defaults, dict):
        return copy.deepcopy(found) if _DEFAULTS in found else result
    for key, value in defaults.items():
        if key in MAPS and isinstance(value, dict):
            table = result.get(key) or {}
            result[key] = {**value, **table}
        else:
            result.setdefault(key, value)
    return result


class _Flow(dict[str, Any]):
    """A table that is written in one block, and not one line a value."""


def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        """No anchors: the same table twice is written twice."""

        def ignore_aliases(self, data: Any) -> bool:
            del data
            return True

    def represent_flow(dumper: Any, data: _Flow) -> Any:
        return dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)

    Dumper.add_representer(_Flow, represent_flow)
    return Dumper
