# SPDX-License-Identifier: Apache-2.0
"""How a script gets at LIO: one call for the real kernel, or for a simulated one."""

from __future__ import annotations

import contextlib
import os

from lioshell.lio.lock import ChangeLock
from lioshell.lio.root import Lio
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOCK_TIMEOUT_S = 10.0


def open_lio(
    *,
    sim: str | os.PathLike[str] | None = None,
    configfs: str | None = None,
    spec_folders: Sequence[str] | None = None,
    lock_timeout_s: float = _LOCK_TIMEOUT_S,
) -> Lio:
    """Return LIO on the running kernel, or on the simulated one kept in the folder `sim`.

    LIO is loaded where it is not yet. `configfs` is another place where configfs is mounted;
    `spec_folders` replace the shipped specs and the administrator's. Every change takes the lock
    that the shell's commands take, and waits `lock_timeout_s` for it. Raises HostError: no LIO.
    Later, a change raises HostError without root, and LockedError where the lock is not had.
    """
    from lioshell.kernel.open import CONFIGFS_ROOT, open_real, open_sim
    from lioshell.specs import Specs

    specs = Specs(spec_folders)
    if sim is not None:
        kernel = open_sim(os.fspath(sim), specs)
    else:
        kernel = open_real(configfs or CONFIGFS_ROOT)
    kernel.system.prepare()
    lock = ChangeLock(kernel.run_dir, timeout_s=lock_timeout_s)

    @contextlib.contextmanager
    def changing() -> Iterator[None]:
        kernel.system.require_root()
        with lock("a script"):
            yield

    return Lio(kernel, specs, changing=changing)
