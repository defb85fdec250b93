# SPDX-License-Identifier: Apache-2.0
"""What the user backstore (TCMU) does: its options, its ring's registration, its actions.

drivers/target/target_core_user.c (tcmu_set_configfs_dev_params, tcmu_configure_device,
tcmu_block_dev_store, tcmu_reset_ring_store). The ring itself is in uio.py and ring.py.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress

from lioshell.errors import NotFoundError
from lioshell.kernel.sim.rules_backstores import Backstore
from lioshell.kernel.sim.schema import READ_WRITE, WRITE_ONLY, Attribute
from lioshell.kernel.sim.values import Refused, option_int, option_u64, options, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import ClassVar

    from lioshell.kernel.sim.schema import Write
    from lioshell.kernel.sim.simulation import Simulation

_CONFIG_MAX_BYTES = 255
_PAGES_PER_MIB = 256
_GLOBAL_MAX_DATA_AREA_MB = 2048
_MAX_CMD_RING_SIZE_MB = 8
_KEYS = (
    *("dev_config", "dev_size", "hw_block_size", "hw_max_sectors", "nl_reply_supported"),
    *("max_data_area_mb", "data_pages_per_blk", "cmd_ring_size_mb"),
)


def _store_block_dev(write: Write) -> str:
    from lioshell.kernel.sim import uio

    name = _uio_name(write)
    number = unsigned(write.value, 8)
    if number > 1:
        raise Refused(errno.EINVAL)
    with _kernel_answer():
        uio.set_blocked(write.sim.root, name, number == 1)
    return "blocked\n" if number else "unblocked\n"


def _store_reset_ring(write: Write) -> None:
    from lioshell.kernel.sim import uio

    name = _uio_name(write)
    number = unsigned(write.value, 8)
    if number not in (1, 2):
        raise Refused(errno.EINVAL)
    with _kernel_answer():
        uio.reset_ring(write.sim.root, name, number)


def _store_free_kept_buf(write: Write) -> None:
    """No command of the simulated ring is completed with KEEP_BUF, so no id is ever known."""
    _uio_name(write)
    unsigned(write.value, 16)
    raise Refused(errno.EINVAL)


@contextmanager
def _kernel_answer() -> Iterator[None]:
    """Turn what the ring's side raises into an errno; a device that is gone is not configured."""
    try:
        yield
    except NotFoundError:
        raise Refused(errno.EINVAL) from None
    except OSError as error:
        raise Refused(error.errno or errno.EIO) from error


def _uio_name(write: Write) -> str:
    name = write.sim.tree.state(write.parent).get("uio")
    if name is None or write.sim.tree.value(f"{write.parent}/enable") != "1":
        raise Refused(errno.EINVAL)
    return str(name)


class User(Backstore):
    """A device that a process serves; its options are the attributes of the same names."""

    revision = ""
    actions: ClassVar[Mapping[str, Attribute]] = {
        "block_dev": Attribute("unblocked\n", READ_WRITE, _store_block_dev),
        "reset_ring": Attribute("", WRITE_ONLY, _store_reset_ring),
        "free_kept_buf": Attribute("", WRITE_ONLY, _store_free_kept_buf),
    }

    def control(self, sim: Simulation, device: str, text: str) -> None:
        for key, value in options(text, _KEYS):
            if key == "dev_config":
                shown = value.encode()[:_CONFIG_MAX_BYTES].decode(errors="ignore")
            elif key == "dev_size":
                shown = str(option_u64(value))
            else:
                number = option_int(value)
                if number is None:
                    continue
                shown = str(self._checked(sim, device, key, number))
            sim.tree.put(f"{device}/attrib/{key}", f"{shown}\n")

    def _checked(self, sim: Simulation, device: str, key: str, number: int) -> int:
        """Return what the kernel makes of a number; raises Refused."""
        if key == "nl_reply_supported":
            return number
        if number <= 0:
            # For data_pages_per_blk=0 the kernel divides by zero and dies; here it is refused.
            raise Refused(errno.EINVAL)
        if key in ("hw_block_size", "hw_max_sectors"):
            return number
        tree = sim.tree
        area_mb = int(tree.value(f"{device}/attrib/max_data_area_mb"))
        block_pages = int(tree.value(f"{device}/attrib/data_pages_per_blk"))
        if key == "max_data_area_mb":
            number = area_mb = min(number, _GLOBAL_MAX_DATA_AREA_MB)
        elif key == "data_pages_per_blk":
            block_pages = number
        else:
            number = min(number, _MAX_CMD_RING_SIZE_MB)
        if area_mb * _PAGES_PER_MIB < block_pages or tree.value(f"{device}/enable") == "1":
            raise Refused(errno.EINVAL)
        return number

    def configure(self, sim: Simulation, device: str) -> dict[str, int]:
        from lioshell.kernel.sim import uio

        _, hba, name = device.split("/")
        attrib = f"{device}/attrib"
        tree = sim.tree
        with _kernel_answer():
            uio_name = uio.register(
                sim.root,
                unsigned(hba.rpartition("_")[2], 64) % 2**32,
                name,
                tree.value(f"{attrib}/dev_config"),
                max_data_area_mb=int(tree.value(f"{attrib}/max_data_area_mb")),
                cmd_ring_size_mb=int(tree.value(f"{attrib}/cmd_ring_size_mb")),
            )
        tree.change_state(device, uio=uio_name)
        if int(tree.value(f"{attrib}/nl_reply_supported")) >= 0:
            # The module's own switch counts, which only a daemon on netlink turns on.
            tree.put(f"{attrib}/nl_reply_supported", "0\n")
        return {
            "hw_block_size": int(tree.value(f"{attrib}/hw_block_size")) or 512,
            "hw_max_sectors": int(tree.value(f"{attrib}/hw_max_sectors")) or 128,
            "hw_queue_depth": 128,
        }

    def destroy(self, sim: Simulation, device: str) -> None:
        from lioshell.kernel.sim import uio

        # A device that is gone already was removed by hand; the object goes all the same.
        with suppress(NotFoundError):
            uio.unregister(sim.root, str(sim.tree.state(device).get("uio")))

    def info(self, sim: Simulation, device: str) -> str:
        attrib = f"{device}/attrib"
        value = sim.tree.value
        return (
            f"Config: {value(f'{attrib}/dev_config') or 'NULL'}"
            f" Size: {value(f'{attrib}/dev_size')}"
            f" MaxDataAreaMB: {value(f'{attrib}/max_data_area_mb')}"
            f" DataPagesPerBlk: {value(f'{attrib}/data_pages_per_blk')}"
            f" CmdRingSizeMB: {value(f'{attrib}/cmd_ring_size_mb')}\n"
        )
