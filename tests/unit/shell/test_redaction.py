# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lioshell.shell.redaction import holds_secret, redacted, without_secrets


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("set auth password=hunter2", "set auth password=***"),
        (
            "set auth userid=a  mutual_password='b c' x=1",
            "set auth userid=a  mutual_password=*** x=1",
        ),
        ("set auth userid=password=hunter2", "set auth userid=password=***"),
        ("create v 1M nbd://u:hunter2@host/x id=y", "create v 1M nbd://u:***@host/x id=y"),
        ("create v 1M 'nbd://u:hunter2@host/x", "create v 1M 'nbd://u:***@host/x"),
        ("create v 1M nbd://host:10809/x@y", "create v 1M nbd://host:10809/x@y"),
        ("set auth password_mutual=x", "set auth password_mutual=***"),
        ("set auth 'password=hunter2'", "set auth password=***"),
        ("set auth pasword=x", "set auth pasword=***"),
        ("set auth PassWord=x", "set auth PassWord=***"),
        ("create chap_secret=x", "create chap_secret=***"),
        ("set auth password='hunter2", "set auth password=***"),
        ("set auth userid='a password=hunter2", "set auth userid='a password=***"),
        ("set auth password=", "set auth password="),
        ("get auth password --reveal", "get auth password --reveal"),
        ("create disk1 /srv/disk1.img size=1G", "create disk1 /srv/disk1.img size=1G"),
    ],
)
def test_passwords_are_stars(line, shown):
    assert redacted(line) == shown


@pytest.mark.parametrize(
    "line",
    ["set auth password=x", "set auth password x", "set auth password = x", "set a pasword 'x"],
)
def test_lines_that_give_a_password(line):
    assert holds_secret(line)


@pytest.mark.parametrize("line", ["get auth password", "ls", "set auth userid=x", "cd /secrets"])
def test_lines_that_give_none(line):
    assert not holds_secret(line)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=12))
def test_no_password_is_left(secret):
    line = f"set auth password=<{secret}>"
    assert f"<{secret}" not in redacted(line)
    assert holds_secret(line)


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        (
            "'1M=password=hunter2' is no size",
            "create d 1M=password=hunter2",
            "'1M=password=***' is no size",
        ),
        ("'hunter2' is too short", "set auth password=hunter2", "'***' is too short"),
        (
            "'nbd://u:hunter2@h/x' is no path",
            "create v 1M nbd://u:hunter2@h/x",
            "'nbd://u:***@h/x' is no path",
        ),
        ("There is no bath", "set auth password=a", "There is no bath"),
        ("There is no d", "create d 1M", "There is no d"),
        ("The quote ' is never closed", "set auth password='x", "The quote ' is never closed"),
    ],
)
def test_what_an_error_says_of_a_line_has_no_password(text, line, shown):
    assert without_secrets(text, line) == shown
