# SPDX-License-Identifier: Apache-2.0
import pytest

from lioshell.errors import UsageError
from lioshell.serve_options import BLOCK, REMOVE, parse


def test_nothing_is_restored_unless_that_is_asked_for():
    options = parse([])
    assert (options.restore, options.on_stop, options.until_idle) == (False, BLOCK, False)


def test_all_words():
    options = parse(["--restore=/a", "--wait=5", "--on-stop=remove"])
    assert options.restore
    assert (options.savefile, options.wait_s, options.on_stop) == ("/a", 5.0, REMOVE)
    assert parse(["--restore"]).savefile == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--restore="],
        ["--wait=x"],
        ["--wait"],
        ["--on-stop=what", "--restore"],
        ["--on-stop=remove"],
        ["now"],
        ["--ready-fd=x"],
    ],
)
def test_what_is_not_understood(words):
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert caught.value.hint
