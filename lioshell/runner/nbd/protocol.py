# SPDX-License-Identifier: Apache-2.0
"""Numbers and layouts of the NBD protocol (doc/proto.md of github.com/NetworkBlockDevice/nbd)."""

from __future__ import annotations

import errno
import struct

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

DEFAULT_PORT: Final = 10809

# Handshake ------------------------------------------------------------------------------------

INIT_MAGIC: Final = b"NBDMAGIC"
OPTION_MAGIC: Final = b"IHAVEOPT"
OPTION_REPLY_MAGIC: Final = 0x0003E889045565A9

FLAG_FIXED_NEWSTYLE: Final = 1
FLAG_NO_ZEROES: Final = 2

OPT_EXPORT_NAME: Final = 1
OPT_ABORT: Final = 2
OPT_STARTTLS: Final = 5
OPT_GO: Final = 7
OPT_STRUCTURED_REPLY: Final = 8
OPT_SET_META_CONTEXT: Final = 10

REP_ACK: Final = 1
REP_INFO: Final = 3
REP_META_CONTEXT: Final = 4
REP_ERROR_BIT: Final = 1 << 31
REP_ERR_UNSUP: Final = REP_ERROR_BIT | 1

INFO_EXPORT: Final = 0
INFO_BLOCK_SIZE: Final = 3

OPTION_REPLY: Final = struct.Struct(">QIII")
OPTION: Final = struct.Struct(">8sII")
EXPORT: Final = struct.Struct(">QH")
BLOCK_SIZES: Final = struct.Struct(">III")

OPTION_ERRORS: Final = {
    1: "it does not support that",
    2: "its policy forbids it",
    3: "it found the request invalid",
    4: "its platform cannot do it",
    5: "it asks for TLS",
    6: "it has no such export",
    7: "it is shutting down",
    8: "it insists on its block sizes",
    9: "the request is too big for it",
}
ERR_TLS_REQUIRED: Final = 5
ERR_UNKNOWN_EXPORT: Final = 6

# Transmission ---------------------------------------------------------------------------------

EXPORT_READ_ONLY: Final = 1 << 1
EXPORT_SEND_FLUSH: Final = 1 << 2
EXPORT_SEND_FUA: Final = 1 << 3
EXPORT_SEND_WRITE_ZEROES: Final = 1 << 6
EXPORT_SEND_DF: Final = 1 << 7
EXPORT_SEND_CACHE: Final = 1 << 10

REQUEST_MAGIC: Final = 0x25609513
SIMPLE_REPLY_MAGIC: Final = 0x67446698
STRUCTURED_REPLY_MAGIC: Final = 0x668E33EF

CMD_READ: Final = 0
CMD_WRITE: Final = 1
CMD_DISC: Final = 2
CMD_FLUSH: Final = 3
CMD_CACHE: Final = 5
CMD_WRITE_ZEROES: Final = 6
CMD_BLOCK_STATUS: Final = 7

CMD_FLAG_FUA: Final = 1 << 0
CMD_FLAG_NO_HOLE: Final = 1 << 1
CMD_FLAG_DF: Final = 1 << 2

REQUEST: Final = struct.Struct(">IHHQQI")
SIMPLE_REPLY: Final = struct.Struct(">IIQ")
STRUCTURED_REPLY: Final = struct.Struct(">IHHQI")

REPLY_FLAG_DONE: Final = 1
REPLY_NONE: Final = 0
REPLY_OFFSET_DATA: Final = 1
REPLY_OFFSET_HOLE: Final = 2
REPLY_BLOCK_STATUS: Final = 5
REPLY_ERROR_BIT: Final = 1 << 15

STATE_HOLE: Final = 1
STATE_ZERO: Final = 2

DEFAULT_MAX_PAYLOAD_BYTES: Final = 32 << 20
"""What every server takes in one request that has named no limit of its own."""
DF_LIMIT_BYTES: Final = 64 << 10
"""Up to here a server that knows DF must answer a read in one piece."""

# The protocol's error numbers are Linux' for what they name.
ERRNOS: Final = {
    1: errno.EPERM,
    5: errno.EIO,
    12: errno.ENOMEM,
    22: errno.EINVAL,
    28: errno.ENOSPC,
    75: errno.EOVERFLOW,
    95: errno.EOPNOTSUPP,
    108: errno.ESHUTDOWN,
}


class ProtocolError(ConnectionError):
    """The server sent what the protocol does not allow: nothing more of it is believed."""
