# SPDX-License-Identifier: Apache-2.0
"""Where command lines come from: words, -c, -f, standard input."""

from __future__ import annotations

import subprocess

import pytest

RAMDISK = "/backstores/ramdisk"


def names(cli) -> list[str]:
    tree = cli("-o", "json", "ls", RAMDISK).json["result"]
    return [child["name"] for child in tree["children"]]


# Words


def test_words_are_one_command(cli):
    assert cli("ls", "/iscsi").out == cli("-c", "ls /iscsi").out


def test_a_path_and_a_command(cli):
    assert cli(RAMDISK, "create", "r0", "1M").code == 0
    assert names(cli) == ["r0"]


def test_words_keep_their_quoting(cli, tmp_path):
    image = tmp_path / "two words.img"
    result = cli("/backstores/fileio", "create", "f0", str(image), "1M")

    assert result.code == 0
    assert image.stat().st_size == 1 << 20
    assert cli("/backstores/fileio", "create", "f 1", str(image)).code == 2


def test_a_word_may_hold_what_a_line_would_have_to_quote(cli, tmp_path):
    for name in ("it's.img", 'a"b.img', "a#b.img", "#c.img", "back\\slash.img"):
        image = tmp_path / name
        result = cli("/backstores/fileio", "create", "f0", f"file_or_dev={image}", "size=1M")
        assert (result.code, result.err) == (0, ""), name
        assert image.exists()
        assert cli("/backstores/fileio", "delete", "f0").code == 0


def test_options_behind_the_command_belong_to_it(cli):
    """`get auth --reveal` has an option of its own."""
    result = cli("get", "global", "-n")
    assert result.code != 0
    assert "-n" in result.err


def test_an_empty_word_is_no_command(cli):
    assert cli("").code == 2
    assert cli("/iscsi", "").code == 2


# -c


def test_c_runs_lines_in_order_and_keeps_the_place(cli):
    result = cli("-c", f"cd {RAMDISK}", "-c", "create r0 1M", "-c", "pwd")

    assert result.code == 0
    assert result.out.splitlines()[-1] == RAMDISK
    assert names(cli) == ["r0"]


def test_c_stops_at_the_first_failure(cli):
    lines = (f"{RAMDISK} create r0 1M", f"{RAMDISK} create r0 1M", f"{RAMDISK} create r1 1M")
    result = cli(*[word for line in lines for word in ("-c", line)])

    assert result.code == 3
    assert "-c 2: " in result.err
    assert names(cli) == ["r0"]


def test_keep_going_runs_all_and_fails_at_the_end_with_the_first_code(cli):
    lines = ("bogus", f"{RAMDISK} create r0 1M", "ls /nowhere", f"{RAMDISK} create r1 1M")
    result = cli("--keep-going", *[word for line in lines for word in ("-c", line)])

    assert result.code == 2
    assert result.err.count("error: ") == 2
    assert "-c 3: " in result.err
    assert names(cli) == ["r0", "r1"]


def test_exit_ends_the_lines(cli):
    assert cli("-c", f"{RAMDISK} create r0 1M", "-c", "exit", "-c", "bogus").code == 0
    assert names(cli) == ["r0"]


# -f

SCRIPT = f"""\
# makes two disks

{RAMDISK} create r0 1M   # the first
   cd {RAMDISK}
create "r1" size='1M'
"""


def test_a_script_with_comments_and_blank_lines(cli, tmp_path):
    (tmp_path / "script").write_text(SCRIPT)

    assert cli("-f", str(tmp_path / "script")).code == 0
    assert names(cli) == ["r0", "r1"]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_any_line_end(cli, tmp_path, end):
    (tmp_path / "script").write_bytes(f"{RAMDISK} create r0 1M{end}".encode())

    assert cli("-f", str(tmp_path / "script")).code == 0
    assert names(cli) == ["r0"]


def test_an_error_in_a_script_names_file_and_line(cli, tmp_path):
    script = tmp_path / "script"
    script.write_text(SCRIPT + f"\n{RAMDISK} create r1 1M\n{RAMDISK} create r2 1M\n")
    result = cli("-f", str(script))

    assert result.code == 3
    assert f"{script}:7: " in result.err
    assert names(cli) == ["r0", "r1"]


def test_a_script_that_keeps_going(cli, tmp_path):
    script = tmp_path / "script"
    script.write_text(f"bogus\n{RAMDISK} create r0 1M\n")

    assert cli("--keep-going", "-f", str(script)).code == 2
    assert names(cli) == ["r0"]


def test_a_script_that_is_not_there_is_no_text_or_is_a_folder(cli, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    for name in ("none", "binary", ""):
        result = cli("-f", str(tmp_path / name))
        assert result.code == 2
        assert "cannot be read" in result.err
        assert "hint: " in result.err


# Standard input


def test_without_words_a_script_is_read_from_stdin(cli):
    assert cli(stdin=SCRIPT).code == 0
    assert names(cli) == ["r0", "r1"]


def test_an_error_on_stdin_names_the_line_and_stops(cli):
    result = cli(stdin=f"# one\n{RAMDISK} create r0 1M\nbogus\n{RAMDISK} create r1 1M\n")

    assert result.code == 2
    assert "line 3: " in result.err
    assert names(cli) == ["r0"]


def test_an_empty_stdin_is_an_empty_script(cli):
    assert (cli().code, cli().out, cli().err) == (0, "", "")


@pytest.mark.parametrize("encoding", ["utf-8:strict", "utf-8:surrogateescape"])
def test_stdin_that_is_no_text(process, encoding):
    done = subprocess.run(
        process.command(),
        input=b"pwd\n\xff\xfe\xff\n",
        env={**process.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"itself failed" not in done.stderr


# Together


def test_one_source_of_lines_at_a_time(cli, tmp_path):
    (tmp_path / "script").write_text("ls\n")
    script = ("-f", str(tmp_path / "script"))
    for argv in (("-c", "ls", "pwd"), (*script, "pwd"), ("-c", "ls", *script)):
        result = cli(*argv)
        assert (result.code, result.out) == (2, "")


def test_serve_and_completion_exist_outside_the_tree_only(cli):
    assert cli("-c", "serve").code == 2
    assert cli("-c", "completion").code == 2
    assert cli("/", "serve").code == 2
    assert "_lioshell" in cli("completion").out
