# SPDX-License-Identifier: Apache-2.0
"""A file that the kernel has open is taken, even by an object that the index cannot know of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kernel.vm import Guest

# An object that a script adds to the HBA folder of another one: see lioshell/lio/object_index.py.
SECOND_IN_A_KNOWN_FOLDER = """
    set -eu
    truncate -s 1M /srv/second.img
    lioshell /backstores/fileio create first /srv/first.img 1M
    cd /sys/kernel/config/target/core/fileio_*/first/..
    mkdir second
    echo fd_dev_name=/srv/second.img,fd_dev_size=1048576 > second/control
    echo 1 > second/enable
    ln -f /srv/second.img /srv/another-name.img
"""
CLEAN = """
    cd /
    rmdir /sys/kernel/config/target/core/fileio_*/second
    lioshell /backstores/fileio delete first
    rm -f /srv/first.img /srv/second.img /srv/another-name.img
"""


def test_a_file_that_the_kernel_has_open(guest: Guest) -> None:
    guest.run(SECOND_IN_A_KNOWN_FOLDER, check=True)
    try:
        for path in ("/srv/second.img", "/srv/another-name.img"):
            result = guest.run(f"lioshell /backstores/fileio create third {path}")
            assert result.rc == 3, str(result)
            assert "/backstores/fileio/second" in result.stderr
        free = guest.run(
            "lioshell -c '/backstores/fileio create third /srv/third.img 1M' "
            "-c '/backstores/fileio delete third'"
        )
        assert free.rc == 0, str(free)
    finally:
        guest.run(CLEAN)
        guest.run("rm -f /srv/third.img")
