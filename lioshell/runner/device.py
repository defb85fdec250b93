# SPDX-License-Identifier: Apache-2.0
"""A device that is being served: its uio file, its ring and the logical unit behind it.

One thread, the loop's, calls everything here but the constructor. Commands are executed inline:
on page-cache hits a thread hop costs more than the command.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from lioshell.runner.command import GOOD, Deferred, Response
from lioshell.runner.ring import Ring

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.ports import UioDevice, UioHandle
    from lioshell.runner.command import Command, LogicalUnit

BUDGET_COMMANDS = 64
"""How many commands a device may execute before the other devices get their turn."""

# CHECK CONDITION, HARDWARE ERROR, INTERNAL TARGET FAILURE, fixed format (SPC-6 4.4.3).
INTERNAL_TARGET_FAILURE = Response(
    0x02, bytes((0x70, 0, 0x04, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x44, 0, 0, 0, 0, 0))
)
# SAM-6 5.3.1: the initiator sends the command again.
BUSY = Response(0x08)


class ServedDevice:
    """Serves the commands of one opened TCMU device with a logical unit.

    Takes over `handle` and `unit`: `close` closes both. `report` gets a line of text for what the
    user should know. Raises RunnerError when the ring is none that this code can serve; handle and
    unit stay the caller's then.
    """

    __slots__ = ("_handle", "_report", "_ring", "_unit", "commands", "device", "failures")

    def __init__(
        self,
        device: UioDevice,
        handle: UioHandle,
        unit: LogicalUnit,
        report: Callable[[str], None],
    ) -> None:
        self.device = device
        self._handle = handle
        self._unit = unit
        self._report = report
        self._ring = Ring(handle.map)
        self.commands = 0
        """Commands answered since the device is served."""
        self.failures = 0
        """Commands answered with INTERNAL TARGET FAILURE because the unit raised."""

    @property
    def uio_name(self) -> str:
        """The device's name in sysfs, e.g. "uio0"."""
        return self.device.uio_name

    def fileno(self) -> int:
        """Return the descriptor that is readable when commands came or the device went."""
        return self._handle.fileno()

    def service(self) -> bool:
        """Handle one wake-up: consume the event, then drain; tell whether commands are left.

        The event is read first: one that comes while the ring is drained wakes the loop again.
        Raises OSError(EIO) when the device has been removed, RunnerError when its ring is broken.
        """
        self._handle.read_event()
        return self.drain()

    def drain(self, budget: int = BUDGET_COMMANDS) -> bool:
        """Execute and answer up to `budget` commands and tell whether more are queued.

        The kernel is notified once, at the end. Raises RunnerError when the ring is broken.
        """
        pop = self._ring.pop
        complete = self._ring.complete
        execute = self._unit.execute
        done = 0
        try:
            while done < budget:
                popped = pop()
                if popped is None:
                    break
                cmd_id, command = popped
                try:
                    answer = execute(command)
                    if answer is not GOOD and isinstance(answer, Deferred):
                        answer = answer.run()
                    complete(cmd_id, command, answer)
                except KeyboardInterrupt as error:
                    # Ctrl-C in the middle of a command: the initiator sends it again.
                    complete(cmd_id, command, BUSY)
                    done += 1
                    _forget(command, error)
                    raise
                except BaseException as error:  # noqa: BLE001 - no unit may stop the ring
                    complete(cmd_id, command, INTERNAL_TARGET_FAILURE)
                    self._report_failure(command, error)
                done += 1
        finally:
            if done:
                self.commands += done
                self._handle.notify()
        return not self._ring.empty

    def drain_all(self, limit: int = 65536) -> None:
        """Answer everything that is queued; for a blocked device, to which nothing is added.

        `limit` bounds the work should commands keep coming all the same.
        """
        while limit > 0 and self.drain(BUDGET_COMMANDS):
            limit -= BUDGET_COMMANDS

    def _report_failure(self, command: Command, error: BaseException) -> None:
        # The 1st, 2nd, 4th, 8th ...: an initiator that retries must not flood the log.
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:
            count = f" ({self.failures} failures)" if self.failures > 1 else ""
            self._report(
                f"{self.device.configfs_path}: command {command.cdb.hex(' ')} failed:"
                f" {type(error).__name__}: {error}{count}"
            )

    def close(self) -> None:
        """Unmap and release the device and close the unit; all is done whatever one step raises.

        The views of the map go first: a map with views cannot be closed, and an open map keeps
        the uio file open (mmap duplicates the descriptor), which nobody else could open then.
        """
        problems: list[str] = []
        self._ring.close()
        try:
            self._unit.close()
        except Exception as error:  # noqa: BLE001 - the device is released all the same
            problems.append(f"closing its storage failed: {type(error).__name__}: {error}")
        try:
            self._handle.close()
        except BufferError:
            # A unit that kept slices in a reference cycle; those of a dead cycle can be freed.
            gc.collect()
            try:
                self._handle.close()
            except BufferError:
                problems.append("its handler keeps buffers of finished commands")
        except OSError as error:
            problems.append(f"closing it failed: {error.strerror or error}")
        for problem in problems:
            self._report(f"{self.device.configfs_path}: {problem}")


def _forget(command: Command, error: BaseException) -> None:
    """Drop the slices of the map that an exception's frames hold while it travels up."""
    import traceback

    traceback.clear_frames(error.__traceback__)
    for part in command.data:
        part.release()
    command.data.clear()
