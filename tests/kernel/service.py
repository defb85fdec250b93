# SPDX-License-Identifier: Apache-2.0
"""A service in the guest, there once it holds its lock: else a one-liner starts another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kernel.vm import Guest
    from tests.kernel.vm.process import Background

_WAIT = """
    timeout 30 sh -c 'until grep -qs ^service /run/lioshell/serve.lock &&
        ! flock -n -s /run/lioshell/serve.lock true; do sleep 0.1; done'
"""


def start_service(guest: Guest) -> Background:
    """Start `lioshell serve` and wait until it is the service."""
    service = guest.start("exec lioshell serve")
    guest.run(_WAIT, check=True)
    return service
