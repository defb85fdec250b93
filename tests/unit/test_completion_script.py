# SPDX-License-Identifier: Apache-2.0
import subprocess
from pathlib import Path

import pytest

from lioshell.completion_script import completion_script
from lioshell.errors import UsageError
from lioshell.option_parser import parser

ROOT = Path(__file__).resolve().parents[2]


def complete(*words):
    script = f"""
        source {ROOT}/completions/lioshell.bash
        COMP_WORDS=({" ".join(words)} '')
        COMP_CWORD={len(words)}
        _lioshell
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    return result.stdout.split()


def test_the_shipped_file_is_what_the_program_prints():
    # Make it anew with: lioshell completion > completions/lioshell.bash
    assert (ROOT / "completions" / "lioshell.bash").read_text() == completion_script([])


def test_it_completes_in_bash():
    assert complete("lioshell", "-o") == ["text", "json", "yaml"]
    assert "serve" in complete("lioshell")


def test_every_option_is_in_the_man_page():
    page = (ROOT / "man" / "lioshell.8").read_text().replace("\\-", "-")
    for action in parser()._actions:
        for option in action.option_strings:
            assert option in page, option


def test_another_shell_is_refused():
    with pytest.raises(UsageError):
        completion_script(["fish"])
