# SPDX-License-Identifier: Apache-2.0
"""What an iSCSI session changes in configfs: info, param/, statistics, dynamic_sessions.

drivers/target/iscsi/iscsi_target_configfs.c (lio_target_nacl_info_show, iscsi_nacl_param_*),
iscsi_target_stat.c, target_core_tpg.c (core_tpg_add_initiator_node_acl: an ACL made for an
initiator that is logged in without one takes its session over).
"""

from __future__ import annotations

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from lioshell.kernel.sim.tree import Tree

NO_SESSION = "No Active iSCSI Session"
_NAME_MAX = 223
_ISID = "00023d00"
_SESSION_FILES = (
    *("cmd_pdus", "rsp_pdus", "txdata_octs", "rxdata_octs"),
    *("conn_digest_errors", "conn_timeout_errors", "indx"),
)
# What open-iscsi offers (RFC 7143, 13): the outcome is the lower, the higher, both or either.
_LOWER = {"MaxConnections": 1, "MaxBurstLength": 16776192, "FirstBurstLength": 262144}
_LOWER |= {"DefaultTime2Retain": 0, "MaxOutstandingR2T": 1, "ErrorRecoveryLevel": 0}
_HIGHER = {"DefaultTime2Wait": 2}
_BOTH = {"ImmediateData": True}
_EITHER = {"InitialR2T": False, "DataPDUInOrder": True, "DataSequenceInOrder": True}
_LAST_FAILURE = 6
"""ISCSI_LOGIN_FAIL_NEGOTIATE, which is counted beside the reason (iscsi_target_login.c)."""


def no_session(initiator: str) -> str:
    """Return `info` of an ACL whose initiator is not logged in."""
    return f"No active iSCSI Session for Initiator Endpoint: {initiator[:_NAME_MAX]}\n"


def begin(tree: Tree, tpg: str, initiator: str, alias: str, address: str) -> None:
    """Start a session; without an ACL it is one of demo mode."""
    target = tpg.rpartition("/")[0]
    number = int(tree.state("iscsi").get("sessions", 0)) + 1
    tree.change_state("iscsi", sessions=number)
    session = {"number": number, "alias": alias, "address": address}
    _add(tree, f"{target}/fabric_statistics/iscsi_instance/sessions", 1)
    _add(tree, f"{target}/fabric_statistics/iscsi_login_stats/accepts", 1)
    acl = f"{tpg}/acls/{initiator}"
    if tree.is_dir(acl):
        tree.change_state(acl, session=session)
        for path, text in shown(tree, tpg, initiator, session).items():
            tree.put(f"{acl}/{path}", text)
        for mapped in tree.names(acl):
            if mapped.startswith("lun_"):
                for path, text in mapped_shown(tree, acl).items():
                    tree.put(f"{acl}/{mapped}/{path}", text)
        return
    _show_dynamic(tree, tpg, {**tree.state(tpg).get("dynamic", {}), initiator: session})


def end(tree: Tree, tpg: str, initiator: str) -> bool:
    """End a session; False where the initiator has none with this TPG."""
    acl = f"{tpg}/acls/{initiator}"
    dynamic = dict(tree.state(tpg).get("dynamic", {}))
    if initiator in dynamic:
        del dynamic[initiator]
        _show_dynamic(tree, tpg, dynamic)
    elif tree.is_dir(acl) and tree.state(acl).get("session"):
        tree.change_state(acl, session=None)
        tree.put(f"{acl}/info", no_session(initiator))
        for name in (*_SESSION_FILES, "node"):
            tree.put(f"{acl}/fabric_statistics/iscsi_sess_stats/{name}", "")
        for name in _negotiated(tree, tpg):
            tree.put(f"{acl}/param/{name}", f"{NO_SESSION}\n")
        for mapped in tree.names(acl):
            if mapped.startswith("lun_"):
                for name in ("indx", "port_ident"):
                    tree.put(f"{acl}/{mapped}/statistics/scsi_att_intr_port/{name}", "")
    else:
        return False
    _add(tree, f"{tpg.rpartition('/')[0]}/fabric_statistics/iscsi_instance/sessions", -1)
    return True


def end_all(tree: Tree, tpg: str) -> None:
    """End every session with a TPG, as its end and its disabling do."""
    for initiator in (*tree.state(tpg).get("dynamic", {}), *tree.names(f"{tpg}/acls")):
        end(tree, tpg, initiator)


def take_over(tree: Tree, tpg: str, initiator: str) -> dict[str, Any] | None:
    """Return the session of demo mode that a new ACL takes over, None where there is none."""
    dynamic = dict(tree.state(tpg).get("dynamic", {}))
    session: dict[str, Any] | None = dynamic.pop(initiator, None)
    if session is not None:
        _show_dynamic(tree, tpg, dynamic)
    return session


def shown(tree: Tree, tpg: str, initiator: str, session: dict[str, Any]) -> dict[str, str]:
    """Return what an ACL shows of a session, by path below it."""
    number = int(session["number"])
    isid = f"{_ISID}{number:04x}"
    depth = int(tree.value(f"{tpg}/attrib/default_cmdsn_depth"))
    acl = f"{tpg}/acls/{initiator}"
    if tree.is_dir(acl):
        depth = int(tree.value(f"{acl}/cmdsn_depth"))
    info = (
        f"InitiatorName: {initiator}\n"
        f"InitiatorAlias: {session['alias']}\n"
        f"LIO Session ID: {number}   ISID: 0x{bytes.fromhex(isid).hex(' ')}"
        f"  TSIH: {number}  SessionType: Normal\n"
        "Session State: TARG_SESS_STATE_LOGGED_IN\n"
        "---------------------[iSCSI Session Values]-----------------------\n"
        "  CmdSN/WR  :  CmdSN/WC  :  ExpCmdSN  :  MaxCmdSN  :     ITT    :     TTT\n"
        f" 0x{depth:08x}   0x{depth:08x}   0x00000000   0x{depth - 1:08x}"
        "   0x00000000   0x00000000\n"
        "----------------------[iSCSI Connections]-------------------------\n"
        "CID: 0  Connection State: TARG_CONN_STATE_LOGGED_IN\n"
        f"   Address {session['address']} TCP  StatSN: 0x{number:08x}\n"
    )
    statistics = {f"fabric_statistics/iscsi_sess_stats/{name}": "0\n" for name in _SESSION_FILES}
    return {
        "info": info,
        **statistics,
        "fabric_statistics/iscsi_sess_stats/node": "1\n",
        **{f"param/{name}": f"{value}\n" for name, value in _negotiated(tree, tpg).items()},
    }


def mapped_shown(tree: Tree, acl: str) -> dict[str, str]:
    """Return what a mapped LUN shows of its ACL's session, by path below it; {} without one."""
    session = tree.state(acl).get("session")
    if not session:
        return {}
    isid = f"{_ISID}{int(session['number']):04x}"
    folder = "statistics/scsi_att_intr_port"
    initiator = acl.rpartition("/")[2]
    return {f"{folder}/indx": "0\n", f"{folder}/port_ident": f"{initiator}+i+{isid}\n"}


def count_failure(tree: Tree, tpg: str, counter: str, name: str, address: str) -> None:
    """Count a login that was refused."""
    folder = f"{tpg.rpartition('/')[0]}/fabric_statistics"
    _add(tree, f"{folder}/iscsi_login_stats/{counter}", 1)
    _add(tree, f"{folder}/iscsi_login_stats/negotiate_fails", 1)
    _add(tree, f"{folder}/iscsi_tgt_attr/login_fails", 2)
    for file, text in (
        ("fail_intr_addr", address),
        ("fail_intr_name", name),
        ("last_fail_type", str(_LAST_FAILURE)),
    ):
        tree.put(f"{folder}/iscsi_tgt_attr/{file}", f"{text}\n")


def count_logout(tree: Tree, tpg: str) -> None:
    """Count a session that its initiator ended."""
    folder = f"{tpg.rpartition('/')[0]}/fabric_statistics"
    _add(tree, f"{folder}/iscsi_logout_stats/normal_logouts", 1)


def _negotiated(tree: Tree, tpg: str) -> dict[str, int]:
    """Return what open-iscsi and the TPG agree on."""

    def offer(name: str) -> str:
        return tree.value(f"{tpg}/param/{name}")

    return {
        **{name: min(mine, int(offer(name))) for name, mine in _LOWER.items()},
        **{name: max(mine, int(offer(name))) for name, mine in _HIGHER.items()},
        **{name: int(mine and offer(name) == "Yes") for name, mine in _BOTH.items()},
        **{name: int(mine or offer(name) == "Yes") for name, mine in _EITHER.items()},
    }


def _show_dynamic(tree: Tree, tpg: str, dynamic: dict[str, Any]) -> None:
    tree.change_state(tpg, dynamic=dynamic)
    tree.put(f"{tpg}/dynamic_sessions", "".join(f"{name}\n\0" for name in dynamic))


def _add(tree: Tree, path: str, difference: int) -> None:
    tree.put(path, f"{int(tree.value(path)) + difference}\n")
