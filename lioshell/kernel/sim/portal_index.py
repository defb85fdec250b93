# SPDX-License-Identifier: Apache-2.0
"""Which targets listen where: DIR/portals/PORT/ADDRESS/TARGET, so that none is looked for.

A thousand targets have a thousand portals, and each new one is compared with those of its port.
"""

from __future__ import annotations

import os
import shutil

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class PortalIndex:
    """The portals of a simulated kernel by port and address; the caller holds its lock."""

    def __init__(self, sim_root: str) -> None:
        self._folder = f"{sim_root}/portals"

    @property
    def exists(self) -> bool:
        """Tell whether the index was made; the state of an older version has none."""
        return os.path.isdir(self._folder)

    def rebuild(self, portals: Iterator[tuple[str, str, int]]) -> None:
        """Make the index of target, address and port of every portal."""
        shutil.rmtree(self._folder, ignore_errors=True)
        new = f"{self._folder}.new"
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new)
        for target, address, port in portals:
            os.makedirs(f"{new}/{port}/{address}/{target}", exist_ok=True)
        os.rename(new, self._folder)

    def addresses(self, port: int) -> list[str]:
        """Return the addresses that somebody listens on at a port."""
        try:
            return os.listdir(f"{self._folder}/{port}")
        except FileNotFoundError:
            return []

    def has(self, target: str, address: str, port: int) -> bool:
        """Tell whether a target listens there."""
        return os.path.isdir(f"{self._folder}/{port}/{address}/{target}")

    def add(self, target: str, address: str, port: int) -> None:
        """Remember a portal."""
        os.makedirs(f"{self._folder}/{port}/{address}/{target}", exist_ok=True)

    def remove(self, target: str, address: str, port: int) -> None:
        """Forget a portal, and the address with its last one."""
        shutil.rmtree(f"{self._folder}/{port}/{address}/{target}", ignore_errors=True)
        for folder in (f"{self._folder}/{port}/{address}", f"{self._folder}/{port}"):
            try:
                os.rmdir(folder)
            except OSError:
                # Others listen there, or nobody has.
                return
