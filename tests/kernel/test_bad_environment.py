# SPDX-License-Identifier: Apache-2.0
"""What the machine may lack: root, a mounted configfs, modules, LIO itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.vm import Guest

TARGET = "/sys/kernel/config/target"
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/tmp "


@pytest.fixture
def unloaded(guest: Guest) -> Iterator[None]:
    """A guest as it is after its boot: configfs not mounted, nothing of LIO loaded."""
    script = """
        modprobe -r iscsi_target_mod tcm_loop vhost_scsi 2>/dev/null
        modprobe -r target_core_file target_core_iblock target_core_pscsi target_core_user
        umount /sys/kernel/config
        modprobe -r target_core_mod configfs
        ! grep -q target_core_mod /proc/modules && ! grep -q /sys/kernel/config /proc/mounts
    """
    guest.run(script, check=True)
    yield
    guest.run("lioshell ls", check=True)


@pytest.mark.usefixtures("unloaded")
def test_root_gets_configfs_mounted_and_lio_loaded(guest: Guest) -> None:
    result = guest.run("lioshell ls", check=True)

    assert "o- backstores" in result.stdout
    assert guest.run(f"test -d {TARGET}/core").rc == 0
    # Listing loads no fabric.
    assert guest.run("grep -qw -e tcm_loop -e iscsi_target_mod /proc/modules").rc == 1


@pytest.mark.usefixtures("unloaded")
def test_others_are_told_to_be_root(guest: Guest) -> None:
    result = guest.run(NOBODY + "lioshell ls")

    assert result.rc == 6
    assert "only root can load it" in result.stderr
    assert "hint:" in result.stderr
    assert "Traceback" not in result.stderr


def test_others_may_look_and_not_change(guest: Guest) -> None:
    guest.run("lioshell ls", check=True)
    looked = guest.run(NOBODY + "lioshell ls", check=True)
    refused = guest.run(NOBODY + "lioshell /backstores/ramdisk create r1 1M")
    create = "lioshell /backstores/user:file create hidden 1M /srv/hidden.img"
    guest.run(f"mkdir -p /srv; {create}", check=True)
    served = guest.run(NOBODY + "lioshell /backstores/user:file ls", check=True)
    delete = "lioshell /backstores/user:file delete hidden; rm /srv/hidden.img"
    guest.run(delete, check=True)

    assert "o- backstores" in looked.stdout
    assert "runner visible to root only" in served.stdout
    assert refused.rc == 6
    assert "root" in refused.stderr
    assert guest.run(f"ls {TARGET}/core").stdout == "alua\n"


@pytest.mark.usefixtures("unloaded")
def test_a_kernel_without_lio(guest: Guest) -> None:
    hide = "mv /lib/modules/$(uname -r)/kernel/drivers/target /target.hidden && depmod"
    show = "mv /target.hidden /lib/modules/$(uname -r)/kernel/drivers/target && depmod"
    guest.run(hide, check=True)
    try:
        result = guest.run("lioshell ls")
    finally:
        guest.run(show, check=True)

    assert result.rc == 6
    assert "LIO" in result.stderr
    assert "--sim" in result.stderr


def test_a_missing_fabric_module(guest: Guest) -> None:
    path = "/lib/modules/$(uname -r)/kernel/drivers/target/loopback"
    guest.run("lioshell ls; modprobe -r tcm_loop", check=True)
    guest.run(f"mv {path} /loopback.hidden && depmod", check=True)
    try:
        result = guest.run("lioshell /loopback create")
    finally:
        guest.run(f"mv /loopback.hidden {path} && depmod", check=True)

    assert result.rc == 6
    assert "tcm_loop" in result.stderr
    assert guest.run(f"test -e {TARGET}/loopback").rc == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("/backstores/fileio", "create", "a", "/etc"), 2),
        (("/backstores/fileio", "create", "a", "/srv/none/a.img", "1M"), 3),
        (("/backstores/fileio", "create", "a", "/srv/a,b.img", "1M"), 2),
        (("/backstores/user:file", "create", "a", "1000", "/srv/a.img"), 2),
        (("/backstores/user:file", "create", "a", "1X", "/srv/a.img"), 2),
        (("/backstores/user:file", "create", "a", "1M", "/etc"), 2),
        (
            (
                "/backstores/user:file",
                "create",
                "a",
                "1M",
                "/srv/a.img",
                "control=data_pages_per_blk=0",
            ),
            2,
        ),
        (("/backstores/block", "create", "a", "/dev/none"), 3),
        (("/backstores/pscsi", "create", "a", "9:9:9:9"), 3),
        (("/iscsi", "create", "iqn.bad"), 2),
        (("/backstores/ramdisk", "create", "a b", "1M"), 2),
        (("/nowhere",), 3),
        (("frobnicate",), 2),
    ],
)
def test_bad_input_changes_nothing(guest: Guest, words: tuple[str, ...], code: int) -> None:
    guest.run("mkdir -p /srv; lioshell ls", check=True)
    snapshot = f"cd {TARGET} && find . | sort; ls /srv"
    before = guest.run(snapshot).stdout

    result = guest.run(["lioshell", *words])

    assert result.rc == code, str(result)
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    assert guest.run(snapshot).stdout == before
