# SPDX-License-Identifier: Apache-2.0
"""Configuration strings: what may stand in them, how options are told apart, secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lioshell.errors import LioshellError, UsageError
from lioshell.runner.handlers import config_string
from lioshell.runner.handlers.base import Option

OPTIONS = (
    Option("conf", "path", "The file", "/etc/ceph/ceph.conf"),
    Option("id", "string", "The user", "admin"),
    Option("sync", "bool", "Wait", "false"),
    Option("window", "size", "How much", "64k"),
    Option("tries", "int", "How often"),
    Option("mode", "enum", "How", "fast", values=("fast", "safe")),
    Option("key", "secret", "Name a file that holds it with keyfile=PATH"),
)
DEFAULTS = {
    "conf": "/etc/ceph/ceph.conf",
    "id": "admin",
    "sync": "false",
    "window": "65536",
    "mode": "fast",
}


@pytest.mark.parametrize(
    ("text", "main", "given_values"),
    [
        ("pool/image", "pool/image", {}),
        ("pool/image;id=bob;conf=/a", "pool/image", {"id": "bob", "conf": "/a"}),
        ("a;sync", "a", {"sync": "true"}),
        ("a;sync=no", "a", {}),
        ("a;;b;id=x;;y", "a;b", {"id": "x;y"}),
        ("a;;;id=x", "a;", {"id": "x"}),
        (";window=1M", "", {"window": "1048576"}),
        ("a;tries=007;mode=safe", "a", {"tries": "7", "mode": "safe"}),
        ("a;id=b=c", "a", {"id": "b=c"}),
        ("a\\b", "a\\b", {}),
    ],
)
def test_what_is_understood(text, main, given_values):
    assert config_string.split_options(text, OPTIONS) == (main, {**DEFAULTS, **given_values})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a;idd=x", ("idd", "conf, id, sync")),
        ("a;", ("''", "conf, id")),
        ("a;id", ("no value", ";id=")),
        ("a;id=", ("empty", "leave")),
        ("a;id=x;id=y", ("twice", "once")),
        ("a;sync=perhaps", ("neither", "true")),
        ("a;window=big", ("no size", "256M")),
        ("a;tries=-1", ("no number", "whole")),
        ("a;tries=" + "9" * 50, ("no number", "whole")),
        ("a;conf=relative", ("absolute", "/etc")),
        ("a;mode=wild", ("not one", "fast, safe")),
        ("a,b", ('","', "without")),
        ("a\nb", ("control", "printable")),
        ("a\0b", ("control", "printable")),
        ("x" * 256, ("too long", "shorter")),
        ("\ud800", ("encoding", "locale")),
    ],
)
def test_what_is_not(text, words):
    with pytest.raises(UsageError) as caught:
        config_string.split_options(text, OPTIONS)
    assert words[0] in caught.value.message
    assert words[1] in caught.value.hint


def test_the_prefix_counts_for_the_length():
    config_string.check_text("x" * 250, "file/")
    with pytest.raises(UsageError, match="255 bytes"):
        config_string.check_text("x" * 251, "file/")


@given(
    main=st.text(st.characters(blacklist_characters=",", min_codepoint=32, max_codepoint=126)),
    user=st.text(
        st.characters(blacklist_characters=",", min_codepoint=32, max_codepoint=126), min_size=1
    ),
    sync=st.booleans(),
)
def test_what_is_joined_is_split_again(main, user, sync):
    values = {"id": user, "sync": "true" if sync else "false"}
    text = config_string.join_options(main, values, OPTIONS)
    if len(text) <= config_string.DEV_CONFIG_LIMIT_BYTES:
        found, told = config_string.split_options(text, OPTIONS)
        assert found == main
        assert {name: told[name] for name in values} == values


@given(st.text(st.characters(), max_size=300))
def test_any_text_is_understood_or_refused_with_a_hint(text):
    config_string.shown(text, OPTIONS)
    try:
        config_string.split_options(text, OPTIONS)
    except LioshellError as error:
        assert error.hint


def test_parameters_of_create_stand_behind_the_text():
    given_values = {"id": "a;b", "sync": "yes", "window": "64K", "tries": "3"}
    text = config_string.merged("pool/a;;b", given_values, OPTIONS)
    assert text == "pool/a;;b;id=a;;b;sync;tries=3"
    assert config_string.split_options(text, OPTIONS)[1]["id"] == "a;b"
    with pytest.raises(UsageError, match="twice"):
        config_string.merged("pool/a;id=x", {"id": "y"}, OPTIONS)
    with pytest.raises(UsageError, match="no number"):
        config_string.merged("pool/a", {"tries": "x"}, OPTIONS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a;key=hunter2", "a;key=***"),
        ("a;key=hunter2;;more;id=x", "a;key=***;id=x"),
        ("a;;b;id=x", "a;;b;id=x"),
        ("nbd://user:hunter2@host/export", "nbd://user:***@host/export"),
        ("nbd://host:10809/a@b", "nbd://host:10809/a@b"),
        ("a;key", "a;key"),
    ],
)
def test_secrets_are_never_shown(text, shown):
    assert config_string.shown(text, OPTIONS) == shown
    assert "hunter2" not in shown


@pytest.mark.parametrize("text", ["a;key=hunter2", "nbd://user:hunter2@host/export"])
def test_secrets_are_refused_without_telling_them(text):
    with pytest.raises(UsageError) as caught:
        config_string.refuse_secrets(text, OPTIONS)
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert "everybody" in caught.value.message
    config_string.refuse_secrets("nbd://user@host:10809/export;id=key", OPTIONS)


def test_a_bad_secret_is_not_told_either():
    with pytest.raises(UsageError) as caught:
        config_string.split_options("a;key=", OPTIONS)
    assert "***" in caught.value.message
    with pytest.raises(UsageError) as caught:
        config_string.check_text("nbd://user:hunter2@host/a,b", "nbd/")
    assert "hunter2" not in caught.value.message
