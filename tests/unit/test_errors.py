# SPDX-License-Identifier: Apache-2.0
import errno

import pytest

from lioshell import errors
from lioshell.errors import ExitCode, KernelError, LioshellError


def all_errors(base=LioshellError):
    found = [base]
    for kind in base.__subclasses__():
        if kind.__module__ == errors.__name__:
            found += all_errors(kind)
    return found


def test_the_exit_codes_are_those_of_the_contract():
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "CONFLICT": 3,
        "LOCKED": 4,
        "KERNEL": 5,
        "ENVIRONMENT": 6,
        "PLAN_CHANGES": 10,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_and_a_word_for_programs(kind):
    assert kind.exit_code in (1, 2, 3, 4, 5, 6, 10)
    assert kind.code.replace("-", "").isalpha()
    assert kind.code.islower()


def test_the_words_are_documented():
    with open(f"{__file__.rpartition('/tests/')[0]}/docs/output.md", encoding="utf-8") as file:
        text = " ".join(file.read().split())
    for kind in all_errors():
        assert f" {kind.code}," in text or f" {kind.code}." in text, kind.code


def test_message_hint_and_path():
    error = LioshellError("No disk", hint="Plug one in.", path="/dev/sdb")
    assert (str(error), error.message) == ("No disk", "No disk")
    assert (error.hint, error.path, error.remains, error.excerpt) == (
        "Plug one in.",
        "/dev/sdb",
        (),
        (),
    )


def test_a_kernel_error_says_the_errno_in_words():
    error = KernelError("mkdir", "/sys/x", errno.ENOSPC)
    assert error.message == "The kernel refused to mkdir /sys/x: No space left on device"
    assert (error.operation, error.errno, error.path) == ("mkdir", errno.ENOSPC, "/sys/x")
    assert KernelError("mkdir", "/sys/x", errno.EEXIST, what="It exists").message == "It exists"


def test_importing_them_imports_nothing_of_ours():
    with open(errors.__file__, encoding="utf-8") as file:
        assert "import lioshell" not in file.read().replace("from lioshell", "import lioshell")
