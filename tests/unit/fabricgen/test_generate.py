# SPDX-License-Identifier: Apache-2.0
import pytest

from lioshell.errors import ConflictError, HostError, UsageError
from lioshell.fabricgen.generate import new_fabric
from lioshell.specs import Specs


def make(tree, folder, name="nab5000", **options):
    options = {"protocol": "iSCSI", "headers": str(tree), "folder": str(folder), **options}
    return new_fabric(name, **options)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("FC", ("SCSI_PROTOCOL_FCP", "nab5000_lport", "nport_wwn")),
        ("sas", ("SCSI_PROTOCOL_SAS", "nab5000_tport", "iport_wwn")),
        ("iSCSI", ("SCSI_PROTOCOL_ISCSI", "nab5000_tport", "sess_get_initiator_sid")),
    ],
)
def test_ports_and_initiators_have_the_names_of_their_protocol(tree, tmp_path, protocol, expected):
    made = make(tree, tmp_path / "out", protocol=protocol)
    text = "".join((made.folder / name).read_text() for name in made.files)

    for word in expected:
        assert word in text
    assert "@" not in text.replace("$@", "")
    assert ("sess_get_initiator_sid" in made.left_out) is (protocol != "iSCSI")


def test_only_what_the_headers_declare_is_in_it(tree, tmp_path):
    made = make(tree, tmp_path / "out")
    text = (made.folder / "tcm_nab5000_configfs.c").read_text()

    assert ".tpg_get_wwn" in text
    assert ".fabric_drop_tpg" not in text
    assert made.left_out == ("a_new_one",)
    assert "a_new_one" in text


def test_an_older_form_of_a_callback(tree, tmp_path):
    header = tree / "include/target/target_core_fabric.h"
    header.write_text(
        header.read_text().replace(
            "(struct se_wwn *, const char *)",
            "(struct se_wwn *, struct config_group *, const char *)",
        )
    )
    made = make(tree, tmp_path / "out")

    assert "struct config_group *group,\n" in (made.folder / "tcm_nab5000_configfs.c").read_text()


def test_a_form_that_nobody_knows_is_refused(tree, tmp_path):
    header = tree / "include/target/target_core_fabric.h"
    text = header.read_text().replace(
        "tpg_get_tag)(struct se_portal_group *)", "tpg_get_tag)(struct se_portal_group *, int)"
    )
    header.write_text(text)

    with pytest.raises(HostError, match="tpg_get_tag"):
        make(tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_spec_is_one_that_lioshell_reads(tree, tmp_path):
    made = make(tree, tmp_path / "out", protocol="FC")
    spec = Specs([str(made.folder)]).fabric("nab5000")

    assert (spec.group, spec.module) == ("nab5000", "tcm_nab5000")
    assert spec.has("luns")
    assert spec.has("enable")


def test_a_kernel_tree_gets_the_module_and_its_lines(tree):
    made = new_fabric("nab5000", protocol="SAS", kernel_tree=str(tree))
    target = tree / "drivers/target"

    assert made.folder == target / "tcm_nab5000"
    assert "Makefile" not in made.files
    assert (target / "Makefile").read_text().endswith("+= tcm_nab5000/\n")
    kconfig = (target / "Kconfig").read_text()
    assert kconfig.endswith('source "drivers/target/tcm_nab5000/Kconfig"\n\nendif\n')
    with pytest.raises(ConflictError):
        new_fabric("nab5000", protocol="SAS", kernel_tree=str(tree))


def test_a_folder_that_cannot_be_made(tree, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError):
        make(tree, tmp_path / "file/out")


def test_a_folder_that_exists_is_left_alone(tree, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()

    with pytest.raises(ConflictError):
        make(tree, folder)
    assert list(folder.iterdir()) == []


def test_a_kernel_tree_that_cannot_be_changed_is_as_before(tree, monkeypatch):
    before = sorted(str(p) for p in tree.rglob("*"))

    def refuse(self, target):
        raise OSError(30, "Read-only file system", str(target))

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(HostError, match="Read-only"):
        new_fabric("nab5000", protocol="SAS", kernel_tree=str(tree))
    assert sorted(str(p) for p in tree.rglob("*")) == before


def test_a_dry_run_makes_nothing(tree, tmp_path):
    made = make(tree, tmp_path / "out", dry_run=True)

    assert "Kbuild" in made.files
    assert not made.folder.exists()


def test_a_folder_without_a_target_is_no_kernel_tree(tree, tmp_path):
    with pytest.raises(HostError):
        new_fabric("x1", protocol="FC", headers=str(tree), kernel_tree=str(tmp_path))


def test_unknown_protocols_are_refused(tree, tmp_path):
    with pytest.raises(UsageError, match="FCoE"):
        make(tree, tmp_path / "out", protocol="FCoE")
