# SPDX-License-Identifier: Apache-2.0
"""How the kernel reads numbers, switches and option lists."""

from __future__ import annotations

import errno

import pytest

from lioshell.kernel.sim import values
from lioshell.kernel.sim.values import Refused


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("10\n", 10), ("0x1F", 31), ("010", 8), ("+7", 7), ("4294967295", 4294967295)],
)
def test_unsigned(text: str, number: int) -> None:
    assert values.unsigned(text) == number


@pytest.mark.parametrize("text", ["", "\n", "-1", " 1", "1 ", "1\n\n", "08", "0x", "1k", "x"])
def test_no_number(text: str) -> None:
    with pytest.raises(Refused) as caught:
        values.unsigned(text)
    assert caught.value.errno == errno.EINVAL


def test_ranges() -> None:
    assert values.signed("-128", 8) == -128
    for call in (
        lambda: values.unsigned("256", 8),
        lambda: values.signed("128", 8),
        lambda: values.signed("-2147483649"),
        lambda: values.option_u64(str(2**64)),
        lambda: values.option_int(str(2**31)),
    ):
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.errno == errno.ERANGE


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("yes", True), ("Y\n", True), ("on", True), ("0", False), ("No", False)],
)
def test_switch(text: str, value: bool) -> None:
    assert values.switch(text) is value


@pytest.mark.parametrize("text", ["", "2", "-1", "garbage", "o"])
def test_no_switch(text: str) -> None:
    with pytest.raises(Refused):
        values.switch(text)


def test_options() -> None:
    text = "a=1,b=,c,unknown=3\nd=x=y,,a=2"
    assert list(values.options(text, "abcd")) == [("a", "1"), ("d", "x=y"), ("a", "2")]


@pytest.mark.parametrize(("text", "number"), [("5", 5), ("-1", -1), ("0x10", 16)])
def test_option_int(text: str, number: int) -> None:
    assert values.option_int(text) == number


@pytest.mark.parametrize("text", ["abc", "5x", "+5", ""])
def test_an_option_that_is_no_number_is_overlooked(text: str) -> None:
    assert values.option_int(text) is None


def test_stripped() -> None:
    assert values.stripped(" ACME \n", 8) == "ACME"
    assert values.stripped("12345678\n", 8) == "12345678"
    for text, code in (("123456789", errno.EOVERFLOW), ("a\x01", errno.EINVAL)):
        with pytest.raises(Refused) as caught:
            values.stripped(text, 8)
        assert caught.value.errno == code
