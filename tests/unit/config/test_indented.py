# SPDX-License-Identifier: Apache-2.0
"""What is written is what json writes, to the letter."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lioshell.config.indented import indented

KEYS = st.text(max_size=4) | st.sampled_from(["a", "\n", '"', "é", "\\"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | KEYS,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(KEYS, below, max_size=3)
        | st.dictionaries(st.integers(), below, max_size=2)
        | st.tuples(below)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_it_is_what_json_writes(value):
    assert indented(value) == json.dumps(value, indent=2, sort_keys=True)


@pytest.mark.parametrize("value", [{"a": {1, 2}}, [object()], {"a": 1, 2: 3}])
def test_what_json_refuses_is_refused(value):
    with pytest.raises(TypeError):
        indented(value)
