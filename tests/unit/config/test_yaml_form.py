# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lioshell.config import saved_file, yaml_form

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)


def document(**attributes):
    item = {
        "name": "r1",
        "plugin": "ramdisk",
        "size": 4096,
        "attributes": {"emulate_tas": 1, **attributes},
        "alua_tpgs": [{"name": "default_tg_pt_gp", "tg_pt_gp_id": 0, "preferred": 0}],
    }
    return {"storage_objects": [item], "fabric_modules": [], "targets": []}


def test_what_is_usual_stands_apart_and_comes_back(tmp_path):
    path = str(tmp_path / "x.yaml")
    wanted = document(emulate_caw=0, block_size=4096)
    text = yaml_form.text(path, wanted)
    assert "attributes:\n    block_size: 4096\n    emulate_caw: 0\n" in text
    assert "defaults:\n    attributes: {emulate_tas: 1}\n" in text
    assert yaml_form.parse(text, path) == wanted


def test_a_change_of_one_value_is_a_change_of_one_line(tmp_path):
    path = str(tmp_path / "x.yaml")
    one = yaml_form.text(path, document(block_size=1024)).splitlines()
    two = yaml_form.text(path, document(block_size=4096)).splitlines()
    assert len(one) == len(two)
    assert sum(a != b for a, b in zip(one, two, strict=True)) == 1


def test_a_value_beside_its_default_counts(tmp_path):
    text = (
        "storage_objects:\n- name: r1\n  plugin: ramdisk\n  attributes: {emulate_tas: 0}\n"
        "  defaults:\n    attributes: {emulate_tas: 1, emulate_caw: 1}\n"
    )
    (item,) = yaml_form.parse(text, str(tmp_path / "x.yaml"))["storage_objects"]
    assert item["attributes"] == {"emulate_tas": 0, "emulate_caw": 1}
    assert "defaults" not in item


LOOK_LIKE_OTHERS = (
    *("Yes", "No", "1", "0x10", "1e3", "null", "~", "", "12:30", "=", "- x", "a: b", "#x"),
)


@pytest.mark.parametrize("value", LOOK_LIKE_OTHERS)
def test_texts_that_yaml_would_take_for_something_else(tmp_path, value):
    path = str(tmp_path / "x.yaml")
    wanted = document(future=value)
    assert yaml_form.parse(yaml_form.text(path, wanted), path) == wanted


@given(name=TEXTS, value=st.one_of(TEXTS, st.integers()))
def test_any_text_comes_back(tmp_path_factory, name, value):
    path = str(tmp_path_factory.getbasetemp() / "any.yaml")
    wanted = document(future=value)
    wanted["storage_objects"][0]["comment"] = name
    assert yaml_form.parse(yaml_form.text(path, wanted), path) == wanted


def test_the_same_document_is_the_same_text(tmp_path):
    path = str(tmp_path / "x.yaml")
    wanted = document()
    wanted["fabric_modules"] = [{"name": "iscsi", "discovery_password": "sesame"}]
    assert saved_file.write(path, wanted)
    assert not saved_file.write(path, wanted)
    assert saved_file.read(path) == wanted
