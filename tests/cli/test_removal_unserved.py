# SPDX-License-Identifier: Apache-2.0
"""LUNs of loopback that go while nobody serves their disk: the kernel would wait for an answer."""

from __future__ import annotations

import os
import signal

import pytest

from lioshell.errors import ConflictError
from lioshell.lio.fabrics import Fabric
from lioshell.lio.root import Lio
from lioshell.service.hosting import service_runs
from lioshell.specs import Specs

NAA = "naa.5001405a1b2c3d4e"
VOL0 = "/backstores/user:file/vol0"


@pytest.fixture
def unserved(cli, process, tmp_path):
    """A disk as LUN 0 of loopback whose service was killed."""
    image = tmp_path / "vol0.img"
    result = process(
        *("-c", f"/backstores/user:file create vol0 1M {image}"),
        *("-c", f"/loopback create {NAA}"),
        *("-c", f"/loopback/{NAA}/luns create {VOL0}"),
    )
    assert result.code == 0, result
    for socket in (cli.sim / "run/hosts").glob("*.sock"):
        os.kill(int(socket.stem), signal.SIGKILL)
        socket.unlink()
    while service_runs(str(cli.sim / "run")):
        pass
    return image


@pytest.mark.parametrize(
    "words",
    [
        (f"/loopback/{NAA}/luns", "delete", "lun0"),
        ("/backstores/user:file", "delete", "vol0"),
        ("/loopback", "delete", NAA),
        ("clearconfig", "confirm=True"),
    ],
)
def test_it_is_served_first(cli, process, unserved, words):
    result = process(*words)
    assert result.code == 0, result
    assert "vol0 is served by a service started for it" in result.out
    assert not list((cli.sim / "config/target").glob("loopback/*/tpgt_1/lun/lun_0"))


def test_a_disk_that_cannot_be_served_goes_without_a_flush(cli, process, unserved):
    unserved.unlink()
    result = process("/backstores/user:file", "delete", "vol0")
    assert result.code == 0, result
    assert cli.ok("ls /backstores/user:file").count("vol0") == 0


def test_one_that_is_used_stays(cli, unserved, monkeypatch):
    lio = Lio(cli.kernel(), Specs())
    monkeypatch.setattr(type(lio.kernel.system), "holders", lambda *_: ["mounted at /mnt"])
    before = cli.tree()
    target = Fabric(lio, lio.specs.fabric("loopback")).target(NAA)
    with pytest.raises(ConflictError, match=r"in use \(mounted at /mnt\), and nobody serves vol0"):
        target.delete()
    assert cli.tree() == before


def test_a_service_that_removes_all_when_it_stops_answers_until_the_end(cli, process, tmp_path):
    cli.ok("ls")
    service = process.start("serve", "--restore", "--on-stop=remove")
    try:
        result = process(
            *("-c", f"/backstores/user:file create vol0 1M {tmp_path}/vol0.img"),
            *("-c", f"/loopback create {NAA}"),
            *("-c", f"/loopback/{NAA}/luns create {VOL0}"),
        )
        assert result.code == 0, result
        service.send_signal(signal.SIGTERM)
        _, err = service.communicate(timeout=30)
    finally:
        service.kill()
        service.wait()
    assert service.returncode == 0, err
    assert "not removed" not in err
    assert os.listdir(cli.sim / "config/target/core") == ["alua"]
