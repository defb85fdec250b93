# SPDX-License-Identifier: Apache-2.0
import pytest

from lioshell.errors import UsageError
from lioshell.model.names import (
    check_object_name,
    generate_wwn,
    normalise_wwn,
    numbered,
    sort_key,
)


@pytest.mark.parametrize(
    ("text", "wwn"),
    [
        ("iqn.2003-01.org.linux-iscsi.host.x8664:sn.0123", None),
        ("IQN.2017-07.com.Test:Target", "iqn.2017-07.com.test:target"),
        ("naa.50:01:40:5a:1b:2c:3d:4e", "naa.5001405a1b2c3d4e"),
        ("eui.0010180a1b2c3d4e", None),
    ],
)
def test_a_wwn_is_normalised(text, wwn):
    assert normalise_wwn(text, ("iqn", "naa", "eui")) == (wwn or text)


@pytest.mark.parametrize(
    "text",
    ["", "foo", "iqn.2003-13", "iqn.2003-01.a b:c", "naa.123", "naa.5001405a1b2c3d4g", "iqn./x"],
)
def test_what_is_no_wwn_is_refused_with_an_example(text):
    with pytest.raises(UsageError) as caught:
        normalise_wwn(text, ("iqn", "naa"))
    assert "iqn." in caught.value.hint


def test_a_type_that_the_fabric_does_not_take_is_refused():
    with pytest.raises(UsageError):
        normalise_wwn("iqn.2003-01.com.example:a", ("naa",))


def test_an_iscsi_name_has_at_most_223_bytes():
    with pytest.raises(UsageError):
        normalise_wwn("iqn.2003-01.com.example:" + "a" * 200, ("iqn",))


@pytest.mark.parametrize("kind", ["iqn", "naa", "eui", "ib"])
def test_generated_names_are_valid_and_differ(kind):
    made = {generate_wwn(kind, "San_01.example.com", "x86_64") for _ in range(20)}

    assert len(made) == 20
    assert {normalise_wwn(wwn, (kind,)) for wwn in made} == made


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "a\n", "a\x00", "x" * 256])
def test_names_that_configfs_cannot_hold(name):
    with pytest.raises(UsageError):
        check_object_name(name)


@pytest.mark.parametrize("name", ["disk1", "vg+lv", "a~b", "ä", "x" * 255])
def test_names_that_it_can(name):
    assert check_object_name(name) == name


def test_numbers_sort_as_people_count():
    assert sorted(["lun10", "lun2", "a"], key=sort_key) == ["a", "lun2", "lun10"]


def test_numbered_names():
    assert numbered("tpgt1", "tpg", "tpgt") == 1
    assert numbered("tpg12", "tpg", "tpgt") == 12
    assert numbered("tpg", "tpg") is None
    assert numbered("lun-1", "lun") is None
