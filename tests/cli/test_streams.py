# SPDX-License-Identifier: Apache-2.0
"""A real process and its standard streams: a reader that goes away, a full disk, closed ones."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Processes


def shell(process: Processes, script: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which "$@" is lioshell with the simulated kernel."""
    return subprocess.run(
        ["bash", "-c", script, "bash", *process.command()],
        env=process.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_words_and_a_script_as_a_process(process):
    assert process("pwd").out == "/\n"
    assert process(stdin="cd /iscsi\npwd\n").out == "/iscsi\n"
    assert process("bogus").code == 2


@pytest.mark.parametrize("options", ["ls", "-o json ls", "-o yaml ls", "--help", "completion"])
def test_a_reader_that_goes_away(process, options):
    done = shell(process, f'"$@" {options} | true; echo "${{PIPESTATUS[0]}}"')
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_reader_of_a_long_answer_that_goes_away(cli, process):
    cli.ok(*(f"/backstores/ramdisk create r{n} 1M" for n in range(60)))
    lines = "-c ls " * 60
    done = shell(process, f'"$@" {lines} | head -1; echo "${{PIPESTATUS[0]}}"')

    assert done.stdout.startswith("o- /")
    assert done.stdout.endswith("\n0\n")
    assert done.stderr == ""


def test_an_error_in_json_for_a_reader_that_goes_away(process):
    done = shell(process, '"$@" -o json bogus | true; echo "${PIPESTATUS[0]}"')
    assert (done.stdout, done.stderr) == ("2\n", "")


@pytest.mark.parametrize("options", ["ls", "-o json ls", "--version"])
def test_a_full_disk_behind_stdout(process, options):
    done = shell(process, f'"$@" {options} > /dev/full')

    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_full_disk_behind_both(process):
    assert shell(process, '"$@" ls > /dev/full 2>&1').returncode == 1


def test_closed_streams(process):
    assert shell(process, '"$@" pwd <&-').stdout == "/\n"
    assert shell(process, '"$@" <&-').returncode == 0
    for script in ('"$@" pwd >&-', '"$@" pwd 2>&-', '"$@" pwd <&- >&- 2>&-'):
        done = shell(process, script)
        assert done.returncode == 0, script
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr
    assert shell(process, '"$@" bogus 2>&-').returncode == 2


def test_a_name_that_is_no_text(cli, process):
    for form in ("text", "json", "yaml"):
        done = subprocess.run(
            [*(os.fsencode(w) for w in process.command("-o", form, "ls")), b"/\xff\xfe"],
            env=process.environ,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 3
        assert b"Traceback" not in done.stderr
        assert b"itself failed" not in done.stdout + done.stderr


def test_a_locale_without_the_letters_of_a_name(cli, process, tmp_path):
    cli.ok("/backstores/ramdisk create größe 1M")
    environ = {**process.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(process.command("ls"), env=environ, capture_output=True, check=False)

    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert b"gr" in done.stdout
