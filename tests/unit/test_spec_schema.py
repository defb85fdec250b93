# SPDX-License-Identifier: Apache-2.0
"""The JSON schema of specs: it is made of spec_rules.py, and accepts what the loader accepts."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lioshell import spec_loader, spec_meaning, spec_rules, spec_schema
from lioshell.errors import SpecError

ROOT = Path(__file__).parents[2]
PARAMETER = {"type": "enum", "help": "A mode", "default": "a", "values": ["a", "b", 1, True]}
FABRIC: dict[str, Any] = {
    "kind": "fabric",
    "name": "demo",
    "aliases": ["old_demo"],
    "group": "demo",
    "module": "tcm_demo",
    "help": "A fabric",
    "wwn_types": ["naa"],
    "wwn_form": "colons",
    "wwn_fixed": False,
    "wwn_sources": [
        {
            "files": "/sys/class/demo/*/name",
            "pattern": "(.*)",
            "where": [{"link": "../driver", "is": "demo"}, {"file": "state", "is": "1"}],
        }
    ],
    "hardware": "/sys/class/demo/*",
    "features": ["luns", "acls", "nps", "enable"],
    "enable_needs_luns": True,
    "default_port": 3260,
    "attributes": {
        "tpg": {"mode": PARAMETER},
        "tpg_attribute": {
            "level": {"type": "int", "help": "A", "default": 3, "minimum": -1, "maximum": 9},
            "state": {"type": "bool", "help": "A", "saved": False},
        },
    },
}
BACKSTORE: dict[str, Any] = {
    "kind": "backstore",
    "name": "tape",
    "aliases": ["drum"],
    "hba_prefix": "tape",
    "module": "target_core_tape",
    "help": "A tape",
    "features": ["alua"],
    "create": {"dev": {"type": "path", "help": "The tape", "required": True}},
    "control": {"dev": {"type": "path", "help": "The tape"}},
    "attributes": {"mode": {"type": "bool", "help": "A", "default": 0, "writable": False}},
}
WORDS = [
    *(
        "",
        "demo",
        "naa",
        "luns",
        "../core",
        "a/b",
        "..",
        "a\n",
        "-r",
        "a b",
        "true",
        "1",
        "(",
        "(x)",
    ),
    *("/sys/a", "/sys/../a", "/etc/a", "/proc/a/*", "../../a", "../..", "int", "enum", "fabric"),
    *("backstore", "hex", "é", "\t", "no", "null", "0x10", "1e3", "2001-01-01", "~", "<<"),
]
SCALARS = st.one_of(
    *(st.sampled_from(WORDS), st.integers(-5, 99999), st.booleans(), st.none(), st.just(1.5)),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(
        st.sampled_from([*WORDS, "type", "help", "link", "file", "is"]), SCALARS, max_size=3
    ),
)
VALIDATOR = jsonschema.Draft202012Validator(spec_schema.schema())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("schema") / "x.yaml"


@pytest.fixture(autouse=True)
def shape_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what relates values to each other: no schema can say it."""
    for check in ("check_fabric", "check_parameter", "check_source"):
        assert hasattr(spec_meaning, check)
        monkeypatch.setattr(spec_loader, check, lambda *_: None)


def loader_accepts(file: Path, document: object) -> bool:
    # JSON is YAML: each value has the type that it has in the schema.
    file.write_text(json.dumps(document))
    try:
        spec_loader.parse(str(file))
    except SpecError:
        return False
    return True


def test_the_file_is_made_of_the_rules() -> None:
    assert (ROOT / "specs" / "schema.json").read_text() == spec_schema.text(), (
        "run: python3 -m lioshell.spec_schema > specs/schema.json"
    )
    jsonschema.Draft202012Validator.check_schema(spec_schema.schema())


@pytest.mark.parametrize("path", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_spec_that_comes_along_fits(path: Path) -> None:
    VALIDATOR.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("document", [FABRIC, BACKSTORE])
def test_both_accept_what_is_right(file: Path, document: dict[str, Any]) -> None:
    assert loader_accepts(file, document)
    assert VALIDATOR.is_valid(document)


@pytest.mark.parametrize("document", [FABRIC, BACKSTORE])
def test_every_key_is_in_the_example(document: dict[str, Any]) -> None:
    rule = spec_rules.FABRIC if document is FABRIC else spec_rules.BACKSTORE
    assert set(document) == set(rule.keys)


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value of a document."""
    found = [above]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*above, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += places(inner, (*above, index))
    return found


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    """A right document in which a few values were replaced, removed, renamed or added."""
    document = copy.deepcopy(draw(st.sampled_from([FABRIC, BACKSTORE])))
    for _ in range(draw(st.integers(1, 2))):
        way = draw(st.sampled_from(places(document)))
        if not way:
            return draw(VALUES)
        holder = document
        for step in way[:-1]:
            holder = holder[step]
        action = draw(st.sampled_from(["replace", "remove", "rename"]))
        if action == "replace":
            holder[way[-1]] = draw(VALUES)
        elif action == "remove":
            del holder[way[-1]]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from([*WORDS, "type", "minimum", "where"]))] = holder.pop(
                way[-1]
            )
        else:
            holder.append(draw(VALUES))
    return document


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@example({**FABRIC, "group": "demo\n"})
@example({**FABRIC, "wwn_types": []})
@example({**FABRIC, "default_port": "3260"})
@example({"kind": "backstore"})
@example({})
@example([])
@given(mutants())
def test_schema_and_loader_accept_the_same(file: Path, document: Any) -> None:
    assert loader_accepts(file, document) == VALIDATOR.is_valid(document)
