# SPDX-License-Identifier: Apache-2.0
"""The TCMU ABI: offsets against the C header, and regions that must be refused."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess

import pytest

from lioshell.errors import RunnerError
from lioshell.runner import abi


def mailbox(
    version: int = 2, flags: int = 7, offset: int = 128, size: int = 8064, total: int = 16384
) -> memoryview:
    region = bytearray(total)
    struct.pack_into("=HHII", region, 0, version, flags, offset, size)
    return memoryview(region)


def test_mailbox_is_read() -> None:
    box = abi.read_mailbox(mailbox(flags=3))
    assert box == (3, 128, 8064)
    assert box.data_offset == 8192


@pytest.mark.parametrize("version", [0, 1, 3, 65535])
def test_other_versions_are_refused(version: int) -> None:
    with pytest.raises(RunnerError, match=f"version {version} "):
        abi.read_mailbox(mailbox(version=version))


@pytest.mark.parametrize(
    "fields",
    [
        {"offset": 64},
        {"offset": 132},
        {"size": 8060},
        {"size": 0},
        {"size": 112},
        {"size": 16384 - 120},
        {"size": 2**32 - 8},
        {"total": 64},
    ],
)
def test_a_ring_that_does_not_lie_in_the_region_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(RunnerError):
        abi.read_mailbox(mailbox(**fields))


def test_32_bit_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = struct.calcsize
    monkeypatch.setattr(struct, "calcsize", lambda fmt: 4 if fmt == "P" else real(fmt))
    with pytest.raises(RunnerError, match="32-bit"):
        abi.read_mailbox(mailbox())


PROGRAM = """
#include <stddef.h>
#include <stdio.h>
#include <linux/target_core_user.h>
#define P(name, value) printf("%s %zu\\n", name, (size_t)(value))
int main(void) {
    P("VERSION", TCMU_MAILBOX_VERSION);
    P("CAP_OOOC", TCMU_MAILBOX_FLAG_CAP_OOOC);
    P("CAP_READ_LEN", TCMU_MAILBOX_FLAG_CAP_READ_LEN);
    P("CAP_TMR", TCMU_MAILBOX_FLAG_CAP_TMR);
    P("MAILBOX_SIZE", sizeof(struct tcmu_mailbox));
    P("MAILBOX_HEAD_WORD", offsetof(struct tcmu_mailbox, cmd_head) / 4);
    P("MAILBOX_TAIL_WORD", offsetof(struct tcmu_mailbox, cmd_tail) / 4);
    P("OP_PAD", TCMU_OP_PAD);
    P("OP_CMD", TCMU_OP_CMD);
    P("OP_TMR", TCMU_OP_TMR);
    P("OP_MASK", TCMU_OP_MASK);
    P("ALIGNMENT", TCMU_OP_ALIGN_SIZE);
    P("UFLAG_UNKNOWN_OP", TCMU_UFLAG_UNKNOWN_OP);
    P("UFLAG_READ_LEN", TCMU_UFLAG_READ_LEN);
    P("ENTRY_IOV_COUNT", offsetof(struct tcmu_cmd_entry, req.iov_cnt));
    P("ENTRY_IOV_BIDI_COUNT", offsetof(struct tcmu_cmd_entry, req.iov_bidi_cnt));
    P("ENTRY_IOV_DIF_COUNT", offsetof(struct tcmu_cmd_entry, req.iov_dif_cnt));
    P("ENTRY_CDB_OFFSET", offsetof(struct tcmu_cmd_entry, req.cdb_off));
    P("ENTRY_IOV", offsetof(struct tcmu_cmd_entry, req.iov));
    P("ENTRY_STATUS", offsetof(struct tcmu_cmd_entry, rsp.scsi_status));
    P("ENTRY_READ_LEN", offsetof(struct tcmu_cmd_entry, rsp.read_len));
    P("ENTRY_SENSE", offsetof(struct tcmu_cmd_entry, rsp.sense_buffer));
    P("SENSE_SIZE", TCMU_SENSE_BUFFERSIZE);
    P("ENTRY_SIZE", sizeof(struct tcmu_cmd_entry));
    P("IOV_SIZE", sizeof(struct iovec));
    return 0;
}
"""


@pytest.mark.skipif(
    not (shutil.which("cc") and os.path.exists("/usr/include/linux/target_core_user.h")),
    reason="no C compiler or no linux/target_core_user.h to compare with",
)
def test_offsets_are_those_of_the_c_header(tmp_path: object) -> None:
    source = f"{tmp_path}/abi.c"
    with open(source, "w", encoding="ascii") as file:
        file.write(PROGRAM)
    subprocess.run(["cc", source, "-o", f"{tmp_path}/abi"], check=True, timeout=60)
    output = subprocess.run([f"{tmp_path}/abi"], check=True, capture_output=True, text=True)
    in_c = {name: int(value) for name, value in map(str.split, output.stdout.splitlines())}
    assert in_c == {name: getattr(abi, name) for name in in_c}
    assert len(in_c) == 25
