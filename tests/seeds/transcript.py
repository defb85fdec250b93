# SPDX-License-Identifier: Apache-2.0
"""Types what a tutorial prints, line by line, and compares the answers with what it shows.

    python3 -m tests.seeds.transcript DOCUMENT.yaml...     on the running kernel, as root

The data is one file a document (data/*.yaml); data/README.md says what is in it. The tests of this
folder do the same on the simulated kernel.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lioshell import cli
from lioshell import options as command_line
from lioshell.environment import Environment
from lioshell.errors import KernelError, LioshellError
from lioshell.render.output import Output
from lioshell.specs import Specs

if TYPE_CHECKING:
    from lioshell.kernel.ports import ConfigfsPort

DATA = Path(__file__).resolve().parent / "data"


def load(path: Path) -> dict[str, Any]:
    """Return a document's data."""
    with path.open(encoding="utf-8") as file:
        return yaml.safe_load(file)


class Transcript:
    """A session into which a document's lines are typed.

    `sim` is the folder of a simulated kernel, "" for the running one. `names` are what stands for
    {NAME} in the data; a line's `captures` add to them.
    """

    def __init__(self, folder: str, sim: str = "", names: dict[str, str] | None = None) -> None:
        self.sim = sim
        self.names = {"folder": folder, **(names or {})}
        words = ["--color=never", *([f"--sim={sim}"] if sim else [])]
        options = command_line.parse(words, lambda: sim)
        assert not isinstance(options, str)
        self.env = Environment(
            stdin=io.StringIO(),
            stdout=io.StringIO(),
            stderr=io.StringIO(),
            environ={"HOME": folder, "COLUMNS": "80"},
        )
        specs = Specs(cache_folder=f"{folder}/specs")
        self.kernel = cli.open_kernel(options, specs)
        self.kernel.system.prepare()
        self.session = cli.open_session(self.kernel, specs, options, self.env, Output(self.env))
        self.session.saveconfig_path = f"{folder}/saveconfig.json"

    def play(self, document: dict[str, Any]) -> list[str]:
        """Type all lines and return what was not as the document has it."""
        wrong = []
        for step in document["steps"]:
            name = step.get("found", step.get("line", step))
            wrong += [f"{name}: {problem}" for problem in self.step(step)]
        return wrong

    def step(self, step: dict[str, Any]) -> list[str]:
        """Do one step, and return what was not as it should be."""
        if "by_hand" in step:
            for operation in step["by_hand"]:
                by_hand(self.kernel.configfs, self.filled(operation))
            return []
        if "file" in step:
            path = Path(self.filled(step["file"]))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(step["size_bytes"]))
            return []
        if "not_shell" in step:
            return []
        line = self.filled(step.get("line", step.get("found", "")))
        code, text = self.type(line)
        wrong = []
        if code != step.get("fails", 0):
            wrong.append(f"exit code {code}, not {step.get('fails', 0)}: {text}")
        shows = [self.filled(shown) for shown in step.get("shows", ())]
        wrong += [f"does not show {s!r} but {text}" for s in shows if not appears(s, text)]
        wrong += [f"shows {hidden!r}" for hidden in step.get("hides", ()) if hidden in text]
        for name, pattern in step.get("captures", {}).items():
            found = re.search(pattern, text)
            if found is None:
                wrong.append(f"shows nothing like {pattern!r} but {text}")
            else:
                self.names[name] = found[1]
        if "at" in step and self.session.node.path != self.filled(step["at"]):
            wrong.append(f"is at {self.session.node.path}, not {self.filled(step['at'])}")
        return wrong

    def type(self, line: str) -> tuple[int, str]:
        """Run a line and return its exit code and all that it printed."""
        for stream in (self.env.stdout, self.env.stderr):
            stream.seek(stream.truncate(0))
        code = 0
        try:
            self.session.run_line(line)
        except LioshellError as error:
            code = int(error.exit_code)
            self.session.out.error(error)
        return code, self.env.stdout.getvalue() + self.env.stderr.getvalue()

    def filled(self, text: str) -> str:
        """Return a text with the values of its {NAMES}."""
        return re.sub(r"\{(\w+)\}", lambda match: self.names[match[1]], text)


def appears(shown: str, text: str) -> bool:
    """Tell whether a line of the output has all parts of `shown`, which "..." separates, in order.

    How many dots stand between a node's name and its summary is a matter of the terminal's width.
    """
    pattern = r"[ .].*".join(re.escape(part.strip()) for part in shown.split(" ... "))
    return re.search(rf"^.*{pattern}", text, re.MULTILINE) is not None


def by_hand(configfs: ConfigfsPort, operation: str) -> None:
    """Do what a line of a shell script does in configfs: mkdir, rmdir, ln, rm, or VALUE > FILE."""
    word, *rest = operation.split(" ")
    if word == "mkdir":
        try:
            configfs.mkdir(rest[0])
        except KernelError as error:
            # mkdir -p
            if error.errno != errno.EEXIST:
                raise
    elif word == "ln":
        configfs.symlink(rest[0], rest[1])
    elif word == "write":
        configfs.write(rest[0], " ".join(rest[1:]))
    else:
        raise ValueError(operation)


def main(arguments: list[str]) -> int:
    """Play documents on the running kernel and return how many lines were wrong."""
    wrong = []
    for argument in arguments:
        document = load(Path(argument))
        with tempfile.TemporaryDirectory() as folder:
            print(f"== {document['document']}")
            transcript = Transcript(folder, names=document.get("on_a_real_kernel"))
            problems = transcript.play(document)
            for step in document.get("cleared_by", ()):
                problems += transcript.step(step)
        print(f"{len(document['steps'])} steps, {len(problems)} wrong")
        wrong += problems
    for problem in wrong:
        print(problem)
    return min(len(wrong), 100)


if __name__ == "__main__":
    if os.geteuid() != 0:
        raise SystemExit("only root can change the running kernel")
    sys.exit(main(sys.argv[1:]))
