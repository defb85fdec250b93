# SPDX-License-Identifier: Apache-2.0
"""docs/library.md and docs/api.md say what there is, and name tests that there are."""

import ast
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

from lioshell import lio, tcmu

ROOT = Path(__file__).resolve().parents[2]
BUGS = "tests/unit/tcmu/test_bugs_of_go_tcmu.py"

GO_TCMU = [
    "CachingModePage",
    "FixedString",
    "GenerateSerial",
    "GenerateTestWWN",
    "DataSizes",
    "DevReadyFunc",
    "MultiThreadedDevReady",
    "SingleThreadedDevReady",
    "Device",
    "OpenTCMUDevice",
    "Device.Close",
    "Device.GetDevConfig",
    "Device.Sizes",
    "InquiryInfo",
    "NaaWWN",
    "NaaWWN.DeviceID",
    "NaaWWN.NexusID",
    "ReadWriterAt",
    "ReadWriterAtCmdHandler",
    "ReadWriterAtCmdHandler.HandleCommand",
    "SCSICmd",
    "SCSICmd.CdbLen",
    "SCSICmd.CheckCondition",
    "SCSICmd.Command",
    "SCSICmd.Device",
    "SCSICmd.GetCDB",
    "SCSICmd.IllegalRequest",
    "SCSICmd.LBA",
    "SCSICmd.MediumError",
    "SCSICmd.NotHandled",
    "SCSICmd.Ok",
    "SCSICmd.Read",
    "SCSICmd.RespondSenseData",
    "SCSICmd.RespondStatus",
    "SCSICmd.TargetFailure",
    "SCSICmd.Write",
    "SCSICmd.XferLen",
    "SCSICmd.Buf",
    "SCSICmdHandler",
    "SCSIHandler",
    "BasicSCSIHandler",
    "SCSIResponse",
    "EmulateEvpdInquiry",
    "EmulateInquiry",
    "EmulateModeSelect",
    "EmulateModeSense",
    "EmulateRead",
    "EmulateReadCapacity16",
    "EmulateServiceActionIn",
    "EmulateStdInquiry",
    "EmulateTestUnitReady",
    "EmulateWrite",
    "WWN",
    "cmd/tcmufile",
]
"""What go-tcmu exports, and its one program."""

RTSLIB = [
    "IBlockBackstore",
    "IBlockStorageObject",
    "FabricModule",
    "Target",
    "TPG",
    "NetworkPortal",
    "LUN",
    "NodeACL",
]
"""What the wiki's script uses, with MappedLUN."""


def rows(heading):
    """Return the rows of the table below a heading, each a list of cells."""
    text = (ROOT / "docs" / "library.md").read_text()
    section = text.split(f"## {heading}", 1)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def require_names(text):
    """Look up each name of the library in a cell; a parameter stands as name(parameter=)."""
    found = re.findall(r"`(tcmu|lio)\.([\w.]+)(?:\((\w+)=\))?`", text)
    for package, dotted, parameter in found:
        thing = {"tcmu": tcmu, "lio": lio}[package]
        for name in dotted.split("."):
            thing = getattr(thing, name)
        assert not parameter or parameter in inspect.signature(thing).parameters, parameter
    return len(found)


def require_test(place):
    file, _, name = place.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, place


def test_every_name_of_go_tcmu_has_ours_and_a_test():
    table = rows("go-tcmu, name by name")
    assert sorted(row[0] for row in table) == sorted(GO_TCMU)
    for row in table:
        assert require_names(row[1]), row
        require_test(row[2])


def test_every_class_of_the_wikis_script_has_ours_and_a_test():
    table = rows("RTSlib")
    assert [row[0].split(" ")[0] for row in table] == [*RTSLIB, "MappedLUN", "try,"]
    for row in table:
        assert require_names(row[1]), row
        require_test(row[2])


def test_every_fault_of_go_tcmu_has_its_test():
    table = rows("go-tcmu's faults, by number")
    for number, row in enumerate(table, 1):
        assert row[0] == str(number)
        assert row[2].startswith(f"test_{number}_")
        require_test(f"{BUGS}::{row[2]}")
    tests = [
        n.name
        for n in ast.parse((ROOT / BUGS).read_text()).body
        if "test_" in getattr(n, "name", "")
    ]
    assert len(tests) == len(table)


def test_the_reference_is_that_of_the_code():
    path = ROOT / "docs" / "api_reference.py"
    spec = importlib.util.spec_from_file_location("api_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def headings(page):
        return [line for line in page.splitlines() if line.startswith("#")]

    written = headings((ROOT / "docs" / "api.md").read_text())
    assert written == headings(module.reference()), "run python3 docs/api_reference.py"


@pytest.mark.parametrize("name", tcmu.__all__)
def test_every_public_name_is_documented(name):
    assert inspect.getdoc(getattr(tcmu, name))
