# SPDX-License-Identifier: Apache-2.0
"""The virtual machine by hand: python3 -m tests.kernel.vm build | run COMMAND | pytest | shell."""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.kernel.vm.errors import VmError
from tests.kernel.vm.guest import Guest
from tests.kernel.vm.image import ensure_image
from tests.kernel.vm.terminal import interactive_shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_TIMEOUT_S = 600.0


def main() -> int:
    """Do what the words ask for, and return the code to exit with."""
    arguments = _parser().parse_args()
    action: Callable[[argparse.Namespace], int] = arguments.action
    try:
        return action(arguments)
    except VmError as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tests.kernel.vm", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    build = actions.add_parser("build", help="make the image, if it is not there, and name it")
    build.set_defaults(action=_build)

    run = actions.add_parser("run", help="boot, run one shell command with the project there, end")
    run.add_argument("command")
    run.set_defaults(action=_run)

    pytest = actions.add_parser("pytest", help="boot, run pytest inside the guest, end")
    pytest.add_argument("arguments", nargs="+")
    pytest.set_defaults(action=_pytest)

    for action in (run, pytest):
        action.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT_S, metavar="SECONDS")

    shell = actions.add_parser(
        "shell", help="boot and join this terminal with a shell in the guest"
    )
    shell.set_defaults(action=_shell)
    return parser


def _build(_arguments: argparse.Namespace) -> int:
    image = ensure_image(say=_say)
    manifest = image.manifest()
    print(image.folder)
    _say(f"kernel {manifest['kernel']}, made in {manifest['build_seconds']} s")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    with _guest() as guest:
        result = guest.run(arguments.command, timeout_s=arguments.timeout)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    # A death by signal N is 128 + N, as a shell would say it.
    return result.rc if result.rc >= 0 else 128 - result.rc


def _pytest(arguments: argparse.Namespace) -> int:
    with _guest() as guest:
        report = guest.pytest(*arguments.arguments, timeout_s=arguments.timeout)
    sys.stdout.write(report.result.stdout)
    sys.stderr.write(report.result.stderr)
    return report.result.rc


def _shell(_arguments: argparse.Namespace) -> int:
    with _guest() as guest:
        _say(f"/share in the guest is {guest.share} here; `exit` or Ctrl-] leaves")
        interactive_shell(guest)
    return 0


@contextmanager
def _guest() -> Iterator[Guest]:
    with Guest.boot(ensure_image(say=_say), say=_say) as guest:
        guest.push_project()
        yield guest


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
