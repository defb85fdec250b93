# SPDX-License-Identifier: Apache-2.0
"""Any line, as a one-liner, as words of argv and in a script: an answer, and nothing half done.

Lines are built from the grammar (every command of every node, with words that fit and words that
do not) and from noise. The suite tries some hundreds; LIOSHELL_LINES=10000 makes it a long run:

    LIOSHELL_LINES=10000 python3 -m pytest -q tests/cli/test_any_line.py
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from lioshell.errors import ExitCode
from lioshell.kernel.sim.configfs import SimConfigfs
from lioshell.service.hosting import Hosting
from lioshell.shell import grammar

from . import test_all_or_nothing as made
from . import test_all_or_nothing_removed as removed
from .conftest import Cli, dump, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = int(os.environ.get("LIOSHELL_LINES", "150"))
MODES = ("-c", "words", "script", "json", "dry run")

IQN, INITIATOR, NAA, TPG = made.IQN, made.INITIATOR, made.NAA, made.TPG
PREPARED = (
    *made.PREPARED,
    "/backstores/fileio create f0 f0.img 1M",
    f"/loopback/{NAA}/luns create /backstores/ramdisk/r1",
    "saveconfig saved.json",
)
IMAGES = {"f0.img", "other.img"}
PATHS = (
    "/",
    "/backstores",
    "/backstores/ramdisk",
    "/backstores/rd_mcp",
    "/backstores/fileio",
    "/backstores/block",
    "/backstores/pscsi",
    "/backstores/user:file",
    "/backstores/user:nothing",
    "/backstores/ramdisk/r0",
    "/backstores/ramdisk/r0/alua",
    "/backstores/ramdisk/r0/alua/default_tg_pt_gp",
    "/backstores/fileio/f0",
    "/iscsi",
    f"/iscsi/{IQN}",
    TPG,
    f"/iscsi/{IQN}/tpgt1",
    f"{TPG}/luns",
    f"{TPG}/luns/lun0",
    f"{TPG}/acls",
    f"{TPG}/acls/{INITIATOR}",
    f"{TPG}/acls/{INITIATOR}/mapped_lun0",
    f"{TPG}/portals",
    f"{TPG}/portals/[::0]:3260",
    "/loopback",
    f"/loopback/{NAA}",
    f"/loopback/{NAA}/luns",
    "/vhost",
    "/nowhere",
    "..",
    ".",
    "iscsi/",
    "backstores",
    "*",
    "/*",
    "/iscsi/*/tpg*/luns",
    "/backstores/*/*",
    "@last",
    "@",
)
WORDS = (
    *("r0", "r2", "f0", "lun0", "lun1", "0", "1", "-1", "7", "65536", "99999999999999999999"),
    *("true", "false", "yes", "1M", "0", "1.5G", "1P", "-5M", "1MB", "0x10", "1e3", "", " "),
    *(
        "tpg1",
        "tpg2",
        "2",
        "ao",
        "default_tg_pt_gp",
        "127.0.0.1",
        "::1",
        "[::0]",
        "0.0.0.0",
        "3260",
    ),
    *(IQN, f"{IQN}x", INITIATOR, f"{INITIATOR}2", NAA, "naa.5001405a1b2c3d4f", "iqn", "eui.1"),
    *("global", "attribute", "parameter", "auth", "discovery_auth", "alua", "--reveal", "--yes"),
    *("authentication=1", "generate_node_acls=2", "emulate_tas=0", "block_size=0", "userid=me"),
    *("password=sesame", "auto_cd_after_create=true", "prompt_length=x", "tree_max_depth=1"),
    *("size=1M", "name=r3", "lun=1", "add_mapped_luns=false", "write_back=maybe", "wwn=", "=x"),
    *(
        "f0.img",
        "new.img",
        "none/new.img",
        "saved.json",
        "other.json",
        "notes.txt",
        "a,b.img",
        "..",
    ),
    *("/dev/sdb", "/dev/sdc", "/dev/none", "0:0:0:0", "clear_existing=true", "confirm=True"),
    *("/backstores/ramdisk/r1", "/backstores/fileio/f0", "<", ">", "#", "*", "r*", "?", "[a", "@x"),
    *("alua_access_state=1", "tg_pt_gp_id=5", "hw_block_size=0", "control=max_data_area_mb=0"),
    *("MaxConnections=2", "AuthMethod=None", "0.5", "2", "ls", "nan", "write_protect=1", "x" * 300),
)
COMMANDS = (
    *("ls", "cd", "pwd", "get", "set", "help", "exit", "status", "version", "info", "create"),
    *("delete", "enable", "disable", "saveconfig", "restoreconfig", "clearconfig", "sessions"),
    *("bookmarks", "refresh", "tag", "untag", "enable_iser", "enable_offload", "watch", "rename"),
    *("resize", "changemedium", "specs", "fabric", "add", "del", "go", "show", "list", "detail"),
)

# No "/" in noise: what it names as a file is in the folder of the test.
CHARACTERS = st.characters(exclude_characters="/", exclude_categories=())
NOISE = st.text(CHARACTERS, max_size=12)
QUOTED = st.builds("{0}{1}{0}".format, st.sampled_from("'\"\\"), st.sampled_from(WORDS))
VALUE = st.one_of(st.sampled_from(WORDS), st.sampled_from(PATHS), QUOTED, NOISE)
NAMED = st.builds("{}={}".format, st.sampled_from(("name", "size", "dev", "wwn", "lun")), VALUE)
NOT_RIGHT = st.one_of(
    st.builds(
        lambda path, command, values: " ".join([path, command, *values]),
        st.sampled_from((*PATHS, "")),
        st.sampled_from(COMMANDS),
        st.lists(st.one_of(VALUE, NAMED), max_size=4),
    ),
    st.lists(st.one_of(VALUE, st.sampled_from(COMMANDS)), max_size=5).map(" ".join),
    st.text(CHARACTERS, max_size=40),
    st.binary(max_size=40).map(
        lambda data: data.replace(b"/", b"").decode(errors="surrogateescape")
    ),
)
VALID = tuple(
    line.replace("FILE", "other.img").replace("NEW", "new.img")
    for _, line in (*made.COMMANDS.values(), *removed.COMMANDS.values())
)


def with_changes(line: str, changes: list[tuple[str, int, str]]) -> str:
    """Return a line that fits after some words were put in, replaced, left out or doubled."""
    words = line.split(" ")
    for change, at, word in changes:
        at %= len(words) or 1
        if change == "put in":
            words.insert(at, word)
        elif change == "replace" and words:
            words[at] = word
        elif change == "another value" and words:
            words[at] = words[at].partition("=")[0] + "=" + word
        elif change == "leave out":
            del words[at : at + 1]
        else:
            words[at:at] = words[at : at + 1]
    return " ".join(words)


KINDS_OF_CHANGE = ("put in", "replace", "another value", "leave out", "double")
NEARLY_RIGHT = st.builds(
    with_changes,
    st.sampled_from(VALID),
    st.lists(st.tuples(st.sampled_from(KINDS_OF_CHANGE), st.integers(0, 9), VALUE), max_size=2),
)
LINE = st.booleans().flatmap(lambda right: NEARLY_RIGHT if right else NOT_RIGHT)

PARTIAL = ("restoreconfig", "clearconfig")
"""Commands that go on past what fails, and say so."""


class Fence:
    """Nothing outside a folder can be changed while it stands, as for a user without rights.

    An audit hook stays for good; it does nothing while no fence stands.
    """

    folders: tuple[str, ...] = ()
    CHANGES = frozenset(
        ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate")
    )

    @classmethod
    def check(cls, event: str, arguments: tuple[Any, ...]) -> None:
        if not cls.folders:
            return
        if event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork", "os.system"):
            raise PermissionError(errno.EPERM, f"{event} in a test of lines")
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in cls.CHANGES:
            path = arguments[-2] if event == "os.symlink" else arguments[0]
        else:
            return
        if isinstance(path, str | bytes):
            full = os.path.abspath(os.fsdecode(path))
            if not full.startswith(cls.folders) and full != "/dev/null":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), full)


sys.addaudithook(Fence.check)


class Ground:
    """A simulated kernel with some objects, as it was again after each line that changed it."""

    def __init__(self, folder: Path, sim: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir()
        (self.work / "notes.txt").write_text("no JSON")
        for name in IMAGES:
            (self.work / name).write_bytes(bytes(1 << 20))
        os.chdir(self.work)
        self.cli = Cli(folder, sim)
        self.cli.ok(*PREPARED)
        for kept in (self.cli.sim, self.work):
            shutil.copytree(kept, f"{kept}.kept", symlinks=True)
        self.before = self.state()
        self.changes: list[str] = []
        """What was asked of configfs, refused or not, since it was as it was."""

    def state(self) -> tuple[dict[str, str], list[str]]:
        tree = dump(self.cli.sim / "config")
        shown = {path: text for path, text in tree.items() if not path.endswith("/.state")}
        return shown, [name for name in listing(self.work) if name.endswith(".img")]

    def restore(self) -> None:
        for kept in (self.cli.sim, self.work) if self.changes else (self.work,):
            shutil.rmtree(kept)
            shutil.copytree(f"{kept}.kept", kept, symlinks=True)
        os.chdir(self.work)
        for left in ("state", ".local", ".config"):
            shutil.rmtree(self.folder / left, ignore_errors=True)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    # A path below /dev is one of the simulated machine's, so the files are elsewhere.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder, here = tmp_path_factory.mktemp("lines"), os.getcwd()
    cache = os.path.expanduser("~/.cache/lioshell")
    with tempfile.TemporaryDirectory(prefix="lioshell-test-", dir=memory) as sim:
        made = Ground(folder, Path(sim) / "sim")
        patch = pytest.MonkeyPatch()
        # Who serves user: devices is not the question here.
        patch.setattr(Hosting, "devices_changed", lambda self, created: [])
        change = SimConfigfs._change

        def seen(self: SimConfigfs, operation: str, path: str, *rest: Any) -> None:
            made.changes.append(f"{operation} {path}")
            change(self, operation, path, *rest)

        patch.setattr(SimConfigfs, "_change", seen)
        Fence.folders = (str(folder), sim, cache)
        try:
            yield made
        finally:
            Fence.folders = ()
            patch.undo()
            os.chdir(here)


def arguments(mode: str, line: str) -> tuple[list[str], str]:
    """Return the arguments and standard input with which a line is run."""
    if mode == "words":
        return ["--", *line.split(" ")], ""
    if mode == "script":
        return [], f"{line}\nls /iscsi\n"
    if mode == "json":
        return ["-o", "json", "-c", line], ""
    if mode == "dry run":
        return ["-n", "-c", line], ""
    return ["-c", line], ""


@settings(
    max_examples=LINES,
    deadline=None,
    derandomize=LINES < 1000,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(mode=st.sampled_from(MODES), line=LINE)
@example("-c", "")
@example("words", "")
@example("-c", "'")
@example("-c", "\0")
@example("-c", "/ \udcff")
@example("json", f"{TPG} set auth password='sesame\udcff")
@example("-c", "/backstores/ramdisk create \u202e 1M")
@example("-c", f"{TPG} set auth userid=\udcff")
@example("-c", "/backstores/fileio create f0 new.img 1M=password=sesame")
@example("-c", "cd 'password=sesame'")
def test_any_line(ground: Ground, mode: str, line: str) -> None:
    words, stdin = arguments(mode, line)
    result = ground.cli(*words, stdin=stdin)
    # To read the whole tree takes longer than to run a line: only where it may have changed.
    images = {name for name in os.listdir(ground.work) if name.endswith(".img")}
    touched = bool(ground.changes) or images != IMAGES
    after = ground.state() if touched else ground.before
    changed = after != ground.before
    event(f"exit code {result.code}" + ", tree changed" * changed)
    if changed or result.code == 0:
        ground.restore()
    ground.changes.clear()

    assert result.code in set(ExitCode), result
    assert "Traceback" not in result.out + result.err
    assert "lioshell itself failed" not in result.out + result.err
    if result.code == 0:
        assert mode != "dry run" or not changed
    elif mode != "json":
        assert "error: " in result.err
    if result.code and not any(word in line for word in PARTIAL):
        files = set(after[1]) ^ set(ground.before[1])
        paths = {
            path
            for path in after[0].keys() | ground.before[0].keys()
            if after[0].get(path) != ground.before[0].get(path)
        }
        assert (files, paths) == (set(), set())
    assert "sesame" not in result.err


def test_the_fence_holds(ground: Ground) -> None:
    with pytest.raises(PermissionError), open("/lioshell-test-outside", "w"):
        pass
    with pytest.raises(PermissionError):
        os.mkdir("/lioshell-test-outside")
    result = ground.cli("saveconfig", "/lioshell-test-outside")
    assert result.code == 6
    assert not Path("/lioshell-test-outside").exists()


def test_the_grammar_s_lines_reach_what_they_are_meant_for(ground: Ground) -> None:
    """Most commands that are tried exist somewhere, or nothing would be tested."""
    line = f"{TPG}/luns create /backstores/ramdisk/r2"
    assert grammar.split_words(line)[1].text in COMMANDS
    assert ground.cli("-c", line).code == 0
    assert ground.state() != ground.before
    ground.restore()
    assert ground.state() == ground.before
