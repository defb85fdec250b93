# SPDX-License-Identifier: Apache-2.0
"""Statistics of iSCSI targets and of the sessions of an ACL, and the number of a target.

drivers/target/iscsi/iscsi_target_stat.c, iscsi_target.c (iscsit_add_tiqn: the lowest free number).
"""

from __future__ import annotations

import os
from contextlib import suppress

from lioshell.kernel.sim.numbers import free_number
from lioshell.kernel.sim.schema import READ_ONLY, Attribute, Group, Made, read_only
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.kernel.sim.simulation import Simulation

VERSION = "v4.1.0"
_ZERO = read_only("0")
_ONE = read_only("1")
_NONE = read_only("None")
_SESSION_FILES = (
    *("node", "indx", "cmd_pdus", "rsp_pdus", "txdata_octs", "rxdata_octs"),
    *("conn_digest_errors", "conn_timeout_errors"),
)
_NUMBERED = (
    *("iscsi_instance", "iscsi_sess_err", "iscsi_tgt_attr"),
    *("iscsi_login_stats", "iscsi_logout_stats"),
)


def target_statistics() -> Group:
    """Return fabric_statistics/ of a target without portals and sessions."""
    instance = ("min_ver", "max_ver", "portals", "sessions", "fail_sess", "fail_type", "disc_time")
    login = (
        *("accepts", "other_fails", "redirects", "authorize_fails"),
        *("authenticate_fails", "negotiate_fails"),
    )
    return Group(
        groups={
            "iscsi_instance": Group(
                {
                    "inst": _ZERO,
                    **dict.fromkeys(instance, _ZERO),
                    "nodes": _ONE,
                    "fail_rem_name": _NONE,
                    "description": read_only("Storage Engine Target"),
                    "vendor": read_only("Datera, Inc. iSCSI-Target"),
                    "version": read_only(VERSION),
                }
            ),
            "iscsi_sess_err": Group(
                dict.fromkeys(("inst", "digest_errors", "cxn_errors", "format_errors"), _ZERO)
            ),
            "iscsi_tgt_attr": Group(
                {
                    "inst": _ZERO,
                    "indx": _ONE,
                    "login_fails": _ZERO,
                    "last_fail_time": _ZERO,
                    "last_fail_type": _ZERO,
                    "fail_intr_name": _NONE,
                    "fail_intr_addr_type": read_only("ipv4"),
                    "fail_intr_addr": read_only("(einval)"),
                }
            ),
            "iscsi_login_stats": Group(
                {"inst": _ZERO, "indx": _ONE, **dict.fromkeys(login, _ZERO)}
            ),
            "iscsi_logout_stats": Group(
                {"inst": _ZERO, "indx": _ONE, "normal_logouts": _ZERO, "abnormal_logouts": _ZERO}
            ),
        }
    )


def acl_statistics() -> Group:
    """Return fabric_statistics/ of an ACL whose initiator is not logged in."""
    nothing = Attribute("", READ_ONLY)
    files = {"inst": _ZERO, **dict.fromkeys(_SESSION_FILES, nothing)}
    return Group(groups={"iscsi_sess_stats": Group(files)})


def number_target(sim: Simulation) -> Made:
    """Return what a new target shows of its number."""
    folder = _numbers(sim)
    os.makedirs(folder, exist_ok=True)
    number = free_number(lambda n: os.path.isdir(f"{folder}/{n}"))
    os.mkdir(f"{folder}/{number}")
    texts = {f"fabric_statistics/{group}/inst": f"{number}\n" for group in _NUMBERED}
    return Made(texts=texts, state={"index": number})


def release_number(sim: Simulation, target: str) -> None:
    """Give the number of a target that goes back."""
    with suppress(FileNotFoundError):
        os.rmdir(f"{_numbers(sim)}/{target_number(sim, target)}")


def _numbers(sim: Simulation) -> str:
    return f"{sim.root}/numbers/iscsi"


def target_number(sim: Simulation, path: str) -> int:
    """Return the number of the target that a path is in."""
    return int(sim.tree.state("/".join(path.split("/")[:2])).get("index", 0))


def show_portals(sim: Simulation, portal: str, difference: int) -> None:
    """Count a target's portals up or down."""
    target = "/".join(portal.split("/")[:2])
    path = f"{target}/fabric_statistics/iscsi_instance/portals"
    sim.tree.put(path, f"{int(sim.tree.value(path)) + difference}\n")
