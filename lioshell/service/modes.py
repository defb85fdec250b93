# SPDX-License-Identifier: Apache-2.0
"""The mode parameters that initiators have set, kept from one process that serves to the next.

An initiator that turned the write cache off relies on it; the kernel tells it nothing when another
process takes over. The run folder is empty after a reboot, when the defaults are right again: the
sessions are new too.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.runner.scsi.unit import Identity, Unit


class KeptModes:
    """SWP and WCE of one storage object; those of another with the same name are not taken.

    `identify` tells the serial by which the object is known again. Raises OSError.
    """

    def __init__(self, run_dir: str, configfs_path: str, identify: Callable[[], Identity]) -> None:
        self._path = os.path.join(run_dir, "modes", f"{quote(configfs_path, safe='')}.json")
        self._identify = identify

    def attach(self, unit: Unit) -> None:
        """Give a unit the modes that were kept for it, and keep its changes from now on."""
        kept = self._load()
        if kept is not None:
            unit.set_modes(*kept)
        unit.keep_modes = self.keep

    def keep(self, swp: bool, write_cache: bool) -> None:
        """Keep the modes, whole or not at all."""
        serial = self._identify().unit_serial
        os.makedirs(os.path.dirname(self._path), mode=0o755, exist_ok=True)
        temporary = f"{self._path}.new"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"serial": serial, "swp": swp, "wce": write_cache}, file)
        os.replace(temporary, self._path)

    def _load(self) -> tuple[bool, bool] | None:
        try:
            with open(self._path, encoding="utf-8") as file:
                kept = json.load(file)
            if kept["serial"] == self._identify().unit_serial:
                return kept["swp"] is True, kept["wce"] is not False
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            # Not written by `keep`: what an initiator may rely on holds, which costs time alone.
            return False, False
        # An object of that name was deleted, and this is another.
        os.unlink(self._path)
        return None
