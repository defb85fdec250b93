# SPDX-License-Identifier: Apache-2.0
"""Specs: the ones that come along, drop-ins, mistakes in them, and the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lioshell.errors import NotFoundError, SpecError
from lioshell.specs import Parameter, Specs, default_folders

ROOT = Path(__file__).parents[2]
FABRIC = """\
# A comment.
kind: fabric
name: demo
group: demo
module: tcm_demo
help: "A fabric"
wwn_types: [naa]
features: [luns, nexus]
attributes:
  tpg_attribute:
    level: {type: int, default: 0, maximum: 3, help: "A level"}
    mode: {type: enum, default: No, values: [Yes, No], help: "A mode"}
"""
BACKSTORE = """\
kind: backstore
name: tape
aliases: [drum, 'reel']
hba_prefix: tape
module: target_core_tape
help: A tape
control:
  dev: {type: path, required: true, help: "The device"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "specs.d"
    folder.mkdir()
    return folder


def specs_of(folder: Path) -> Specs:
    return Specs([str(folder)], cache_folder="")


def test_those_that_come_along() -> None:
    specs = Specs(default_folders()[:1], cache_folder="")
    assert {"iscsi", "loopback"} <= set(specs.fabric_names())
    assert {"block", "fileio", "pscsi", "ramdisk", "user"} <= set(specs.backstore_names())
    assert specs.problems() == []
    for alias, name in (("iblock", "block"), ("rd_mcp", "ramdisk"), ("rd_dr", "ramdisk")):
        assert specs.backstore(alias) is specs.backstore(name)
        assert alias not in specs.backstore_names()
    iscsi = specs.fabric("iscsi")
    assert iscsi.default_port == 3260
    assert iscsi.has("nps")
    assert not iscsi.has("nexus")
    assert specs.fabric("loopback").has("nexus")


def test_every_parameter_has_help_and_only_passwords_are_secret() -> None:
    specs = Specs(default_folders()[:1], cache_folder="")
    parameters = [
        *(p for n in specs.fabric_names() for g in specs.fabric(n).attributes.values() for p in g),
        *(
            p
            for n in specs.backstore_names()
            for g in (
                specs.backstore(n).create,
                specs.backstore(n).control,
                specs.backstore(n).attributes,
            )
            for p in g
        ),
    ]
    assert len(parameters) > 200
    for parameter in parameters:
        assert parameter.help.strip()
        assert not parameter.help.endswith(".")
        assert (parameter.type == "secret") == parameter.name.startswith("password")
        if parameter.type in ("int", "size") and parameter.default is not None:
            number = int(parameter.default)
            assert parameter.minimum is None or number >= parameter.minimum
            assert parameter.maximum is None or number <= parameter.maximum


def test_a_fabric(folder: Path) -> None:
    (folder / "demo.yaml").write_text(FABRIC)
    fabric = specs_of(folder).fabric("demo")
    assert (fabric.group, fabric.module, fabric.help) == ("demo", "tcm_demo", "A fabric")
    assert fabric.wwn_types == ("naa",)
    assert fabric.features == {"luns", "nexus"}
    assert fabric.default_port is None
    # A default is the text that was written, never what YAML would make of it.
    assert fabric.attributes == {
        "tpg_attribute": (
            Parameter("level", "int", "A level", "0", maximum=3),
            Parameter("mode", "enum", "A mode", "No", values=("Yes", "No")),
        )
    }


def test_a_backstore(folder: Path) -> None:
    (folder / "t.yml").write_text(BACKSTORE)
    specs = specs_of(folder)
    assert specs.backstore_names() == ["tape"]
    for name in ("tape", "drum", "reel"):
        assert specs.backstore(name).control == (
            Parameter("dev", "path", "The device", required=True),
        )


def test_unknown_names(folder: Path) -> None:
    (folder / "demo.yaml").write_text(FABRIC)
    specs = specs_of(folder)
    with pytest.raises(NotFoundError, match="no fabric nosuch") as caught:
        specs.fabric("nosuch")
    assert "demo" in caught.value.hint
    with pytest.raises(NotFoundError):
        specs.backstore("demo")


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "message"),
    [
        ("group: demo\n", "group: [a]\n", 4, "group", "one value"),
        ("group: demo\n", "", 2, "group", "is missing"),
        ("module:", "modul:", 5, "modul", "unknown key"),
        ("[naa]", "naa", 7, "wwn_types", "a list"),
        ("[naa]", "[mac]", 7, "wwn_types", "none of"),
        ("nexus]", "portals]", 8, "features", "'portals' is none of"),
        ("tpg_attribute", "tpg_attributes", 11, "attributes.tpg_attributes", "unknown key"),
        ("type: int", "type: float", 11, "attributes.tpg_attribute.level.type", "'float'"),
        ("maximum: 3", "maximum: x", 11, "attributes.tpg_attribute.level.maximum", "number"),
        ("default: 0", "defualt: 0", 11, "attributes.tpg_attribute.level.defualt", "unknown"),
        (', help: "A level"', "", 11, "attributes.tpg_attribute.level.help", "is missing"),
        ("values: [Yes, No], ", "", 12, "attributes.tpg_attribute.mode", "needs values"),
        ("mode:", "level:", 12, "level", "stands twice"),
        ("    level: {", "    level: {{", 13, "", ""),
        ("group: demo\n", "group: ../core\n", 4, "group", "one folder"),
        ("group: demo\n", "group: a/b\n", 4, "group", "one folder"),
        ("group: demo\n", "group: ..\n", 4, "group", "one folder"),
        ("group: demo\n", "group: core\n", 4, "group", "something else"),
        ("group: demo\n", "group: 7\n", 4, "group", "in quotes"),
        ("tcm_demo", "--remove", 5, "module", "kernel module"),
        ("tcm_demo", "tcm demo", 5, "module", "kernel module"),
        ("    level:", "    ../level:", 11, "attributes.tpg_attribute.../level", "file name"),
        ("    level:", "    a/b:", 11, "attributes.tpg_attribute.a/b", "file name"),
        ("default: 0", "default: x", 11, "attributes.tpg_attribute.level", "whole number"),
        ("default: 0", "default: 4", 11, "attributes.tpg_attribute.level", "outside"),
        ("default: 0", "minimum: 5", 11, "attributes.tpg_attribute.level", "above"),
        ("default: 0", "default: null", 11, "attributes.tpg_attribute.level.default", "one value"),
        ("default: No", "default: Maybe", 12, "attributes.tpg_attribute.mode", "'Maybe'"),
        ("default: No", "maximum: 3", 12, "attributes.tpg_attribute.mode", "only an int"),
        ("[luns, nexus]", "[luns, acls_auth]", 8, "features", "acls"),
        ("[luns, nexus]", "[luns]\ndefault_port: 3260", 9, "default_port", "nps"),
        ("[luns, nexus]", "[luns]\nwwn_fixed: true", 9, "wwn_fixed", "wwn_sources"),
        ("[luns, nexus]", "[luns]\nenable_needs_luns: true", 9, "enable_needs_luns", "enable"),
        ("[luns, nexus]", "[luns]\nwwn_form: dots", 9, "wwn_form", "none of"),
        ("[naa]", "[naa, iqn]\nwwn_form: hex", 8, "wwn_form", "exactly one"),
        ("[naa]", "[]", 7, "wwn_types", "at least one"),
        ("[luns, nexus]", "[luns]\nwwn_fixed: yes", 9, "wwn_fixed", "neither true nor false"),
        ("attributes:\n", "attributes: &x\n  acl_auth: *x\n", 9, "", "refers to itself"),
        (
            "[luns, nexus]",
            "[luns]\nwwn_sources: [{files: /etc/shadow, pattern: (x)}]",
            *(9, "wwn_sources.files", "below /sys or /proc"),
        ),
        (
            "[luns, nexus]",
            "[luns]\nwwn_sources: [{files: /sys/../etc/shadow, pattern: (x)}]",
            *(9, "wwn_sources.files", "below /sys or /proc"),
        ),
        (
            "[luns, nexus]",
            "[luns]\nwwn_sources: [{files: /sys/a, pattern: '(x'}]",
            *(9, "wwn_sources.pattern", "no regular expression"),
        ),
        (
            "[luns, nexus]",
            "[luns]\nwwn_sources: [{files: /sys/a, pattern: x}]",
            *(9, "wwn_sources.pattern", "one group"),
        ),
        (
            "[luns, nexus]",
            "[luns]\nwwn_sources: [{files: /sys/a, pattern: (x), where: [{is: x}]}]",
            *(9, "wwn_sources.where", "one of: link, file"),
        ),
    ],
)
def test_mistakes(folder: Path, old: str, new: str, line: int, key: str, message: str) -> None:
    assert old in FABRIC
    (folder / "demo.yaml").write_text(FABRIC.replace(old, new, 1))
    (folder / "tape.yaml").write_text(BACKSTORE)
    specs = specs_of(folder)
    # It is left out, and the other file is not harmed.
    assert specs.fabric_names() == []
    assert specs.backstore("tape").module == "target_core_tape"
    with pytest.raises(SpecError) as caught:
        specs.fabric("demo")
    error = caught.value
    assert error.path == f"{folder}/demo.yaml"
    assert error.key == key
    assert message in error.message
    if message:
        assert error.line == line
        assert error.message.startswith(f"{folder}/demo.yaml:{line}: ")
    assert [str(problem) for problem in specs.problems()] == [str(error)]
    assert [str(problem) for problem in specs.refused()] == [str(error)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name: demo\nkind: fabric\n",
        "kind: device\nname: demo\n",
        "help: x\nkind: fabric\nname: demo\n",
        "- a\n- b\n",
        "\x00",
    ],
)
def test_a_file_that_does_not_say_what_it_is(folder: Path, text: str) -> None:
    (folder / "a.yaml").write_text(text)
    (folder / "demo.yaml").write_text(FABRIC)
    specs = specs_of(folder)
    assert specs.fabric_names() == ["demo"]
    (problem,) = specs.problems()
    assert "a.yaml" in problem.message
    assert problem.key == "kind"


@pytest.mark.parametrize("shift", [0, 1])
def test_the_head_of_a_file_may_end_within_a_character(folder: Path, shift: int) -> None:
    head, _, rest = FABRIC.partition("help:")
    comment = "# " + "x" * shift + "\u00e9" * 4096 + "\n"
    (folder / "demo.yaml").write_text(f"{head}{comment}help:{rest}", encoding="utf-8")
    specs = specs_of(folder)
    assert specs.fabric_names() == ["demo"]
    assert specs.problems() == []


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    (folder / "a.yaml").write_bytes(b"kind: fabric\nname: \xff\n")
    (folder / "b.yaml").mkdir()
    (folder / ".hidden.yaml").write_text("x")
    (folder / "readme.txt").write_text("x")
    messages = [problem.message for problem in specs_of(folder).problems()]
    assert len(messages) == 2
    assert "no UTF-8 text" in messages[0]
    assert "directory" in messages[1]


def test_two_of_one_name(folder: Path, tmp_path: Path) -> None:
    (folder / "demo.yaml").write_text(FABRIC)
    (folder / "tape.yaml").write_text(BACKSTORE)
    drop_in = tmp_path / "drop-in"
    drop_in.mkdir()
    (drop_in / "x.yaml").write_text(FABRIC.replace("tcm_demo", "other"))
    (drop_in / "y.yaml").write_text(BACKSTORE.replace("name: tape", "name: drum"))
    specs = Specs([str(folder), str(drop_in), "/no/such/folder"], cache_folder="")
    assert specs.fabric("demo").module == "tcm_demo"
    assert specs.backstore("drum").name == "tape"
    problems = specs.problems()
    assert [Path(problem.path).name for problem in problems] == ["x.yaml", "y.yaml"]
    assert specs.fabric_words() == {"demo": "demo"}
    assert problems[0].line == 3
    assert f"{folder}/demo.yaml" in problems[0].message


def test_names_cost_no_parsing() -> None:
    code = (
        "import sys; from lioshell.specs import Specs; s = Specs(cache_folder='');"
        "s.fabric_names(); s.backstore_names(); assert 'yaml' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_cache(folder: Path, tmp_path: Path) -> None:
    (folder / "demo.yaml").write_text(FABRIC)
    cache = tmp_path / "cache"
    first = Specs([str(folder)], cache_folder=str(cache)).fabric("demo")
    (kept,) = cache.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    code = (
        "import sys; from lioshell.specs import Specs;"
        f"s = Specs([{str(folder)!r}], cache_folder={str(cache)!r});"
        "assert s.fabric('demo').module == 'tcm_demo'; assert 'yaml' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert Specs([str(folder)], cache_folder=str(cache)).fabric("demo") == first
    # A changed file is parsed again.
    (folder / "demo.yaml").write_text(FABRIC.replace("tcm_demo", "other_module"))
    again = Specs([str(folder)], cache_folder=str(cache)).fabric("demo")
    assert again.module == "other_module"


@pytest.mark.parametrize(
    "harm", ["cut", "garbage", "empty", "other-shape", "loose", "loose-folder"]
)
def test_cache_that_cannot_be_used(folder: Path, tmp_path: Path, harm: str) -> None:
    (folder / "demo.yaml").write_text(FABRIC)
    cache = tmp_path / "cache"
    Specs([str(folder)], cache_folder=str(cache)).fabric("demo")
    (kept,) = cache.iterdir()
    data = kept.read_bytes()
    if harm == "cut":
        kept.write_bytes(data[: len(data) // 2])
    elif harm == "garbage":
        kept.write_bytes(b"\xff" * 64)
    elif harm == "empty":
        kept.write_bytes(b"")
    elif harm == "other-shape":
        kept.write_bytes(b"i\x01\x00\x00\x00")
    elif harm == "loose":
        kept.write_bytes(data.replace(b"tcm_demo", b"evil_mod"))
        kept.chmod(0o666)
    else:
        kept.write_bytes(data.replace(b"tcm_demo", b"evil_mod"))
        cache.chmod(0o777)
    assert Specs([str(folder)], cache_folder=str(cache)).fabric("demo").module == "tcm_demo"


def test_cache_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (folder / "demo.yaml").write_text(FABRIC)
    (tmp_path / "file").write_text("x")
    specs = Specs([str(folder)], cache_folder=str(tmp_path / "file" / "cache"))
    assert specs.fabric("demo").module == "tcm_demo"


def test_no_folders_in_the_home_of_somebody_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "demo.yaml").write_text(FABRIC)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    cache = tmp_path / "home" / "cache"
    specs = Specs([str(folder)], cache_folder=str(cache))
    assert specs.fabric("demo").module == "tcm_demo"
    assert not (tmp_path / "home").exists()


def test_cache_folder_follows_xdg(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "demo.yaml").write_text(FABRIC)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    Specs([str(folder)]).fabric("demo")
    assert os.listdir(tmp_path / "xdg" / "lioshell" / "specs")


def drop_ins(folder: Path) -> Specs:
    """Return what comes along with drop-ins of `folder`."""
    return Specs([*default_folders()[:1], str(folder)], cache_folder="")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (FABRIC.replace("name: demo", "name: iscsi"), 3, "is described by"),
        (FABRIC.replace("name: demo", "name: fc"), 3, "fabric fc is described by"),
        (FABRIC.replace("group: demo", "group: iscsi"), 4, "iscsi is described by"),
        (FABRIC.replace("group: demo", "group: demo\naliases: [iscsi]"), 3, "in a line alone"),
        (FABRIC.replace("name: demo", "name: demo\naliases: [iscsi]"), 3, "fabric iscsi"),
        (FABRIC.replace("name: demo", "name: demo\naliases: [demo]"), 4, "own name"),
        (FABRIC.replace("name: demo", "name: backstores"), 3, "something else"),
        (BACKSTORE.replace("prefix: tape", "prefix: iblock"), 4, "iblock is described by"),
    ],
)
def test_a_drop_in_cannot_take_what_is_described(
    folder: Path, text: str, line: int, message: str
) -> None:
    before = drop_ins(folder)
    names = (before.fabric_words(), before.backstore_names())
    (folder / "x.yaml").write_text(text)
    specs = drop_ins(folder)
    assert (specs.fabric_words(), specs.backstore_names()) == names
    (problem,) = specs.refused()
    assert message in problem.message
    assert (problem.path, problem.line) == (f"{folder}/x.yaml", line)
    assert specs.fabric("iscsi").group == "iscsi"


def test_a_refused_name_tells_why(folder: Path) -> None:
    (folder / "x.yaml").write_text(FABRIC.replace("module:", "modul:"))
    with pytest.raises(SpecError, match=r"x\.yaml:5: modul: unknown key"):
        drop_ins(folder).fabric("demo")


def test_no_drop_ins_cost_no_look_at_specs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Specs, "_index", lambda self: pytest.fail("looked"))
    assert drop_ins(folder).refused() == []
    assert drop_ins(folder / "nosuch").refused() == []


def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (problem,) = Specs([str(tmp_path / "file")], cache_folder="").problems()
    assert "Not a directory" in problem.message


@pytest.mark.parametrize("depth", [60, 200_000])
def test_what_is_nested_too_deeply_is_refused_and_crashes_nothing(folder: Path, depth: int) -> None:
    (folder / "demo.yaml").write_text(f"kind: fabric\nname: demo\nhelp: {'[' * depth}")
    (problem,) = drop_ins(folder).refused()
    assert problem.message == f"{folder}/demo.yaml:3: nested too deeply"


def test_a_file_without_end_is_refused(folder: Path) -> None:
    (folder / "demo.yaml").write_text(FABRIC + "# and so on\n" * 100_000)
    (problem,) = drop_ins(folder).refused()
    assert "too long" in problem.message


@pytest.mark.timeout(20)
def test_anchors_do_not_multiply(folder: Path) -> None:
    lines = [f"  a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(40)]
    text = "kind: fabric\nname: demo\nattributes:\n  a0: &a0 [x]\n" + "\n".join(lines)
    (folder / "demo.yaml").write_text(text)
    (problem,) = drop_ins(folder).refused()
    assert problem.key == "group"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused(folder: Path, data: bytes, with_head: bool) -> None:
    head = b"kind: fabric\nname: demo\n" if with_head else b""
    for suffix in ("yaml", "spec"):
        (folder / f"x.{suffix}").write_bytes(head + data)
    specs = drop_ins(folder)
    assert specs.fabric("iscsi").default_port == 3260
    own = [
        name for name in specs.fabric_names() if specs.path("fabric", name).startswith(str(folder))
    ]
    assert all(problem.path.startswith(str(folder)) for problem in specs.refused())
    assert len(own) + len(specs.refused()) == 2


def test_an_anchor_may_be_used_again(folder: Path) -> None:
    text = FABRIC.replace("tpg_attribute:", "tpg_attribute: &a").replace(
        "    mode:", "    other: &o {type: string, help: Other}\n    more: *o\n    mode:"
    )
    (folder / "demo.yaml").write_text(text)
    parameters = specs_of(folder).fabric("demo").attributes["tpg_attribute"]
    assert [p.name for p in parameters] == ["level", "other", "more", "mode"]
