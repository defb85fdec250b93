# SPDX-License-Identifier: Apache-2.0
"""NBD URIs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lioshell.errors import UsageError
from lioshell.runner.handlers.nbd import NbdHandler
from lioshell.runner.nbd.address import Address, parse


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("nbd://host/vol", Address("vol", "host", tls_host="host")),
        ("nbd://host", Address("", "host", tls_host="host")),
        ("nbd://[::1]:99/a/b%2Cc", Address("a/b,c", "::1", 99, tls_host="::1")),
        ("nbd+unix:///vol?socket=/run/n.sock", Address("vol", socket_path="/run/n.sock")),
        ("nbds://host/v", Address("v", "host", tls=True, tls_host="host")),
        (
            "nbds+unix:///v?socket=/s&tls-certificates=/etc/c&tls-hostname=h&tls-verify-peer=0",
            Address(
                *("v", "", 10809, "/s"),
                tls=True,
                tls_host="h",
                certificates="/etc/c",
                verify_peer=False,
            ),
        ),
    ],
)
def test_what_a_uri_names(uri, address):
    assert parse(uri) == address


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "vol",
        "/dev/nbd0",
        "http://host/vol",
        "nbd:///vol",
        "nbd://host:99999/vol",
        "nbd://host/vol?socket=/s",
        "nbd+unix:///vol",
        "nbd+unix:///vol?socket=s",
        "nbd+unix://host/vol?socket=/s",
        "nbd+unix:///vol?socket=/" + "s" * 120,
        "nbd+unix:///vol?socket=/a&socket=/b",
        "nbd://host/vol?colour=red",
        "nbd://host/vol?tls-verify-peer=0",
        "nbds://host/vol?tls-certificates=certs",
        "nbd://host/vol#part",
        "nbd://host/%00",
        "nbd://host/%ff",
        "nbd://[::1/vol",
        "nbd://host/vol;timeout=0",
        "nbd://host/vol;timeout=x",
        "nbd://host/vol;colour=red",
        "nbd://host/vol,x",
        "nbd://host/" + "v" * 300,
    ],
)
def test_what_names_nothing_is_refused_with_a_hint(uri):
    with pytest.raises(UsageError) as caught:
        NbdHandler.check_config(uri)
    assert caught.value.hint


def test_a_password_is_refused_and_not_shown():
    with pytest.raises(UsageError) as caught:
        parse("nbds://me:geheim@host/vol")
    assert "geheim" not in caught.value.message + caught.value.hint


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_any_text_is_an_address_or_a_usage_error(text):
    for uri in (text, f"nbd://{text}", f"nbd+unix:///{text}?socket=/s"):
        try:
            NbdHandler.check_config(uri)
        except UsageError:
            continue
