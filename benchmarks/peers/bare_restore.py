# SPDX-License-Identifier: Apache-2.0
"""The least that a restore can cost: a script that issues the same configfs operations, no more.

    python3 benchmarks/peers/bare_restore.py record SAVED OPERATIONS [WHERE]
    python3 benchmarks/peers/bare_restore.py replay OPERATIONS [WHERE] [--reads]
    python3 benchmarks/peers/bare_restore.py clear OPERATIONS [WHERE]

WHERE is --sim=DIR for a simulated kernel, or --configfs=ROOT (/sys/kernel/config by default).

`record` has lioshell restore the saved configuration SAVED on a kernel without any object, and
writes what was asked of configfs to the file OPERATIONS. `replay` does the changes among them in
their order, with `--reads` also what lioshell looked at; `clear` takes back what `replay` made. On
the running kernel these two import nothing but os and sys; the simulated kernel's rules are
lioshell's own, so there they are reached through its port.

A line of OPERATIONS is the operation and its arguments with tabs between them; the paths are
relative to configfs' `target` folder.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Not to be imported at run time: a script that does nothing else would not.
    from collections.abc import Sequence
    from typing import Any

    Steps = Sequence[tuple[str, ...]]

CHANGES = ("mkdir", "write", "symlink")
READS = ("read", "listdir", "folders", "folder_numbers", "links", "exists", "is_dir", "is_link",
         "is_writable", "readlink", "values", "is_linked")  # fmt: skip


def record(saved: str, operations: str, options: dict[str, str]) -> None:
    """Restore a configuration with lioshell, and write down the operations."""
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from lioshell.config import saved_file
    from lioshell.config.restore import restore
    from lioshell.kernel.open import CONFIGFS_ROOT, open_real, open_sim
    from lioshell.lio.root import Lio
    from lioshell.specs import Specs

    specs = Specs()
    if "--sim" in options:
        kernel = open_sim(options["--sim"], specs)
    else:
        kernel = open_real(options.get("--configfs", CONFIGFS_ROOT))
    kernel.system.prepare()
    os.makedirs(kernel.run_dir, exist_ok=True)
    lines: list[str] = []
    seen = kernel._replace(configfs=_Recording(kernel.configfs, lines))
    report = restore(Lio(seen, specs), saved_file.read(saved), saved)
    if report.failures:
        raise SystemExit("\n".join(f"{one.path}: {one.reason}" for one in report.failures))
    with open(operations, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


class _Recording:
    """A configfs port that writes down what is asked of it."""

    def __init__(self, configfs: Any, lines: list[str]) -> None:
        self._configfs = configfs
        self._lines = lines

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._configfs, name)
        if not callable(found):
            return found

        def recorded(*arguments: str, **named: bool) -> Any:
            if any("\t" in text or "\n" in text for text in arguments):
                raise SystemExit(f"{name} of {arguments} cannot be written down")
            result = found(*arguments, **named)
            self._lines.append("\t".join((name, *arguments)))
            return result

        return recorded


def replay(operations: str, options: dict[str, str]) -> None:
    """Do what was recorded."""
    wanted = CHANGES + READS if "--reads" in options else CHANGES
    with open(operations, encoding="utf-8") as file:
        steps = [tuple(line[:-1].split("\t")) for line in file]
    steps = [step for step in steps if step[0] in wanted]
    if "--sim" in options:
        _on_port(_simulated(options["--sim"]), steps)
    else:
        _on_kernel(f"{options.get('--configfs', '/sys/kernel/config')}/target", steps)


def clear(operations: str, options: dict[str, str]) -> None:
    """Take back what `replay` made, last first."""
    with open(operations, encoding="utf-8") as file:
        steps = [tuple(line[:-1].split("\t")) for line in file][::-1]
    undone = [("rmdir", step[1]) if step[0] == "mkdir" else ("unlink", step[2]) for step in steps
              if step[0] in ("mkdir", "symlink")]  # fmt: skip
    if "--sim" in options:
        _on_port(_simulated(options["--sim"]), undone)
    else:
        _on_kernel(f"{options.get('--configfs', '/sys/kernel/config')}/target", undone)


def _on_kernel(target: str, steps: Steps) -> None:
    for operation, *arguments in steps:
        path = f"{target}/{arguments[-1] if operation == 'symlink' else arguments[0]}"
        if operation == "write":
            descriptor = os.open(path, os.O_WRONLY)
            os.write(descriptor, arguments[1].encode())
            os.close(descriptor)
        elif operation == "read":
            descriptor = os.open(path, os.O_RDONLY)
            os.read(descriptor, 4096)
            os.close(descriptor)
        elif operation == "symlink":
            os.symlink(f"{target}/{arguments[0]}", path)
        elif operation in ("mkdir", "rmdir", "unlink", "readlink"):
            getattr(os, operation)(path)
        elif operation == "values":
            for name in os.listdir(path):
                try:
                    descriptor = os.open(f"{path}/{name}", os.O_RDWR)
                except OSError:
                    # It can only be read, or only be written.
                    continue
                os.read(descriptor, 4096)
                os.close(descriptor)
        elif operation in ("listdir", "folders", "folder_numbers", "links"):
            os.listdir(path)
        else:
            os.path.lexists(path)


def _simulated(folder: str) -> Any:
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from lioshell.kernel.open import open_sim

    kernel = open_sim(folder)
    kernel.system.prepare()
    return kernel.configfs


def _on_port(configfs: Any, steps: Steps) -> None:
    for operation, *arguments in steps:
        getattr(configfs, operation)(*arguments)


def main(arguments: list[str]) -> int:
    """Do what the command line says."""
    words = [word for word in arguments if not word.startswith("--")]
    options = {key: value for key, _, value in
               (word.partition("=") for word in arguments if word.startswith("--"))}  # fmt: skip
    what = (words[0], len(words)) if words else ("", 0)
    if what == ("record", 3):
        record(words[1], words[2], options)
    elif what == ("replay", 2):
        replay(words[1], options)
    elif what == ("clear", 2):
        clear(words[1], options)
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
