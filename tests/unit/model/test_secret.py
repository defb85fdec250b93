# SPDX-License-Identifier: Apache-2.0
from lioshell.model.secret import Secret


def test_only_reveal_shows_a_secret():
    secret = Secret("hunter2")

    assert "hunter2" not in f"{secret} {secret!r} {secret:>20} {[secret]} {(secret,)}"
    assert secret.reveal() == "hunter2"


def test_secrets_compare_by_their_text():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert not Secret("")
