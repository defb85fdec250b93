# SPDX-License-Identifier: Apache-2.0
"""What initiators have set of a unit, kept from one process that serves to the next.

An initiator that turned the write cache off relies on it; the kernel tells it nothing when another
process takes over. The run folder is empty after a reboot, when the defaults are right again: the
sessions are new too.
"""

from __future__ import annotations

import contextlib
import json
import os
from urllib.parse import quote

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from lioshell.runner.scsi.optical import OpticalDrive
    from lioshell.runner.scsi.unit import Identity, Unit


class _Kept:
    """What is kept of one storage object; that of another with the same name is not taken.

    `identify` tells the serial by which the object is known again. Raises OSError.
    """

    folder: ClassVar[str]

    def __init__(self, run_dir: str, configfs_path: str, identify: Callable[[], Identity]) -> None:
        self._path = os.path.join(run_dir, self.folder, f"{quote(configfs_path, safe='')}.json")
        self._identify = identify

    def _save(self, values: dict[str, bool]) -> None:
        """Keep the values, whole or not at all."""
        serial = self._identify().unit_serial
        os.makedirs(os.path.dirname(self._path), mode=0o755, exist_ok=True)
        temporary = f"{self._path}.new"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"serial": serial, **values}, file)
        os.replace(temporary, self._path)

    def _load(self) -> dict[str, Any] | None:
        """Return what was kept, None for nothing; without values where `_save` did not write it."""
        try:
            with open(self._path, encoding="utf-8") as file:
                kept = json.load(file)
            if kept["serial"] == self._identify().unit_serial:
                return dict(kept)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return {}
        # An object of that name was deleted, and this is another.
        os.unlink(self._path)
        return None


class KeptModes(_Kept):
    """SWP and WCE of one storage object."""

    folder = "modes"

    def attach(self, unit: Unit) -> None:
        """Give a unit the modes that were kept for it, and keep its changes from now on."""
        kept = self._load()
        if kept is not None:
            # Of a damaged file: what an initiator may rely on holds, which costs time alone.
            unit.set_modes(kept.get("swp") is True, bool(kept) and kept.get("wce") is not False)
        unit.keep_modes = self.keep

    def keep(self, swp: bool, write_cache: bool) -> None:
        """Keep the modes."""
        self._save({"swp": swp, "wce": write_cache})


class KeptTray(_Kept):
    """Whether the tray of one drive is open, and whether an initiator has locked it."""

    folder = "trays"

    def attach(self, unit: OpticalDrive) -> None:
        """Give a drive its tray as it was, and keep its changes from now on."""
        kept = self._load()
        if kept is not None:
            unit.restore_tray(kept.get("open") is True, kept.get("locked") is True)
        unit.keep_tray = self.keep

    def keep(self, tray_open: bool, locked: bool) -> None:
        """Keep the tray, if the run folder takes it.

        Otherwise whoever serves the drive next has it closed and unlocked, as after a reboot.
        """
        with contextlib.suppress(OSError):
            self._save({"open": tray_open, "locked": locked})
