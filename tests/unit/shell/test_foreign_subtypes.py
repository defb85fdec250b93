# SPDX-License-Identifier: Apache-2.0
"""Subtypes that a running tcmu-runner has registered: shown, configured through it, not served."""

from __future__ import annotations

from lioshell.kernel.open import open_sim
from lioshell.service.units import is_ours, unit_maker
from tests.unit.shell.conftest import Shell


def simulate(shell, *subtypes):
    (shell.folder / "sim" / "tcmu-runner").write_text(" ".join(subtypes))


def test_they_are_shown_and_configured_and_left_to_it(tmp_path, specs):
    shell = Shell(tmp_path, specs)
    simulate(shell, "file", "itsown")
    listed = shell.run("ls /backstores")
    assert "user:itsown" in listed
    assert "served by tcmu-runner" in listed
    path = tmp_path / "a.img"
    told = shell.run(f"/backstores/user:file create v 1M {path}")
    assert "v is served by tcmu-runner." in told
    assert not path.exists(), "its handler makes the storage"
    shell.run("/backstores/user:itsown create w 1M any/text")
    (device, other) = shell.lio.kernel.uio.devices()
    assert (device.dev_config, other.dev_config) == (f"file/{path}", "itsown/any/text")
    assert unit_maker(shell.lio.kernel)(device) is None
    assert "no runner" not in shell.run("ls /backstores")
    assert "tcmu-runner" in shell.run("/backstores/user:itsown info")
    error = shell.fails("/backstores/user:itsown create x 1M")
    assert "cfgstring" in error.message


def test_without_it_they_are_ours_again(tmp_path, specs):
    shell = Shell(tmp_path, specs)
    kernel = open_sim(str(tmp_path / "sim"), specs)
    assert is_ours(kernel, "file//srv/a.img")
    simulate(shell, "file")
    assert not is_ours(kernel, "file//srv/a.img")
    assert not is_ours(kernel, "nosuch/x")
    simulate(shell)
    assert is_ours(kernel, "file//srv/a.img")
