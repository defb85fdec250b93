# SPDX-License-Identifier: Apache-2.0
"""Rules of a storage object's wwn/ and pr/: identification, and persistent reservations.

drivers/target/target_core_configfs.c (target_wwn_*_store, target_pr_*_show).
"""

from __future__ import annotations

import errno

from lioshell.kernel.sim.schema import READ_ONLY, READ_WRITE, Attribute, Group, read_only
from lioshell.kernel.sim.values import Refused, stripped, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation

SERIAL_PREFIX = "T10 VPD Unit Serial Number: "
_SERIAL_MAX = 253
_NO_HOLDER = "No SPC-3 Reservation holder"


def wwn_group(product: str, revision: str, *, vendor: str = "LIO-ORG") -> Group:
    """Return wwn/ for a backstore with these INQUIRY strings."""
    nothing = Attribute("", READ_ONLY)
    return Group(
        {
            "vendor_id": Attribute(f"{vendor}\n", READ_WRITE, _identification(8)),
            "product_id": Attribute(f"{product}\n", READ_WRITE, _identification(16)),
            "revision": Attribute(f"{revision}\n", READ_WRITE, _identification(4)),
            "company_id": Attribute("0x001405\n", READ_WRITE, _store_company_id),
            "vpd_unit_serial": Attribute(f"{SERIAL_PREFIX}\n", READ_WRITE, _store_serial, own=True),
            "vpd_protocol_identifier": nothing,
            "vpd_assoc_logical_unit": nothing,
            "vpd_assoc_target_port": nothing,
            "vpd_assoc_scsi_target_device": nothing,
        }
    )


def pr_group(*, passthrough: bool) -> Group:
    """Return pr/; `passthrough` for pscsi, whose device answers for reservations itself."""
    shown = _PASSTHROUGH if passthrough else _EMULATED
    return Group(
        {
            **{name: Attribute(text, READ_ONLY) for name, text in shown.items()},
            "res_pr_all_tgt_pts": read_only(_NO_HOLDER),
            "res_pr_generation": read_only("0x00000000"),
            "res_pr_holder_tg_port": read_only(_NO_HOLDER),
            "res_pr_registered_i_pts": read_only("SPC-3 PR Registrations:\nNone"),
            "res_pr_type": read_only(_NO_HOLDER),
            "res_aptpl_metadata": Attribute(
                shown["res_aptpl_metadata"], READ_WRITE, _store_aptpl_metadata
            ),
        }
    )


_EMULATED = {
    "res_holder": f"{_NO_HOLDER}\n",
    "res_type": "SPC3_PERSISTENT_RESERVATIONS\n",
    "res_aptpl_active": "APTPL Bit Status: Disabled\n",
    "res_aptpl_metadata": "Ready to process PR APTPL metadata..\n",
}
_PASSTHROUGH = {
    "res_holder": "Passthrough\n",
    "res_type": "SPC_PASSTHROUGH\n",
    "res_aptpl_active": "",
    "res_aptpl_metadata": "",
}
_DISABLED = {
    "res_holder": "SPC_RESERVATIONS_DISABLED\n",
    "res_type": "SPC_RESERVATIONS_DISABLED\n",
    "res_aptpl_active": "",
    "res_aptpl_metadata": "",
}


def show_reservations(sim: Simulation, device: str, *, emulated: bool, passthrough: bool) -> None:
    """Bring pr/ in line with attrib/emulate_pr and attrib/pgr_support."""
    shown = _DISABLED if not emulated else _PASSTHROUGH if passthrough else _EMULATED
    for name, text in shown.items():
        sim.tree.put(f"{device}/pr/{name}", text)


def require_unexported(write: Write) -> None:
    """Refuse a change of an object that a LUN exports."""
    if write.sim.links_to(write.parent):
        raise Refused(errno.EINVAL)


def _identification(limit: int) -> Callable[[Write], str]:
    def store(write: Write) -> str:
        text = stripped(write.value, limit)
        require_unexported(write)
        return _shown(write, f"{text}\n")

    return store


def _shown(write: Write, text: str) -> str:
    """Show a new identification in the statistics too."""
    from lioshell.kernel.sim.rules_statistics import show_identity

    write.sim.tree.put(write.path, text)
    show_identity(write.sim, write.parent)
    return text


def _store_company_id(write: Write) -> str:
    number = unsigned(write.value)
    if number >= 0x1000000:
        raise Refused(errno.EOVERFLOW)
    require_unexported(write)
    return f"0x{number:06x}\n"


def _store_serial(write: Write) -> str:
    if write.sim.tree.state(write.parent).get("firmware_serial"):
        raise Refused(errno.EOPNOTSUPP)
    if len(write.value) > _SERIAL_MAX:
        raise Refused(errno.EOVERFLOW)
    require_unexported(write)
    return _shown(write, f"{SERIAL_PREFIX}{write.value.strip()}\n")


def _store_aptpl_metadata(write: Write) -> None:
    """The registration is checked and remembered until a LUN shows it; nothing can be read back."""
    given = dict(
        token.split("=", 1) for token in write.value.replace("\n", ",").split(",") if "=" in token
    )
    if not write.read(write.path):
        return
    require_unexported(write)
    if not all(given.get(key) for key in ("initiator_node", "target_node", "sa_res_key")):
        raise Refused(errno.EINVAL)
    unsigned(given["sa_res_key"], 64)
    if given.get("res_holder", "0") != "0" and given.get("res_type", "0") == "0":
        raise Refused(errno.EINVAL)
