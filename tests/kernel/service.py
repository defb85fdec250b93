# SPDX-License-Identifier: Apache-2.0
"""A service in the guest, there once it says so: else a one-liner starts another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kernel.vm import Guest
    from tests.kernel.vm.process import Background


def start_service(guest: Guest) -> Background:
    """Start `lioshell serve` and wait until it is the service and serves what there is."""
    guest.run("rm -f /run/serve.ready; mkfifo /run/serve.ready", check=True)
    service = guest.start("exec lioshell serve --ready-fd=9 9>/run/serve.ready")
    guest.run('test "$(timeout 60 cat /run/serve.ready)" = ready', check=True, timeout_s=90)
    return service
