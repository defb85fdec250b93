# SPDX-License-Identifier: Apache-2.0
"""The target port groups of a storage object, read from configfs and kept for a moment.

Initiators ask for them at every path change, all at the same time.
"""

from __future__ import annotations

import time

from lioshell.errors import LioshellError
from lioshell.runner.scsi.alua import PortGroup
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from lioshell.kernel.ports import ConfigfsPort

KEPT_S: Final = 1.0

# ASYMMETRIC ACCESS STATEs that a group can have, by the file that says so (SPC-4 table 290).
_SUPPORTED: Final = {
    "alua_support_active_optimized": 0x01,
    "alua_support_active_nonoptimized": 0x02,
    "alua_support_standby": 0x04,
    "alua_support_unavailable": 0x08,
    "alua_support_lba_dependent": 0x10,
    "alua_support_offline": 0x40,
    "alua_support_transitioning": 0x80,
}
# drivers/target/target_core_alua.c, core_alua_dump_status; STATUS CODE of SPC-4 table 291.
_STATUS: Final = {"Altered by Explicit STPG": 1, "Altered by Implicit ALUA": 2}
_PORT_MAX: Final = 0xFFFF


class PortGroups:
    """Calling it returns the groups that have ports, at most a second old; never raises."""

    def __init__(
        self,
        configfs: ConfigfsPort,
        configfs_path: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configfs = configfs
        self._path = f"{configfs_path}/alua"
        self._clock = clock
        self._kept: tuple[PortGroup, ...] = ()
        self._until = float("-inf")

    def __call__(self) -> tuple[PortGroup, ...]:
        """Return the groups in the order of their identifiers."""
        now = self._clock()
        if now >= self._until:
            self._kept = self._read()
            self._until = now + KEPT_S
        return self._kept

    def _read(self) -> tuple[PortGroup, ...]:
        try:
            names = self._configfs.folders(self._path)
        except (LioshellError, OSError):
            return ()
        found: list[PortGroup] = []
        for name in names:
            try:
                group = self._group(f"{self._path}/{name}")
            except (LioshellError, OSError, ValueError):
                # It was removed at this moment, or has no identifier yet.
                continue
            if group.ports:
                found.append(group)
        return tuple(sorted(found))

    def _group(self, path: str) -> PortGroup:
        read = self._configfs.read
        ports = [self._port(member) for member in read(f"{path}/members").splitlines()]
        supported = 0
        for file, bit in _SUPPORTED.items():
            if self._configfs.exists(f"{path}/{file}") and read(f"{path}/{file}").strip() == "1":
                supported |= bit
        return PortGroup(
            identifier=int(read(f"{path}/tg_pt_gp_id")),
            state=int(read(f"{path}/alua_access_state")),
            supported=supported,
            preferred=read(f"{path}/preferred").strip() == "1",
            status=_STATUS.get(read(f"{path}/alua_access_status").strip(), 0),
            ports=tuple(sorted(port for port in ports if port is not None)),
        )

    def _port(self, member: str) -> int | None:
        """Return the relative identifier of "FABRIC/WWN/tpgt_N/lun_N", None where it is not told.

        The fabric's name is written as the kernel says it, its folder in small letters
        (drivers/target/target_core_configfs.c, target_tg_pt_gp_members_show).
        """
        tpg, _, lun = member.strip().rpartition("/")
        fabric, _, rest = tpg.partition("/")
        path = f"{fabric.lower()}/{rest}/lun/{lun}/statistics/scsi_port/indx"
        if not rest or not self._configfs.exists(path):
            return None
        identifier = int(self._configfs.read(path))
        return identifier if 0 < identifier <= _PORT_MAX else None
