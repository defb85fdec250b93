# SPDX-License-Identifier: Apache-2.0
"""Every step of every command fails once, and is interrupted once: nothing half made remains."""

from __future__ import annotations

import errno
import itertools
from typing import TYPE_CHECKING

import pytest

from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.kernel.sim.faults import Faults
from lioshell.service.hosting import Hosting
from lioshell.specs import Specs

from .conftest import listing

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli, Result

IQN = "iqn.2003-01.com.example:disk1"
NAA = "naa.5001405a1b2c3d4e"
INITIATOR = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"
ACL = f"{TPG}/acls/{INITIATOR}"
GROUP = "/backstores/ramdisk/r0/alua/standby"
AUTH = "userid=me password=sesame1 mutual_userid=you mutual_password=sesame2"

PREPARED = (
    *(f"/backstores/ramdisk create r{n} 1M" for n in range(4)),
    f"/iscsi create {IQN}",
    f"{TPG}/portals delete ::0",
    f"{TPG}/luns create /backstores/ramdisk/r0",
    f"{TPG}/luns create /backstores/ramdisk/r1",
    f"{TPG}/acls create {INITIATOR}",
    f"{TPG}/acls create {INITIATOR}2 add_mapped_luns=false",
    f"/loopback create {NAA}",
    f"{TPG}/acls create {INITIATOR}5 add_mapped_luns=true",
    f"{TPG}/acls tag {INITIATOR}5 old",
    f"/iscsi/{IQN} create 3",
    f"/iscsi/{IQN}/tpg3/portals delete ::0",
    f"/iscsi/{IQN}/tpg3/portals create 127.0.0.1 3263",
    f"/iscsi/{IQN}/tpg3 disable",
    "/backstores/ramdisk/r0/alua create standby 20",
)

# FILE and MEDIUM exist, NEW does not; the number is how many operations a command has at the least.
COMMANDS = {
    "fileio": (9, "/backstores/fileio create f0 NEW 1M"),
    "fileio on a file": (7, "/backstores/fileio create f0 FILE write_back=false"),
    "fileio, not sparse": (9, "/backstores/fileio create f0 NEW 1M sparse=false"),
    "block": (8, "/backstores/block create b0 /dev/sdb readonly=true"),
    "pscsi": (5, "/backstores/pscsi create p0 /dev/sdc"),
    "ramdisk": (7, "/backstores/ramdisk create r9 1M nullio=true"),
    "user": (10, "/backstores/user:file create u0 1M NEW"),
    "iscsi target": (5, "/iscsi create iqn.2003-01.com.example:other"),
    "loopback target": (3, "/loopback create naa.5001405a1b2c3d4f"),
    "tpg": (4, f"/iscsi/{IQN} create 2"),
    "lun": (2, f"/loopback/{NAA}/luns create /backstores/ramdisk/r2"),
    "lun with acls": (6, f"{TPG}/luns create /backstores/ramdisk/r2"),
    "acl with luns": (5, f"{TPG}/acls create {INITIATOR}3"),
    "mapped lun": (3, f"{TPG}/acls/{INITIATOR}2 create 4 0 write_protect=true"),
    "portal": (1, f"{TPG}/portals create 127.0.0.1 3261"),
    "tpg attributes": (
        3,
        f"{TPG} set attribute generate_node_acls=1 demo_mode_write_protect=0 login_timeout=20",
    ),
    "tpg parameters": (3, f"{TPG} set parameter MaxConnections=2 HeaderDigest=None InitialR2T=No"),
    "storage object attributes": (
        3,
        "/backstores/ramdisk/r3 set attribute emulate_tas=0 emulate_write_cache=1 block_size=4096",
    ),
    "switch on": (1, f"/iscsi/{IQN}/tpg3 enable"),
    "switch off": (1, f"{TPG} disable"),
    "alua group": (2, "/backstores/ramdisk/r1/alua create ao 10"),
    "alua parameters": (
        3,
        f"{GROUP} set alua alua_access_state=2 preferred=1 nonop_delay_msecs=200",
    ),
    "lun's alua": (2, f"{TPG}/luns/lun0 set alua alua_tg_pt_gp_name=standby alua_tg_pt_status=1"),
    "acl attributes": (2, f"{ACL} set attribute dataout_timeout=9 nopin_timeout=20"),
    "loopback attribute": (1, f"/loopback/{NAA} set attribute fabric_prot_type=1"),
    "export": (12, f"/ export FILE --initiator {INITIATOR}"),
    "export of an exported file": (
        2,
        f"/ export FILE -p 127.0.0.1:3262 --initiator {INITIATOR}4",
    ),
    "lun of a file": (9, f"{TPG}/luns create FILE"),
    "mapped lun of a file": (12, f"{ACL} create 7 FILE"),
    "fabric attribute": (1, "/iscsi set attribute cpus_allowed_list=0"),
    "target parameter": (1, f"/iscsi/{IQN} set parameter cmd_completion_affinity=0"),
    "tag": (1, f"{TPG}/acls tag {INITIATOR} web"),
    "join a tag": (7, f"{TPG}/acls tag {INITIATOR}2 old"),
    "untag": (1, f"{TPG}/acls untag old"),
    "iser": (1, f"/iscsi/{IQN}/tpg3/portals/127.0.0.1:3263 enable_iser true"),
    "tpg auth": (4, f"{TPG} set auth {AUTH}"),
    "acl auth": (4, f"{ACL} set auth {AUTH}"),
    "discovery auth": (5, f"/iscsi set discovery_auth {AUTH} enable=1"),
}
CODES = (errno.EIO, errno.ENOSPC, errno.EBUSY)
every_command = pytest.mark.parametrize(
    ("least", "command"), COMMANDS.values(), ids=COMMANDS.keys()
)


class Interrupts(Faults):
    """Ctrl-C instead of a failure, just before the n-th operation."""

    def check(self, operation: str, path: str) -> int:
        if super().check(operation, path):
            raise KeyboardInterrupt
        return 0


class LateInterrupts(SimConfigfs):
    """Ctrl-C just after the operations with these numbers."""

    def __init__(self, cli: Cli, *numbers: int) -> None:
        super().__init__(str(cli.sim), Specs())
        self._numbers = numbers
        self.count = 0

    def _change(self, *arguments) -> None:
        super()._change(*arguments)
        self.count += 1
        if self.count in self._numbers:
            raise KeyboardInterrupt


class Broken(Faults):
    """A kernel that fails everything from the n-th operation on."""

    def check(self, operation: str, path: str) -> int:
        super().check(operation, path)
        return self.code if len(self.operations) >= self.fail_nth else 0


class Ground:
    """A prepared simulated kernel on which a command is tried again and again."""

    def __init__(
        self, cli: Cli, folder: Path, command: str, prepared: tuple[str, ...] = PREPARED
    ) -> None:
        folder.mkdir()
        for name in ("file", "medium"):
            (folder / f"{name}.img").write_bytes(bytes(1 << 20))
        self._files = {
            name: str(folder / f"{name.lower()}.img") for name in ("FILE", "NEW", "MEDIUM")
        }
        self.command = self._filled(command)
        self.cli = cli
        self._folder = folder
        self._prepared = [self._filled(line) for line in prepared]
        self.prepare()
        self.before = self.state()

    def file(self, name: str) -> str:
        """Return what stands for FILE, NEW or MEDIUM."""
        return self._files[name]

    def _filled(self, line: str) -> str:
        return " ".join(self._files.get(word, word) for word in line.split(" "))

    def prepare(self) -> None:
        self.cli.ok(*self._prepared)

    def state(self) -> tuple[dict[str, str], list[str]]:
        """Return what the kernel shows, and the backing files.

        A credential cannot be made empty again: NULL is what the kernel takes for none; the members
        of an ALUA group are in the order in which they joined it.
        """
        tree = self.cli.tree()
        shown = {
            path: _shown(path, text) for path, text in tree.items() if not path.endswith("/.state")
        }
        return shown, listing(self._folder)

    def run(self, faults: Faults) -> Result:
        return self.cli("-c", self.command, faults=faults)

    def is_as_before(self) -> None:
        files, tree = self.state()[1], self.state()[0]
        assert files == self.before[1]
        assert tree == self.before[0]


def _shown(path: str, text: str) -> str:
    if path.endswith("/members"):
        return "".join(sorted(text.split("\0")))
    return "\n" if "auth" in path and text == "NULL\n" else text


@pytest.fixture
def ground(cli, tmp_path, monkeypatch, command) -> Ground:
    # Who serves user: devices is not the question here.
    monkeypatch.setattr(Hosting, "devices_changed", lambda self, created: [])
    return Ground(cli, tmp_path / "images", command)


@every_command
def test_a_failure_of_each_step(ground, least):
    for number in itertools.count(1):
        faults = Faults(number, CODES[number % len(CODES)])
        result = ground.run(faults)
        if len(faults.operations) < number:
            break
        if result.code == 0:
            # The default portal: another address will do, or none.
            assert "/np/" in faults.operations[number - 1][1]
            ground.cli.ok(*undo(ground.command))
        else:
            assert result.code == 5, result
            assert "Could not be undone" not in result.err
            assert "Traceback" not in result.err
            assert "sesame" not in result.out + result.err
        ground.is_as_before()
    assert result.code == 0
    assert number > least


def undo(command: str) -> list[str]:
    """Return the command that takes back a target or TPG which was made all the same."""
    if "/ export" in command:
        return [f"/ unexport {command.split()[2]}"]
    path, _, name = command.split()
    return [f"{path} delete {name}"]


@every_command
def test_ctrl_c_before_each_step(ground, least):
    for number in range(1, least + 1):
        result = ground.run(Interrupts(number))
        assert result.code == 130, result
        assert "Traceback" not in result.err
        assert "Could not be undone" not in result.err
        ground.is_as_before()


@every_command
def test_ctrl_c_after_each_step_and_another_one_while_it_is_undone(ground, least):
    for number in range(1, least + 1):
        for again in (0, number + 1):
            kernel = ground.cli.kernel()
            configfs = LateInterrupts(ground.cli, number, again)
            result = ground.cli("-c", ground.command, kernel=kernel._replace(configfs=configfs))
            if result.code == 0:
                # After its last step there may be nothing left to interrupt.
                assert number == configfs.count
                return
            assert result.code == 130, result
            assert "Could not be undone" not in result.err
            ground.is_as_before()


@every_command
def test_what_cannot_be_undone_is_named(ground, least):
    result = ground.cli("-o", "json", "-c", ground.command, faults=Broken(least))
    remains = result.json.get("error", {}).get("remains", ())
    named = [word.rstrip(":") for text in remains for word in text.split() if "/" in word]
    (tree, files), (tree_before, files_before) = ground.state(), ground.before

    assert result.code in (0, 5), result
    assert files == files_before
    for path in tree.keys() | tree_before.keys():
        if tree.get(path) != tree_before.get(path) and not follows(path):
            inside = path.removeprefix("target/")
            assert any(f"{inside}/".startswith(f"{name}/") for name in named), path


def follows(path: str) -> bool:
    """Tell whether the kernel itself changes an attribute when it changes an object."""
    names = ("members", "authenticate_target", "info", "alua_lu_gp", "alua_tg_pt_gp")
    return path.rpartition("/")[2] in names
