# SPDX-License-Identifier: Apache-2.0
"""An interactive session on a terminal: it serves its disk, and hands it over when it ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kernel.vm import Guest

# Types lines at a real terminal, each once the prompt is there, and prints what the screen got.
TYPIST = r"""
import os, pty, re, select, sys, time

def answer(fd, pattern, got, timeout=60):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if re.search(pattern, re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", got[0])):
            return
        if select.select([fd], [], [], 0.2)[0]:
            try:
                piece = os.read(fd, 65536)
            except OSError:
                return
            if b"\x1b[6n" in piece:
                os.write(fd, b"\x1b[1;1R")
            got[0] += piece
            sys.stdout.buffer.write(piece)
            sys.stdout.flush()
    raise SystemExit("no " + repr(pattern))

pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp("lioshell", ["lioshell", "--color=never"])
for line in open(sys.argv[1], encoding="utf-8").read().splitlines():
    pattern, _, text = line.partition("\t")
    got = [b""]
    answer(fd, pattern.encode(), got)
    if text.startswith("!"):
        os.system(text[1:] + " > /tmp/typist.out 2>&1")
        print("\nSHELL:", open("/tmp/typist.out").read())
    else:
        os.write(fd, text.encode() + b"\r")
got = [b""]
answer(fd, rb"A service serves", got)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

SCRIPT = """\
/>\t/backstores/user:file create vol1 64M /srv/vol1.img
served by this session[^>]*>\t/loopback create naa.5001405a1b2c3d40
Created target[^>]*>\t/loopback/naa.5001405a1b2c3d40/luns create /backstores/user:file/vol1
LUN 0 is /dev/sd[^>]*>\texit
Hand over[^]]*\\]\ty
"""


def test_a_session_serves_and_hands_over(guest: Guest) -> None:
    guest.run("mkdir -p /srv /mnt/vol", check=True)
    guest.run("cat > /tmp/typist.py", input=TYPIST, check=True)
    guest.run("cat > /tmp/typist.txt", input=SCRIPT, check=True)
    try:
        result = guest.run("python3 /tmp/typist.py /tmp/typist.txt", timeout_s=180)
        print(result.stdout[-6000:])
        assert result.rc == 0, str(result)
        disk = re.search(r"LUN 0 is (/dev/sd\w+)", result.stdout)[1]
        # The session has ended; the service that it started answers.
        script = f"""
            set -eu
            pgrep -f [u]ntil-idle
            mkfs.ext4 -q -F {disk}
            mount {disk} /mnt/vol
            cp -a /usr/lib/python3/dist-packages /mnt/vol/tree
            umount /mnt/vol
            e2fsck -f -n {disk}
            blockdev --flushbufs {disk}
            cmp {disk} /srv/vol1.img
        """
        print(guest.run(script, timeout_s=200, check=True).stdout)
        saved = guest.run("cat /etc/target/saveconfig.json", check=True).stdout
        assert "vol1" in saved
    finally:
        guest.run(
            "lioshell /loopback delete naa.5001405a1b2c3d40;"
            "lioshell /backstores/user:file delete vol1; rm -f /srv/vol1.img"
        )
