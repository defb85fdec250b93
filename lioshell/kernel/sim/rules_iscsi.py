# SPDX-License-Identifier: Apache-2.0
"""Rules of the iSCSI fabric: names, CHAP files, parameters, and what hangs together.

drivers/target/iscsi/iscsi_target_configfs.c, _tpg.c, _nodeattrib.c, _parameters.c.
"""

from __future__ import annotations

import errno
import os
import re

from lioshell.kernel.sim import rules_iscsi_sessions as sessions
from lioshell.kernel.sim.rules_fabric import FabricRules, number_acl
from lioshell.kernel.sim.rules_iscsi_portals import (
    check_portal,
    listens,
    listens_no_more,
    portal_attributes,
)
from lioshell.kernel.sim.rules_iscsi_statistics import (
    acl_statistics,
    number_target,
    release_number,
    show_portals,
    target_number,
    target_statistics,
)
from lioshell.kernel.sim.schema import READ_ONLY, READ_WRITE, Attribute, Made, read_only
from lioshell.kernel.sim.values import Refused, switch, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation
    from lioshell.specs import FabricSpec

_NAME_MAX = 223
_AUTH_MAX = 255
_TAG_MAX = 63
_CMDSN_MAX = 512
_AUTH_METHODS = ("KRB5", "SPKM1", "SPKM2", "SRP", "CHAP", "None")
_DIGESTS = ("CRC32C", "None")
_RANGES = {
    **dict.fromkeys(("MaxConnections", "MaxOutstandingR2T"), (1, 65535)),
    **dict.fromkeys(("DefaultTime2Wait", "DefaultTime2Retain"), (0, 3600)),
    "ErrorRecoveryLevel": (0, 2),
    **dict.fromkeys(
        (
            *("MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength"),
            *("MaxBurstLength", "FirstBurstLength"),
        ),
        (512, 16777215),
    ),
}
_YES_NO = frozenset(
    {
        *("InitialR2T", "ImmediateData", "DataPDUInOrder", "DataSequenceInOrder"),
        *("IFMarker", "OFMarker"),
    }
)


class IscsiRules(FabricRules):
    """iscsi_target_mod."""

    target_statistics = target_statistics()
    acl_statistics = acl_statistics()

    def __init__(self, spec: FabricSpec) -> None:
        super().__init__(spec)
        last_cpu = (os.cpu_count() or 1) - 1
        cpus = f"0-{last_cpu}\n" if last_cpu else "0\n"
        self.fabric_attributes = {
            "lio_version": read_only("Datera Inc. iSCSI Target v4.1.0"),
            "cpus_allowed_list": Attribute(cpus, READ_WRITE, _store_cpus),
        }
        self.tpg_attributes = {"dynamic_sessions": Attribute("", READ_ONLY, own=True)}
        self.acl_attributes = {
            "info": Attribute("", READ_ONLY, own=True),
            "cmdsn_depth": Attribute("", READ_WRITE, _store_cmdsn_depth, own=True),
            "tag": Attribute("", READ_WRITE, _store_tag, own=True),
        }
        self.portal_attributes = portal_attributes()

    def store(self, group: str, name: str) -> Callable[[Write], str | None] | None:
        if group in ("tpg_auth", "acl_auth", "discovery_auth"):
            if name == "enforce_discovery_auth":
                return _store_enforce
            return _store_tpg_auth if group == "tpg_auth" else _store_auth
        if group == "tpg_parameter":
            return _store_parameter
        return _STORES.get((group, name))

    def make_target(self, sim: Simulation, folder: str, name: str) -> Made:
        if len(os.fsencode(name)) > _NAME_MAX:
            raise Refused(errno.EINVAL)
        del folder
        return number_target(sim)

    def drop_target(self, sim: Simulation, target: str) -> None:
        release_number(sim, target)

    def portal_made(self, sim: Simulation, portal: str) -> None:
        show_portals(sim, portal, 1)
        listens(sim, portal)

    def portal_dropped(self, sim: Simulation, portal: str) -> None:
        show_portals(sim, portal, -1)
        listens_no_more(sim, portal)

    def make_tpg(self, sim: Simulation, folder: str, name: str) -> Made:
        # The kernel looks for "tpgt_" anywhere in the name.
        _, found, digits = name.partition("tpgt_")
        return super().make_tpg(sim, folder, f"{found}{digits}")

    def make_acl(self, sim: Simulation, folder: str, name: str) -> Made:
        attrib = f"{folder.rpartition('/')[0]}/attrib"
        tpg = folder.rpartition("/")[0]
        session = sessions.take_over(sim.tree, tpg, name)
        shown = {} if session is None else sessions.shown(sim.tree, tpg, name, session)
        params = sim.group_at(f"{folder}/{name}/param")
        assert params is not None
        return Made(
            state={"index": number_acl(sim), "session": session},
            texts={
                "info": sessions.no_session(name),
                "cmdsn_depth": sim.tree.text(f"{attrib}/default_cmdsn_depth"),
                "attrib/default_erl": sim.tree.text(f"{attrib}/default_erl"),
                "fabric_statistics/iscsi_sess_stats/inst": f"{target_number(sim, folder)}\n",
                **{f"param/{key}": f"{sessions.NO_SESSION}\n" for key in params.attributes},
                **shown,
            },
        )

    def drop_acl(self, sim: Simulation, acl: str) -> None:
        """The session of an initiator goes with its ACL."""
        tpg, _, initiator = acl.rpartition("/acls/")
        sessions.end(sim.tree, tpg, initiator)

    def drop_tpg(self, sim: Simulation, tpg: str) -> None:
        sessions.end_all(sim.tree, tpg)

    def mapped_lun_texts(self, sim: Simulation, acl: str) -> dict[str, str]:
        return sessions.mapped_shown(sim.tree, acl)

    def make_portal(self, sim: Simulation, folder: str, name: str) -> Made:
        return check_portal(sim, folder, name)

    def set_enabled(self, write: Write) -> str:
        flag = switch(write.value)
        tree = write.sim.tree
        enforced = tree.value(f"{write.folder}/attrib/authentication") == "1"
        if flag and enforced and tree.value(write.path) == "0":
            _set_auth_method(write.sim, write.folder, enforced=True)
        if not flag:
            sessions.end_all(tree, write.folder)
        return f"{int(flag)}\n"


def _store_cpus(write: Write) -> str:
    value = write.value.strip()
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", value):
        raise Refused(errno.EINVAL)
    for part in value.split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first):
            raise Refused(errno.EINVAL)
        if int(last or first) >= (os.cpu_count() or 1):
            raise Refused(errno.EOVERFLOW)
    return f"{value}\n"


def _store_cmdsn_depth(write: Write) -> str:
    number = unsigned(write.value)
    if number > _CMDSN_MAX:
        raise Refused(errno.EINVAL)
    return f"{max(1, number)}\n"


def _store_tag(write: Write) -> str:
    """Keep the tag as it was written: this attribute adds no newline of its own."""
    if len(os.fsencode(write.value)) > _TAG_MAX:
        raise Refused(errno.EINVAL)
    return "" if write.value.startswith("NULL") else write.value


def _store_auth(write: Write) -> str:
    if len(os.fsencode(write.value)) > _AUTH_MAX:
        raise Refused(errno.EINVAL)
    return _store_tpg_auth(write)


def _store_tpg_auth(write: Write) -> str:
    """Keep a credential as it was written; "NULL" at its start means that there is none."""
    tree = write.sim.tree
    text = os.fsdecode(os.fsencode(write.value)[:_AUTH_MAX]) + "\n"
    tree.put(write.path, text)
    mutual = [tree.text(f"{write.folder}/{name}_mutual") for name in ("userid", "password")]
    both = all(value != "\n" and not value.startswith("NULL") for value in mutual)
    tree.put(f"{write.folder}/authenticate_target", f"{int(both)}\n")
    return text


def _store_enforce(write: Write) -> str:
    try:
        number = unsigned(write.value)
    except Refused:
        raise Refused(errno.EINVAL) from None
    if number > 1:
        raise Refused(errno.EINVAL)
    return f"{number}\n"


def _store_parameter(write: Write) -> str:
    """Check a negotiated parameter as iscsi_check_value does; the text is kept as written."""
    name = write.path.rpartition("/")[2]
    value = write.value[:-1] if write.value[-1:].isspace() else write.value
    if value == "Irrelevant" or (value == "Reject" and name in ("IFMarkInt", "OFMarkInt")):
        return f"{value}\n"
    if value in ("Reject", "NotUnderstood"):
        raise Refused(errno.EINVAL)
    words = value.split(",")
    known = {"AuthMethod": _AUTH_METHODS, "HeaderDigest": _DIGESTS, "DataDigest": _DIGESTS}
    if name in known:
        if any(word not in known[name] for word in words):
            raise Refused(errno.EINVAL)
    elif len(words) > 1 or len(value) > _AUTH_MAX:
        raise Refused(errno.EINVAL)
    elif name in _YES_NO:
        if value not in ("Yes", "No"):
            raise Refused(errno.EINVAL)
    elif name in _RANGES:
        minimum, maximum = _RANGES[name]
        # simple_strtoul reads what digits there are, none is 0.
        digits = re.match(r"0[xX][0-9a-fA-F]+|[0-9]*", value)
        assert digits is not None
        if not minimum <= int(digits[0] or "0", 16 if "x" in digits[0].lower() else 10) <= maximum:
            raise Refused(errno.EINVAL)
    return f"{value}\n"


def _set_auth_method(sim: Simulation, tpg: str, *, enforced: bool) -> None:
    """Keep "None" in or out of AuthMethod, as authentication says (iscsit_ta_authentication)."""
    path = f"{tpg}/param/AuthMethod"
    methods = sim.tree.value(path).split(",")
    if enforced:
        methods = [method for method in methods if method != "None"] or ["CHAP"]
    elif "None" not in methods:
        methods.append("None")
    sim.tree.put(path, ",".join(methods) + "\n")


def _store_authentication(write: Write) -> str:
    flag = _flag(write)
    _set_auth_method(write.sim, write.parent, enforced=flag)
    return f"{int(flag)}\n"


def _store_generate_node_acls(write: Write) -> str:
    flag = _flag(write)
    if flag:
        write.sim.tree.put(f"{write.folder}/cache_dynamic_acls", "1\n")
    return f"{int(flag)}\n"


def _store_cache_dynamic_acls(write: Write) -> str | None:
    flag = _flag(write)
    if not flag and write.read(f"{write.folder}/generate_node_acls") == "1\n":
        return None
    return f"{int(flag)}\n"


def _store_nopin_timeout(write: Write) -> str:
    number = unsigned(write.value)
    if number > 60 or 0 < number < 3:
        raise Refused(errno.EINVAL)
    return f"{number}\n"


def _flag(write: Write) -> bool:
    number = unsigned(write.value)
    if number > 1:
        raise Refused(errno.EINVAL)
    return number == 1


_STORES: dict[tuple[str, str], Callable[[Write], str | None]] = {
    ("tpg_attribute", "authentication"): _store_authentication,
    ("tpg_attribute", "generate_node_acls"): _store_generate_node_acls,
    ("tpg_attribute", "cache_dynamic_acls"): _store_cache_dynamic_acls,
    ("acl_attribute", "nopin_timeout"): _store_nopin_timeout,
}
