# SPDX-License-Identifier: Apache-2.0
import errno

import pytest

from lioshell.errors import KernelError, NotFoundError, UsageError

CREDENTIALS = {"userid": "me", "password": "sesame1"}
MUTUAL = {"mutual_userid": "you", "mutual_password": "sesame2"}


@pytest.fixture
def attributes(tpg):
    return tpg.group("attribute")


@pytest.fixture
def auth(tpg):
    return tpg.group("auth")


def test_names_are_those_of_the_folder_in_todays_words(attributes, auth):
    assert "generate_node_acls" in attributes.names()
    assert auth.names() == [
        "authenticate_target",
        "mutual_password",
        "mutual_userid",
        "password",
        "userid",
    ]


def test_a_parameter_that_no_spec_knows_is_one_like_the_others(lio, attributes):
    path = f"{lio.configfs.location}/{attributes.folder}/from_the_future"
    with open(path, "w") as file:
        file.write("7\n")
    assert attributes.get("from_the_future") == "7"
    assert attributes.help_of("from_the_future") == ""
    assert attributes.is_writable("from_the_future")


def test_help_comes_with_either_name(auth):
    assert auth.help_of("mutual_password") == auth.help_of("password_mutual") != ""


def test_what_is_set_is_read(attributes):
    attributes.set_all({"login_timeout": "20", "default_cmdsn_depth": "0x20"})
    assert attributes.get("login_timeout") == "20"
    assert attributes.get("default_cmdsn_depth") == "32"


@pytest.mark.parametrize("word", ["1", "true", "yes", "on", "TRUE"])
def test_a_switch_takes_words(iscsi, attributes, word):
    attributes.set_all({"generate_node_acls": word})
    assert attributes.get("generate_node_acls") == "1"
    iscsi.discovery_auth().set_all({"enable": word})
    assert iscsi.enforces_discovery_auth


def test_a_password_is_shown_on_demand_only(auth):
    auth.set_all(CREDENTIALS)

    assert auth.get("password") == "***"
    assert auth.get("password", reveal=True) == "sesame1"
    assert auth.get("userid") == "me"
    assert auth.is_secret("mutual_password")
    assert not auth.is_secret("mutual_userid")


def test_no_password_is_no_secret(auth):
    assert auth.get("password") == ""


def test_an_empty_credential_takes_it_away(auth):
    auth.set_all(CREDENTIALS | MUTUAL)
    assert auth.get("authenticate_target") == "1"
    auth.set_all(dict.fromkeys(CREDENTIALS | MUTUAL, ""))

    assert [auth.get(n, reveal=True) for n in CREDENTIALS | MUTUAL] == ["", "", "", ""]
    assert auth.get("authenticate_target") == "0"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"none": "1"}, NotFoundError),
        ({"login_timeout": "20", "none": "1"}, NotFoundError),
        ({"login_timeout": "20", "default_cmdsn_depth": "many"}, UsageError),
        ({"login_timeout": "20", "generate_node_acls": "maybe"}, UsageError),
        ({"login_timeout": "20", "default_cmdsn_depth": ""}, UsageError),
        ({"login_timeout": "20", "default_cmdsn_depth": "1\n2"}, UsageError),
        ({"login_timeout": "20", "default_cmdsn_depth": "100000"}, KernelError),
    ],
)
def test_all_or_none(attributes, values, error):
    with pytest.raises(error):
        attributes.set_all(values)
    assert attributes.get("login_timeout") == "15"


def test_what_the_kernel_changed_along_with_it_is_restored(attributes):
    """generate_node_acls=1 sets cache_dynamic_acls too, and =0 does not take it back."""
    assert attributes.get("cache_dynamic_acls") == "0"
    with pytest.raises(KernelError):
        attributes.set_all({"generate_node_acls": "1", "default_cmdsn_depth": "100000"})
    assert attributes.get("generate_node_acls") == "0"
    assert attributes.get("cache_dynamic_acls") == "0"


def test_a_refusal_names_the_parameter_but_no_password(auth, faults):
    faults.fail_nth, faults.code = len(faults.operations) + 2, errno.EINTR
    with pytest.raises(KernelError) as caught:
        auth.set_all(CREDENTIALS)
    assert "sesame" not in caught.value.message + caught.value.hint
    assert caught.value.remains == ()
    assert auth.get("userid") == ""


def test_a_read_only_parameter(auth):
    with pytest.raises(UsageError):
        auth.set_all({"authenticate_target": "1"})
    assert not auth.is_writable("authenticate_target")


@pytest.mark.parametrize("length", [255, 256])
def test_a_credential_is_as_long_as_the_kernel_keeps_it(auth, length):
    if length > 255:
        with pytest.raises(UsageError):
            auth.set_all({"userid": "ü" * 127 + "xx"})
        return
    auth.set_all({"userid": "ü" * 127 + "x"})
    assert len(auth.get("userid").encode()) == length


def test_a_group_of_a_fabric_that_is_not_in_use(lio, iscsi):
    """It reads as the spec describes it, and the first change makes the fabric's folder."""
    group = iscsi.discovery_auth()

    assert group.names() == sorted(["authenticate_target", "enable", *CREDENTIALS, *MUTUAL])
    assert (group.get("enable"), group.get("userid"), group.get("password")) == ("0", "", "")
    assert group.is_writable("enable")
    assert not group.is_writable("authenticate_target")
    with pytest.raises(NotFoundError):
        group.get("none")
    with pytest.raises(NotFoundError):
        group.set_all({"none": "1"})
    assert not iscsi.exists

    group.set_all({"userid": "me"})
    assert iscsi.exists
    assert group.get("userid") == "me"
