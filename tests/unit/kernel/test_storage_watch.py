# SPDX-License-Identifier: Apache-2.0
import pytest

from lioshell.kernel.storage_watch import StorageWatch, is_block_event


def message(*fields):
    return b"\0".join([b"add@/devices/virtual/block/sdz", *fields]) + b"\0"


@pytest.mark.parametrize(
    ("fields", "sender", "expected"),
    [
        ((b"ACTION=add", b"SUBSYSTEM=block"), 0, True),
        ((b"ACTION=change", b"SUBSYSTEM=block"), 0, True),
        ((b"ACTION=remove", b"SUBSYSTEM=block"), 0, False),
        ((b"ACTION=add", b"SUBSYSTEM=uio"), 0, False),
        ((b"ACTION=add", b"SUBSYSTEM=block"), 4711, False),
        ((), 0, False),
    ],
)
def test_which_messages_tell_of_storage(fields, sender, expected):
    assert is_block_event(message(*fields), sender) is expected


def test_nothing_happens_on_a_quiet_machine():
    watch = StorageWatch()
    try:
        assert watch.fileno() >= 0
        # A wake-up that brought no message is a mount's.
        assert watch.drain() is True
    finally:
        watch.close()
