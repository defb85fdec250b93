# SPDX-License-Identifier: Apache-2.0
import pytest

from lioshell.errors import ConflictError, UsageError
from lioshell.fabricgen.names import module_name


@pytest.mark.parametrize("text", ["nab5000", "tcm_nab5000"])
def test_the_names_of_a_module(text):
    name = module_name(text)

    assert (name.fabric, name.module, name.option) == ("nab5000", "tcm_nab5000", "TCM_NAB5000")


@pytest.mark.parametrize(
    "text",
    [
        *("", "tcm_", "5x", "_x", "a b", "a.b", "a-b", "A", "näb", "x\n", "x/../y", "int", "core"),
        "a" * 28,
    ],
)
def test_names_that_c_or_the_kernel_does_not_take(text):
    with pytest.raises(UsageError) as caught:
        module_name(text)
    assert caught.value.hint


def test_the_longest_name():
    assert len(module_name("a" * 27).module) == 31


@pytest.mark.parametrize("taken", ["loop", "tcm_loop"])
def test_a_name_that_exists(taken):
    with pytest.raises(ConflictError):
        module_name("tcm_loop", frozenset((taken,)))
