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


@pytest.mark.parametrize(
    "text",
    [
        "21:00:00:24:FF:31:4C:48",
        "0x21000024ff314c48",
        "21000024ff314c48",
        "naa.21-00-00-24-ff-31-4c-48",
    ],
)
def test_a_wwn_as_adapters_show_it(text):
    assert normalise_wwn(text, ("naa",)) == "naa.21000024ff314c48"


def test_a_bare_wwn_is_of_the_first_type_that_it_fits():
    gid = "fe80:0000:0000:0000:0002:c903:000a:1b2c"
    assert normalise_wwn(gid, ("ib",)) == "ib.fe800000000000000002c903000a1b2c"
    assert normalise_wwn("0010180a1b2c3d4e", ("naa", "eui")) == "eui.0010180a1b2c3d4e"
    with pytest.raises(UsageError):
        normalise_wwn("0010180a1b2c3d4e", ("iqn",))


def test_a_free_name_stays_as_it_is():
    assert normalise_wwn(" Port-1 ", ("free",)) == "Port-1"
    for bad in ("", ".", "..", "a/b", "a b", "a\nb", "x" * 256):
        with pytest.raises(UsageError):
            normalise_wwn(bad, ("free",))
