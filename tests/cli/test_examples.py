# SPDX-License-Identifier: Apache-2.0
"""Every file in examples/ runs, on the simulated kernel, and does what it says."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from lioshell import lio
from lioshell.kernel.sim.initiator import SimDisk

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
IQN = "iqn.2003-01.org.linux-iscsi.x.x8664:sn.d3d8b0500fde"
INITIATOR = "iqn.2003-01.org.linux-iscsi.y.x8664:sn.abcdefghijkl"


def load(name):
    """Return an example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_example_has_its_test():
    tested = {"first_light", "rtslib_port", "zlib_disk"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


def test_first_light():
    result = subprocess.run(
        [sys.executable, EXAMPLES / "first_light.py"], capture_output=True, text=True, timeout=100
    )
    assert result.returncode == 0, result.stderr
    assert "in the backing file" in result.stdout


def test_the_wikis_script_makes_the_wikis_tree(tmp_path):
    sim = str(tmp_path / "sim")
    load("rtslib_port").main(sim)
    system = lio.open(sim=sim)
    (target,) = (system.fabric("iscsi").target(wwn) for wwn in system.fabric("iscsi").targets())
    (tpg,) = target.tpgs()
    assert (target.wwn, tpg.tag, tpg.enabled) == (IQN, 1, True)
    assert [portal.name for portal in tpg.portals()] == ["192.168.1.128:5060"]
    (lun,) = tpg.luns()
    exported = lun.storage_object
    assert (lun.index, lun.alias) == (0, "my_lun")
    assert (exported.type_name, exported.name, exported.device) == ("block", "sdb", "/dev/sdb")
    assert exported.serial  # gen_wwn=True
    (acl,) = tpg.acls()
    (mapped,) = acl.mapped_luns()
    assert (acl.wwn, mapped.index, mapped.write_protect) == (INITIATOR, 0, False)
    assert mapped.tpg_lun.path == lun.path


def test_the_wikis_script_leaves_nothing_where_a_step_fails(tmp_path):
    # RTSlib's had to delete the backstore itself, and left the target.
    sim = str(tmp_path / "sim")
    system = lio.open(sim=sim)
    taken = system.fabric("iscsi").create_target(IQN)
    with pytest.raises(lio.ConflictError):
        load("rtslib_port").main(sim)
    assert lio.list_storage_objects(system, "block") == []
    assert taken.tpgs() == []


def test_a_zlib_disk_holds_compressed_blocks(tmp_path):
    sim = str(tmp_path / "sim")
    program = [sys.executable, EXAMPLES / "zlib_disk.py", tmp_path / "d", sim]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout.readline() == f"{tmp_path}/d/zlib0\n"
        with SimDisk.open(sim, "core/user_0/zlib0") as disk:
            assert disk.capacity() == ((64 << 20) // 4096, 4096)
            disk.write(7, b"abc" * 4096)
            assert disk.read(6, 5) == bytes(4096) + b"abc" * 4096 + bytes(4096)
        running.communicate("\n", timeout=30)
        assert running.returncode == 0
    assert lio.list_storage_objects(lio.open(sim=sim), "user") == []


def test_a_zlib_disk_is_thirty_lines():
    lines = (EXAMPLES / "zlib_disk.py").read_text().splitlines()
    assert len([line for line in lines if line and not line.startswith("#")]) <= 30
