# SPDX-License-Identifier: Apache-2.0
"""What an initiator is told when storage fails: errno -> sense key and additional sense code."""

from __future__ import annotations

import errno

from lioshell.runner.scsi.sense import (
    ABORTED_COMMAND,
    BUSY,
    DATA_PROTECT,
    HARDWARE_ERROR,
    ILLEGAL_REQUEST,
    MEDIUM_ERROR,
    check_condition,
)
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from lioshell.runner.command import Response

_UNRECOVERED_READ_ERROR: Final = (MEDIUM_ERROR, 0x11, 0x00)
_WRITE_ERROR: Final = (MEDIUM_ERROR, 0x0C, 0x00)
_WRITE_PROTECTED: Final = (DATA_PROTECT, 0x27, 0x00)
_SPACE_ALLOCATION_FAILED: Final = (DATA_PROTECT, 0x27, 0x07)
_LBA_OUT_OF_RANGE: Final = (ILLEGAL_REQUEST, 0x21, 0x00)
_INTERNAL_TARGET_FAILURE: Final = (HARDWARE_ERROR, 0x44, 0x00)
# The storage of a handler is on a machine that cannot be reached (SPC-6 4.4.8): nothing is wrong
# with the medium, and who tries again may succeed.
_COMMUNICATION_FAILURE: Final = (ABORTED_COMMAND, 0x08, 0x00)
_COMMUNICATION_TIME_OUT: Final = (ABORTED_COMMAND, 0x08, 0x01)

# Linux reports a bad sector as ENODATA or EILSEQ, and damaged file system blocks as EUCLEAN or
# EBADMSG (block/blk-core.c, fs/*).
_MEDIUM_ERRNOS = (errno.EIO, errno.ENODATA, errno.EILSEQ, errno.EUCLEAN, errno.EBADMSG)

_UNREACHABLE: Final = {
    errno.ETIMEDOUT: _COMMUNICATION_TIME_OUT,
    **dict.fromkeys(
        (errno.ENOTCONN, errno.ECONNRESET, errno.EPIPE, errno.ESHUTDOWN, errno.EHOSTUNREACH),
        _COMMUNICATION_FAILURE,
    ),
}
_READ: Final = {**dict.fromkeys(_MEDIUM_ERRNOS, _UNRECOVERED_READ_ERROR), **_UNREACHABLE}
_WRITE: Final = {
    **_UNREACHABLE,
    **dict.fromkeys(_MEDIUM_ERRNOS, _WRITE_ERROR),
    errno.ENOSPC: _SPACE_ALLOCATION_FAILED,
    errno.EDQUOT: _SPACE_ALLOCATION_FAILED,
    errno.EROFS: _WRITE_PROTECTED,
    errno.EPERM: _WRITE_PROTECTED,
    errno.EACCES: _WRITE_PROTECTED,
    errno.EFBIG: _LBA_OUT_OF_RANGE,
}

# A shortage that passes: the initiator is to send the command again.
_TRANSIENT = (errno.ENOMEM, errno.EAGAIN)


def read_failed(error: OSError, lba: int, block_size_bytes: int) -> Response:
    """Return the response to a READ that starts at block `lba` and failed with `error`.

    INFORMATION holds the failing block only when that is the first one. Linux takes the blocks
    before it for transferred (drivers/scsi/sd.c, sd_completed_bytes), but the kernel's target sends
    no data along with CHECK CONDITION (drivers/target/target_core_user.c).
    """
    if error.errno in _TRANSIENT:
        return BUSY
    done = getattr(error, "done_bytes", None)
    first = done is not None and done < block_size_bytes
    return check_condition(
        *_READ.get(error.errno or 0, _INTERNAL_TARGET_FAILURE), information=lba if first else None
    )


def write_failed(error: OSError, lba: int, block_size_bytes: int) -> Response:
    """Return the response to a WRITE that starts at block `lba` and failed with `error`.

    INFORMATION holds the first block that was not written, where the handler tells how far it got.
    """
    if error.errno in _TRANSIENT:
        return BUSY
    done = getattr(error, "done_bytes", None)
    return check_condition(
        *_WRITE.get(error.errno or 0, _INTERNAL_TARGET_FAILURE),
        information=None if done is None else lba + done // block_size_bytes,
    )


def flush_failed(error: OSError) -> Response:
    """Return the response to a command whose data could not be put on stable storage.

    Never BUSY: what a failed sync dropped does not come back when it is tried again.
    """
    return check_condition(*_WRITE.get(error.errno or 0, _WRITE_ERROR))
