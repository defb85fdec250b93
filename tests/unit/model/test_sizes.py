# SPDX-License-Identifier: Apache-2.0
import pytest

from lioshell.errors import UsageError
from lioshell.model.sizes import check_block_multiple, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("4096", 4096),
        ("512b", 512),
        ("1k", 1024),
        ("256M", 256 << 20),
        ("256MB", 256 << 20),
        ("10GiB", 10 << 30),
        ("2t", 2 << 40),
        (" 1 P ", 1 << 50),
    ],
)
def test_sizes_as_people_type_them(text, size_bytes):
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "0", "M", "1.5G", "-1", "1|2", "10X", "1 2", "8E", "٣"])
def test_what_is_no_size_is_refused_with_a_hint(text):
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(512, "512B"), (4096, "4.0KiB"), (256 << 20, "256.0MiB"), (3 << 60, "3.0EiB")],
)
def test_sizes_as_the_tree_shows_them(size_bytes, text):
    assert format_size(size_bytes) == text


def test_a_size_that_is_no_multiple_of_the_block_names_the_two_that_are():
    with pytest.raises(UsageError) as caught:
        check_block_multiple(1000, 512)
    assert "512" in caught.value.hint
    assert "1024" in caught.value.hint
    check_block_multiple(1024, 512)
