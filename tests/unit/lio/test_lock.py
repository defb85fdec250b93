# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import pytest

from lioshell.errors import HostError, LockedError
from lioshell.lio.lock import ChangeLock


def test_a_held_lock_says_who_holds_it(tmp_path):
    hold = ChangeLock(str(tmp_path))
    script = (
        "from lioshell.lio.lock import ChangeLock\n"
        "from lioshell.errors import LockedError\n"
        f"lock = ChangeLock({str(tmp_path)!r}, timeout_s=0.1)\n"
        "try:\n"
        "    with lock('delete'): print('got it')\n"
        "except LockedError as error: print(error)\n"
    )
    with hold("create"):
        held = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    free = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert f"process {os.getpid()} (create)" in held.stdout
    assert free.stdout == "got it\n"


def test_the_lock_is_given_back_when_the_command_fails(tmp_path):
    lock = ChangeLock(str(tmp_path), timeout_s=0.0)
    with pytest.raises(KeyError), lock("create"):
        raise KeyError
    with lock("create"), pytest.raises(LockedError), ChangeLock(str(tmp_path), timeout_s=0.0)("x"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError), ChangeLock(str(tmp_path / "file" / "run"))("create"):
        pass
