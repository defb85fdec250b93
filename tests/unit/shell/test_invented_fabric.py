# SPDX-License-Identifier: Apache-2.0
"""A fabric that nobody has heard of, from one file: tree, completion, help, save and restore.

Each is a drop-in with other features; not a line of Python knows any of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from lioshell.shell.completion import ShellCompleter
from lioshell.specs import Specs, default_folders
from tests.unit.shell.conftest import Shell

CREDENTIALS = """
    userid: {type: string, default: "", help: "A user"}
    password: {type: secret, default: "", help: "Its password"}
    userid_mutual: {type: string, default: "", help: "The target's user"}
    password_mutual: {type: secret, default: "", help: "The target's password"}"""
ATTRIBUTES = """
  tpg_attribute:
    spin: {type: enum, default: up, values: [up, down], help: "Spin of the particles"}
    level: {type: int, default: 2, minimum: 2, maximum: 64, help: "Particles in one group"}
    quiet: {type: bool, default: 1, help: "Whether nobody looks"}
  tpg_parameter:
    Observer: {type: string, default: nobody, help: "Who looks at it"}"""
ACL_ATTRIBUTES = """
  acl_attribute:
    patience: {type: int, default: 5, minimum: 1, help: "Seconds to wait"}"""
OWN_FILES = """
  tpg:
    colour: {type: enum, default: red, values: [red, green], help: "Of the light"}
    weather: {type: string, default: fair, saved: false, help: "A state, no setting"}
  acl:
    nickname: {type: string, default: "", help: "What it is called"}"""


@dataclass(frozen=True)
class Invented:
    """A fabric: what its file says beside the name, a target and an initiator of it."""

    text: str
    wwn: str
    initiator: str = ""
    folder: str = ""
    """The target's name in configfs where that is another."""

    def has(self, word: str) -> bool:
        """Tell whether it has a feature."""
        features = self.text.split("features: [")[1].split("]")[0].replace(" ", "")
        return word in features.split(",")


INVENTED = {
    "everything": Invented(
        "wwn_types: [iqn, naa]\n"
        "features: [tpgts, luns, acls, acls_auth, tpg_auth, discovery_auth, nps, enable]\n"
        "default_port: 4711\n"
        f"attributes:\n  discovery_auth:{CREDENTIALS}\n"
        '    enforce_discovery_auth: {type: bool, default: 0, help: "Ask for them"}'
        f"{ATTRIBUTES}{ACL_ATTRIBUTES}\n  tpg_auth:{CREDENTIALS}\n  acl_auth:{CREDENTIALS}\n",
        *("iqn.2003-01.com.example:disk1", "iqn.1994-05.com.redhat:client1"),
    ),
    "nexus-and-groups": Invented(
        f"wwn_types: [naa]\nfeatures: [tpgts, luns, acls, nexus]\nattributes:{ATTRIBUTES}\n",
        *("naa.5001405a1b2c3d4e", "naa.5001405000000001"),
    ),
    "port-with-colons": Invented(
        "wwn_types: [naa]\nwwn_form: colons\nfeatures: [luns, acls, enable]\n"
        f"attributes:{ATTRIBUTES}{ACL_ATTRIBUTES}{OWN_FILES}\n",
        *("naa.5001405a1b2c3d4e", "naa.5001405000000001", "50:01:40:5a:1b:2c:3d:4e"),
    ),
    "wire-that-needs-luns": Invented(
        "wwn_types: [eui]\nwwn_form: bare\nfeatures: [luns, enable]\nenable_needs_luns: true\n",
        *("eui.0010180a1b2c3d4e", "", "0010180a1b2c3d4e"),
    ),
    "identifier-in-hex": Invented(
        "wwn_types: [ib]\nwwn_form: hex\nfeatures: [luns, acls, acls_auth]\n"
        f"attributes:\n  acl_auth:{CREDENTIALS}\n",
        *("ib." + "fe80" * 8, "ib." + "0002" * 8, "0x" + "fe80" * 8),
    ),
    "as-little-as-can-be": Invented("wwn_types: [free]\nfeatures: [luns]\n", "Port-1"),
    "nexus-alone": Invented("wwn_types: [naa]\nfeatures: [luns, nexus]\n", "naa.5001405a1b2c3d4e"),
    "portals-alone": Invented(
        "wwn_types: [naa]\nfeatures: [luns, nps]\ndefault_port: 99\n", "naa.5001405a1b2c3d4e"
    ),
}


@pytest.fixture(params=INVENTED)
def invented(request):
    return INVENTED[request.param]


@pytest.fixture
def demo(invented, tmp_path):
    """A session in which the fabric came from a drop-in folder."""
    drop_ins = tmp_path / "specs.d"
    drop_ins.mkdir()
    (drop_ins / "demo.yaml").write_text(
        "kind: fabric\nname: demo\naliases: [tcm_demo]\ngroup: demo\nmodule: tcm_demo\n"
        f'help: "SCSI by entangled particles"\n{invented.text}'
    )
    specs = Specs([*default_folders()[:1], str(drop_ins)], cache_folder="")
    assert specs.refused() == []
    return Shell(tmp_path, specs)


def tpg_of(invented: Invented) -> str:
    return f"/demo/{invented.wwn}" + ("/tpg1" if invented.has("tpgts") else "")


def build(shell: Shell, invented: Invented) -> str:
    """Make a target with all that the fabric has."""
    tpg = tpg_of(invented)
    shell.run(
        "/backstores/ramdisk create ram 1M",
        f"/backstores/fileio create disk {shell.folder}/disk.img 1M",
        f"/demo create {invented.wwn}",
        f"{tpg}/luns create /backstores/ramdisk/ram",
        f"{tpg}/luns create /backstores/fileio/disk lun=5",
    )
    if invented.has("acls"):
        shell.run(f"{tpg}/acls create {invented.initiator}")
        acl = f"{tpg}/acls/{invented.initiator}"
        if "acl_attribute" in invented.text:
            shell.run(f"{acl} set attribute patience=7")
        if invented.has("acls_auth"):
            shell.run(f"{acl} set auth userid=me password=secretword")
    if invented.has("nps"):
        if invented.has("tpgts"):
            # A new group listens on every address at once.
            shell.run(f"{tpg}/portals delete [::0]:4711")
        shell.run(f"{tpg}/portals create 192.168.1.139")
    if "spin" in invented.text:
        shell.run(f"{tpg} set attribute spin=down level=3 quiet=0")
        shell.run(f"{tpg} set parameter Observer=cat")
    if OWN_FILES in invented.text:
        folder = f"demo/{invented.folder}/tpgt_1"
        shell.lio.configfs.write(f"{folder}/colour", "green")
        shell.lio.configfs.write(f"{folder}/acls/50:01:40:50:00:00:00:01/nickname", "bob")
    if invented.has("tpg_auth"):
        shell.run(f"{tpg} set auth userid=all password=otherword")
    if invented.has("discovery_auth"):
        shell.run("/demo set discovery_auth userid=who password=thirdword enable=1")
    if invented.has("enable"):
        shell.run(f"{tpg} enable")
    return tpg


def configfs_of(shell: Shell) -> dict[str, str]:
    """Return every file below the fabric's folder with its text, and every link with its name.

    Statistics are left out: their numbers go on counting.
    """
    configfs, found = shell.lio.configfs, {}
    folders = ["demo"] if configfs.is_dir("demo") else []
    for folder in folders:
        links = configfs.links(folder)
        below = [name for name in configfs.folders(folder) if name != "statistics"]
        folders += [f"{folder}/{name}" for name in below]
        for name in set(configfs.listdir(folder)) - set(configfs.folders(folder)) - set(links):
            found[f"{folder}/{name}"] = configfs.read(f"{folder}/{name}")
        for name in links:
            # The number of a backstore's folder may be another after a restore.
            found[f"{folder}/{name}"] = configfs.readlink(f"{folder}/{name}").rpartition("/")[2]
    return found


def offers(shell: Shell, line: str) -> list[str]:
    document = Document(line, len(line))
    found = ShellCompleter(shell.session).get_completions(document, CompleteEvent())
    return [offer.text.strip() for offer in found]


def test_create_save_clear_restore_delete(demo, invented):
    tpg = build(demo, invented)
    folder = f"demo/{invented.folder or invented.wwn}/tpgt_1"
    assert demo.lio.configfs.is_dir(folder)
    before = configfs_of(demo)
    assert f"{folder}/lun/lun_5/alua_tg_pt_gp" in before
    assert (f"{folder}/nexus" in before) == invented.has("nexus")
    if invented.has("nps"):
        port = 4711 if invented.has("tpgts") else 99
        assert demo.lio.configfs.folders(f"{folder}/np") == [f"192.168.1.139:{port}"]
    if invented.has("enable"):
        assert before[f"{folder}/enable"] == "1"
    listing = demo.run("ls /demo")
    demo.run("saveconfig")
    saved = json.loads((demo.folder / "saveconfig.json").read_text())
    (target,) = saved["targets"]
    assert (target["fabric"], target["wwn"]) == ("demo", invented.wwn)
    assert len(target["tpgs"][0]["luns"]) == 2
    if OWN_FILES in invented.text:
        assert target["tpgs"][0]["files"] == {"colour": "green"}
        assert target["tpgs"][0]["node_acls"][0]["files"] == {"nickname": "bob"}

    empty = demo.folder / "empty.json"
    empty.write_text('{"storage_objects": [], "fabric_modules": [], "targets": []}')
    demo.run(f"restoreconfig {empty} clear_existing=true")
    assert configfs_of(demo) == {}
    assert demo.run("ls /demo").count("o- ") == 1

    demo.run("restoreconfig")
    assert sorted(configfs_of(demo).items() ^ before.items()) == []
    assert demo.run("ls /demo") == listing
    if invented.has("acls"):
        demo.run(f"{tpg}/acls delete {invented.initiator}")
    demo.run(f"{tpg}/luns delete lun5", f"/demo delete {invented.wwn}")
    if invented.has("discovery_auth"):
        demo.run("/demo set discovery_auth userid= password= enable=0")
    assert "no mistakes" in demo.run("specs check")
    assert not demo.lio.configfs.is_dir(f"demo/{invented.folder or invented.wwn}")


def test_it_is_offered_explained_and_told_of(demo, invented):
    assert "/demo" in [word.rstrip("/") for word in offers(demo, "/de")]
    tpg = build(demo, invented)
    assert "/luns" in offers(demo, f"{tpg}/l")[0]
    assert f"/demo/{invented.wwn}" in offers(demo, "/demo/")[0]
    assert ("create" in offers(demo, f"{tpg}/acls cr")) == invented.has("acls")
    info = demo.run("/demo info")
    assert "tcm_demo" in info
    assert "SCSI by entangled particles" in info
    assert "SCSI by entangled particles" in demo.run("specs show tcm_demo")
    if "spin" in invented.text:
        assert "spin=" in " ".join(offers(demo, f"{tpg} set attribute sp"))
        assert "Spin of the particles" in demo.run(f"{tpg} get attribute")
    commands = demo.run(f"{tpg} help")
    assert ("enable" in commands) == invented.has("enable")


@pytest.mark.parametrize(
    "invented", [name for name, one in INVENTED.items() if "spin" in one.text], indirect=True
)
def test_what_the_file_forbids_is_refused(demo, invented):
    tpg = build(demo, invented)
    before = configfs_of(demo)
    for wrong in ("spin=sideways", "level=1", "level=65", "level=many", "quiet=2", "nosuch=1"):
        demo.fails(f"{tpg} set attribute {wrong}")
    assert configfs_of(demo) == before


def test_no_password_shows(demo, invented):
    build(demo, invented)
    shown = demo.run("ls /demo", "/demo info", f"{tpg_of(invented)} get")
    for word in ("secretword", "otherword", "thirdword"):
        assert word not in shown
