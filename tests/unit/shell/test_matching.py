# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lioshell.shell.matching import fitting

NAMES = ["saveconfig", "create", "clearconfig", "cd", "Cache", "delete"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", NAMES),
        ("c", ["create", "clearconfig", "cd"]),
        ("C", ["Cache"]),
        ("ca", ["Cache"]),
        ("config", ["saveconfig", "clearconfig"]),
        ("LETE", ["delete"]),
        ("crt", ["create"]),
        ("svcfg", ["saveconfig"]),
        ("x", []),
        ("ccc", []),
    ],
)
def test_the_best_way_to_fit_counts(typed, expected):
    assert fitting(typed, NAMES) == expected


@given(st.text(max_size=4), st.lists(st.text(max_size=5)))
def test_what_begins_so_hides_what_does_not(typed, names):
    found = fitting(typed, names)
    begun = [name for name in names if name.startswith(typed)]
    assert not begun or found == begun
    assert set(found) <= set(names)
