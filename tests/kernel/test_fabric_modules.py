# SPDX-License-Identifier: Apache-2.0
"""Modules made by `fabric new`: built here, loaded in the guest, shown by their spec alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from lioshell.fabricgen.generate import new_fabric
from tests.kernel.vm.requirements import ensure_headers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.vm import Guest

WWNS = {
    "FC": ("naa.5001405a1b2c3d4e", "naa.5001405a1b2c3d4f"),
    "SAS": ("naa.5001405a1b2c3d50", "naa.5001405a1b2c3d51"),
    "iSCSI": ("iqn.2003-01.com.example:nab", "iqn.1994-05.com.redhat:client1"),
}
MANY_WARNINGS = "W=1"


@pytest.fixture(scope="module")
def headers(guest: Guest) -> str:
    """The headers of the guest's kernel, installed here, where there is a compiler."""
    return ensure_headers(guest.kernel_release)


def build(tmp_path: Path, headers: str, name: str, protocol: str) -> Path:
    """Make and build a module, and return its folder; a warning is an error."""
    made = new_fabric(name, protocol=protocol, folder=str(tmp_path / name), headers=headers)
    result = subprocess.run(
        ["make", "-C", str(made.folder), f"KDIR={headers}", MANY_WARNINGS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "warning" not in result.stdout + result.stderr
    return made.folder


@pytest.mark.parametrize("protocol", list(WWNS))
def test_a_new_fabric_works_by_its_spec_alone(
    guest: Guest, headers: str, tmp_path: Path, protocol: str
) -> None:
    name = f"nab{protocol.lower()}"
    wwn, initiator = WWNS[protocol]
    folder = build(tmp_path, headers, name, protocol)
    for file in (f"tcm_{name}.ko", f"{name}.yaml"):
        shutil.copy(folder / file, guest.share / file)
    tpg = f"/{name}/{wwn}/tpg1"

    def lioshell(*lines: str) -> str:
        words = [word for line in lines for word in ("-c", line)]
        return guest.run(["lioshell", "--yes", *words], check=True).stdout

    guest.run(
        f"modprobe target_core_mod && insmod /share/tcm_{name}.ko &&"
        " mkdir -p /etc/lioshell/specs.d /etc/target &&"
        f" cp /share/{name}.yaml /etc/lioshell/specs.d/ || {{ dmesg | tail; exit 1; }}",
        check=True,
    )
    try:
        lioshell(
            "/backstores/ramdisk create nab0 1M",
            f"/{name} create {wwn}",
            f"{tpg}/luns create /backstores/ramdisk/nab0",
            f"{tpg}/acls create {initiator}",
        )
        tree = lioshell(f"ls /{name}")
        assert "lun0" in tree
        assert "ramdisk/nab0" in tree
        assert initiator in tree
        assert "mapped_lun0" in tree
        first, second = "/root/nab-1.json", "/root/nab-2.json"
        lioshell(f"saveconfig {first}", "clearconfig confirm=True")
        assert guest.run(["ls", f"/sys/kernel/config/target/{name}"]).rc != 0
        lioshell(f"restoreconfig {first}", f"saveconfig {second}")
        saved = [
            json.loads(guest.run(["cat", path], check=True).stdout) for path in (first, second)
        ]
        assert saved[0] == saved[1]
        assert [t["fabric"] for t in saved[0]["targets"]] == [name]
        bad = guest.run(["lioshell", f"/{name}", "create", "naa.zz"])
        assert bad.rc != 0
    finally:
        lioshell("clearconfig confirm=True")
        guest.run(f"rm -f /etc/lioshell/specs.d/{name}.yaml /root/nab-*.json", check=True)
        guest.run(f"rmmod tcm_{name}", check=True)
