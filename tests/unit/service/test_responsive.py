# SPDX-License-Identifier: Apache-2.0
"""What a process that serves disks does so that its other threads do not hold them up."""

from __future__ import annotations

import gc
import sys

from lioshell.kernel.open import open_sim
from lioshell.service.host import Host
from lioshell.specs import Specs


def test_threads_of_a_host_give_way_soon_and_old_objects_are_left_alone(tmp_path):
    before, threshold = sys.getswitchinterval(), gc.get_threshold()
    gc.unfreeze()
    sys.setswitchinterval(0.005)
    gc.set_threshold(20_000)
    try:
        host = Host(open_sim(str(tmp_path), Specs()), print)
        host.close()
        assert sys.getswitchinterval() < 0.001
        assert gc.get_threshold()[0] == 700
        assert gc.get_freeze_count() > 1000
        frozen = gc.get_freeze_count()
        Host(open_sim(str(tmp_path), Specs()), print).close()
        assert gc.get_freeze_count() <= frozen
    finally:
        gc.unfreeze()
        sys.setswitchinterval(before)
        gc.set_threshold(*threshold)
