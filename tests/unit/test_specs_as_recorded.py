# SPDX-License-Identifier: Apache-2.0
"""What specs/ say is what a real kernel made: files, modes and first values, as recorded.

tests/data/captures holds what each mkdir made in the virtual machine's configfs. Fabrics whose
module does not run there, or has no hardware to make a target of, are named.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lioshell.lio.wwns import tree_wwn
from lioshell.specs import Specs, default_folders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.specs import FabricSpec, Parameter

RECORDED = Path(__file__).parents[1] / "data" / "captures" / "linux-6.1"
SPECS = Specs(default_folders()[:1], cache_folder="")
WITH_TARGETS = ("iscsi", "loopback", "vhost", "tcm_fc", "sbp")
WITHOUT_HARDWARE = ("qla2xxx", "srpt")
SOURCE_ONLY = {
    "efct": "Debian builds no efct",
    "xen-pvscsi": "xen-scsiback runs on Xen alone",
    "ibmvscsis": "runs on IBM Power alone",
    "usb_gadget": "a group wants a USB device controller",
}
BELOW_TPG = {
    (): "tpg",
    ("attrib",): "tpg_attribute",
    ("param",): "tpg_parameter",
    ("auth",): "tpg_auth",
}
BELOW_ACL = {
    (): "acl",
    ("attrib",): "acl_attribute",
    ("param",): "acl_parameter",
    ("auth",): "acl_auth",
}
OF_FEATURES = ("enable", "nexus")
"""Files of a TPG that a feature stands for."""

Found = dict[str, tuple[int, str]]
"""File -> mode and text."""


def made(name: str) -> dict[str, Found]:
    """Return what mkdir made for a fabric: group of the spec -> its files."""
    spec = SPECS.fabric(name)
    found: dict[str, Found] = {}
    for line in (RECORDED / f"{name}.jsonl").read_text().splitlines():
        step = json.loads(line)
        if step.get("is") != "ok" or step["do"][0] != "mkdir":
            continue
        for path, (kind, mode, text) in step["changed"].items():
            folder, _, file = path.rpartition("/")
            group = group_of(spec, folder)
            if kind == "file" and group is not None:
                found.setdefault(group, {}).setdefault(file, (int(mode, 8), text))
    return found


def group_of(spec: FabricSpec, folder: str) -> str | None:
    """Return the group of the spec that describes a folder's files, None for other folders."""
    match folder.split("/"):
        case [group] if group == spec.group:
            return "fabric"
        case [group, "discovery_auth"] if group == spec.group:
            return "discovery_auth"
        case [group, _, "param"] if group == spec.group:
            return "target_parameter"
        case [group, _, _, "np", _] if group == spec.group:
            return "portal"
        case [group, _, _, "acls", _, *rest] if group == spec.group:
            return BELOW_ACL.get(tuple(rest))
        case [group, _, tpg, *rest] if group == spec.group and tpg.startswith("tpgt_"):
            return BELOW_TPG.get(tuple(rest))
        case _:
            return None


def differences(group: str, described: tuple[Parameter, ...], there: Found) -> Iterator[str]:
    names = {parameter.name for parameter in described}
    for name in sorted(set(there) - names - set(OF_FEATURES)):
        yield f"{group}: {name} is not described"
    for parameter in described:
        if parameter.name not in there:
            yield f"{group}: there is no {parameter.name}"
            continue
        mode, text = there[parameter.name]
        shown = "" if text.startswith("NULL") else text.rstrip("\n")
        if bool(mode & 0o200) != parameter.writable:
            yield f"{group}: {parameter.name} has mode {mode:o}"
        # "!" is an errno; "*" stands for what tells of the machine.
        known = parameter.default is not None and not text.startswith(("!", "*"))
        if known and shown != parameter.default:
            yield f"{group}: {parameter.name} is {text!r}, not {parameter.default!r}"


def test_every_fabric_is_recorded_or_named() -> None:
    assert {*WITH_TARGETS, *WITHOUT_HARDWARE, *SOURCE_ONLY} == set(SPECS.fabric_names())


@pytest.mark.parametrize("name", WITH_TARGETS)
def test_what_targets_are_made_of(name: str) -> None:
    spec, there = SPECS.fabric(name), made(name)
    wrong = []
    for group in ("fabric", "discovery_auth", "target_parameter", *BELOW_TPG.values()):
        wrong += differences(group, spec.attributes.get(group, ()), there.get(group, {}))
    if spec.has("acls"):
        for group in BELOW_ACL.values():
            wrong += differences(group, spec.attributes.get(group, ()), there.get(group, {}))
    if spec.has("nps"):
        wrong += differences("portal", spec.attributes["portal"], there["portal"])
    assert wrong == []
    for feature in OF_FEATURES:
        assert (feature in there.get("tpg", {})) == spec.has(feature)


@pytest.mark.parametrize("name", WITHOUT_HARDWARE)
def test_what_a_fabric_is_made_of(name: str) -> None:
    spec, there = SPECS.fabric(name), made(name)
    for group in ("fabric", "discovery_auth"):
        assert list(differences(group, spec.attributes.get(group, ()), there.get(group, {}))) == []


@pytest.mark.parametrize("name", ["tcm_fc", "sbp"])
def test_names_that_the_kernel_took_are_of_the_form(name: str) -> None:
    spec = SPECS.fabric(name)
    steps = [json.loads(line) for line in (RECORDED / f"{name}.jsonl").read_text().splitlines()]
    names = {
        step["do"][1].split("/")[1]
        for step in steps
        if step.get("is") == "ok" and step["do"][0] == "mkdir" and step["do"][1].count("/") == 1
        if step["do"][1].startswith(f"{spec.group}/")
    }
    assert names
    assert all(tree_wwn(spec, one).startswith(f"{spec.wwn_types[0]}.") for one in names)
