# SPDX-License-Identifier: Apache-2.0
"""Every example that help shows is run at its node, so that help cannot rot."""

from pathlib import Path

import pytest

from lioshell.errors import DeclinedError
from lioshell.service.hosting import SessionHosting
from lioshell.shell import command_help
from lioshell.shell.screen import Screen
from tests.unit.fabricgen.conftest import HEADER

CHECKOUT = Path(__file__).resolve().parents[2]
IQN = "iqn.2003-01.com.example:disk1"
NAA = "naa.5001405a1b2c3d4e"
CLIENT = "iqn.1994-05.com.redhat:client1"
TPG = f"/iscsi/{IQN}/tpg1"
PLACES = [
    "/",
    "/backstores",
    "/backstores/block",
    "/backstores/fileio",
    "/backstores/pscsi",
    "/backstores/ramdisk",
    "/backstores/user:file",
    "/backstores/fileio/disk1",
    "/backstores/fileio/disk1/alua",
    "/backstores/fileio/disk1/alua/ao",
    "/iscsi",
    f"/iscsi/{IQN}",
    TPG,
    f"{TPG}/acls",
    f"{TPG}/acls/{CLIENT}",
    f"{TPG}/acls/{CLIENT}/mapped_lun0",
    f"{TPG}/luns",
    f"{TPG}/luns/lun0",
    f"{TPG}/portals",
    f"{TPG}/portals/192.168.1.139:3260",
    "/loopback",
    f"/loopback/{NAA}",
    f"/loopback/{NAA}/luns",
]
WORLD = f"""
set global auto_add_default_portal=false
/backstores/block create disk1 /dev/sdb
/backstores/fileio create disk1 /srv/fileio.img 1M
/backstores/fileio/disk1/alua create ao 10
/backstores/pscsi create disk1 /dev/sdc
/backstores/ramdisk create disk1 1M
/backstores/user:file create disk1 1M /srv/user.img
/backstores/user:file create vol0 1M /srv/served.img
/iscsi create {IQN}
{TPG}/portals create 192.168.1.139
{TPG}/portals create ::1 3261
{TPG}/acls create {CLIENT}
{TPG}/luns create /backstores/fileio/disk1
{TPG}/luns create /backstores/user:file/vol0 lun=4
{TPG}/acls/{CLIENT} delete 4
/loopback create {NAA}
/loopback/{NAA}/luns create /backstores/block/disk1
/loopback/{NAA}/luns create /backstores/ramdisk/disk1 lun=4
"""
CHANGING = (
    "create",
    "delete",
    "enable",
    "disable",
    "set",
    "saveconfig",
    "restoreconfig",
    "clearconfig",
    "export",
    "unexport",
    "fabric",
    "tag",
    "untag",
    "enable_iser",
    "enable_offload",
    "changemedium",
)


class Twice(Screen):
    """A terminal whose person looks twice before Ctrl-C."""

    def watch(self, interval_s, title, show):
        show()
        show()


def in_folder(line, folder):
    for top in ("/srv/", "/root/", "/etc/lioshell/"):
        line = line.replace(top, f"{folder}{top}")
    return line


def make_room(session, node, command, example, folder):
    """Bring about what an example needs: for create, that what it makes is not there yet."""
    if command == "create":
        for name in session.node_at(node.path, session.root).child_names():
            if not name.startswith(("tpg", "default_")):
                session.run_line(f"{node.path} delete {name}")
    elif command == "restoreconfig":
        for path in ("", f"{folder}/root/before-change.json"):
            session.run_line(f"/ saveconfig {path}")
        if "clear_existing" not in example:
            for line in ("/iscsi delete " + IQN, "/loopback delete " + NAA):
                session.run_line(line)
            for kind in session.node_at("/backstores", session.root).children:
                for name in kind.child_names():
                    session.run_line(f"{kind.path} delete {name}")
    elif command in ("plan", "apply"):
        # Other commands of the same world may have changed something since.
        for path in ("", f"{folder}/root/before-change.json"):
            session.run_line(f"/ saveconfig {path}")
    elif command in ("export", "unexport"):
        (folder / "srv/disk.img").write_bytes(bytes(1 << 20))
        if command == "unexport":
            export = f"export {folder}/srv/disk.img --iqn iqn.2003-01.com.example:disk.img"
            session.run_line(export)
    elif command == "fabric":
        header = folder / "root/linux/include/target/target_core_fabric.h"
        header.parent.mkdir(parents=True)
        header.write_text(HEADER)
    elif example == "cd <":
        session.run_line("/")
        session.run_line(node.path if node.path != "/" else "/iscsi")


@pytest.fixture
def new_world(tmp_path_factory, terminal, specs):
    """Make further terminals on which everything is there once, and is served."""
    worlds = []

    def make():
        made = type(terminal)(tmp_path_factory.mktemp("world"), specs)
        made.hosting = SessionHosting(made.kernel, lambda: pytest.fail("it serves"), print)
        made.new_session()
        worlds.append(made)
        for name in ("srv", "root"):
            (made.folder / name).mkdir()
        drop_ins = made.folder / "etc" / "lioshell" / "specs.d"
        drop_ins.mkdir(parents=True)
        spec = (CHECKOUT / "specs" / "loopback.yaml").read_text()
        (drop_ins / "demo.yaml").write_text(spec.replace("loopback", "demo"))
        for line in WORLD.strip().splitlines():
            made.session.run_line(in_folder(line, made.folder))
        return made

    yield make
    for world in worlds:
        world.hosting.close()


@pytest.mark.parametrize("place", PLACES)
def test_examples_of_a_node(new_world, place):
    world = new_world()
    node = world.session.node_at(place, world.session.root)
    for command in node.list_commands():
        examples = command_help.of(node, command).examples
        assert len(examples) >= 2, command
        for example in examples:
            assert command in example.split()
            here = new_world() if command in CHANGING else world
            here.session.screen = Twice()
            make_room(here.session, node, command, example, here.folder)
            here.session.run_line(place)

            goes_on = here.session.run_line(in_folder(example, here.folder))

            assert goes_on is (command != "exit")
            assert here.err == ""


REMOVING = ("delete", "disable", "clearconfig")


def test_what_removes_something_says_so_before_its_first_step(new_world, monkeypatch):
    """Nothing is written before the question: what is declined leaves no trace."""
    world = new_world()
    session, configfs = world.session, type(world.lio.configfs)
    written, asked = [], 0
    for name in ("mkdir", "write", "rmdir", "symlink", "unlink"):
        monkeypatch.setattr(configfs, name, lambda *_, **__: written.append(1))
    session.consent.confirm = lambda impact: False
    for place in PLACES:
        node = session.node_at(place, session.root)
        session.run_line(place)
        for command in set(REMOVING) & set(node.list_commands()):
            for example in command_help.of(node, command).examples:
                with pytest.raises(DeclinedError):
                    session.run_line(in_folder(example, world.folder))
                assert written == []
                asked += 1
    assert asked > 10
