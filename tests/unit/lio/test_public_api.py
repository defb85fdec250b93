# SPDX-License-Identifier: Apache-2.0
"""lioshell.lio as a script sees it: its names, its laziness, its lock and its transactions."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from lioshell import lio
from lioshell.lio.lock import ChangeLock

IQN = "iqn.2003-01.com.example:disk1"


@pytest.fixture
def system(tmp_path):
    return lio.open(sim=tmp_path / "sim", lock_timeout_s=0.0)


def test_every_public_name_is_there_documented_and_known_to_type_checkers():
    tree = ast.parse(Path(lio.__file__).read_text())
    typed = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("lioshell.")
        if node.module != "lioshell.typed"
        for alias in node.names
    }
    named = [name for names in lio._NAMES_OF.values() for name in names]
    assert sorted(named) == sorted(lio.__all__) == dir(lio)
    assert typed == set(lio.__all__)
    for name in lio.__all__:
        assert inspect.getdoc(getattr(lio, name)), name


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match=r"lioshell\.lio.*'backstores_of'"):
        lio.backstores_of  # noqa: B018  # the look-up is the test


def test_importing_it_imports_nothing_else():
    script = (
        "import sys; from lioshell import lio\n"
        "print(*sorted(m for m in sys.modules if m.startswith('lioshell.')))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout.split() == ["lioshell.lio", "lioshell.typed"]


def test_a_block_is_all_or_nothing(system):
    class StopError(Exception):
        pass

    with pytest.raises(StopError), system:
        system.fabric("iscsi").create_target(IQN).create_tpg()
        lio.create_ramdisk(system, "disk1", 1 << 20)
        raise StopError
    assert system.fabric("iscsi").targets() == []
    assert lio.list_storage_objects(system, "ramdisk") == []


def test_blocks_in_blocks_belong_together(system):
    with pytest.raises(ZeroDivisionError), system:
        with system:
            system.fabric("iscsi").create_target(IQN)
        assert system.fabric("iscsi").targets() == [IQN]
        1 / 0  # noqa: B018  # any error
    assert system.fabric("iscsi").targets() == []


def test_the_system_can_be_used_again_after_a_block_that_failed(system):
    with pytest.raises(ZeroDivisionError), system:
        1 / 0  # noqa: B018  # any error
    with system:
        lio.create_ramdisk(system, "disk1", 1 << 20)
    assert lio.find_storage_object(system, "ramdisk", "disk1").size_bytes == 1 << 20


def test_a_change_waits_for_the_shells_lock_and_reading_does_not(system):
    with ChangeLock(system.kernel.run_dir)("create"):
        assert system.fabric("iscsi").targets() == []
        with pytest.raises(lio.LockedError, match=r"being changed by process \d+ \(create\)"):
            lio.create_ramdisk(system, "disk1", 1 << 20)
        with pytest.raises(lio.LockedError), system:
            pytest.fail("the block must not begin")
    lio.create_ramdisk(system, "disk1", 1 << 20)


def test_the_fabrics_of_this_machine(system):
    assert {"iscsi", "loopback"} <= {fabric.spec.name for fabric in system.fabrics()}
    with pytest.raises(lio.NotFoundError):
        system.fabric("nosuch")


def test_nothing_prints(system, capfd):
    with system:
        tpg = system.fabric("iscsi").create_target(IQN).create_tpg()
        tpg.create_lun(lio.create_ramdisk(system, "disk1", 1 << 20))
    with pytest.raises(lio.ConflictError):
        system.fabric("iscsi").create_target(IQN)
    system.fabric("iscsi").target(IQN).delete()
    assert capfd.readouterr() == ("", "")


def test_on_a_machine_without_lio_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(lio.HostError) as refused:
        lio.open(configfs=str(tmp_path / "nowhere"))
    assert "root" in refused.value.hint
