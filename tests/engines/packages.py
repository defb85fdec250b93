# SPDX-License-Identifier: Apache-2.0
"""Debian packages that the engines tier needs: declared by each file, installed in one go.

A test file says at its top what its engine is made of:

    from tests.engines.packages import needs

    pytestmark = needs("qemu-utils", "python3-libnbd")

All that is missing is installed by one call of apt before the first test of the run (as root).
Where that is not possible the file's tests are skipped with the reason, and in CI they fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = "needs_packages"
DIST_PACKAGES = "/usr/lib/python3/dist-packages"
"""Where Debian has its Python modules: a virtual environment does not look there."""

_APT_TIMEOUT_S = 900
_OPTIONS = ("-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold")
"""A question would wait for ever where there is no terminal."""


def needs(*packages: str) -> pytest.MarkDecorator:
    """Return the mark of tests that want these packages of Debian."""
    return getattr(pytest.mark, MARK)(*packages)


def missing(packages: Iterable[str]) -> list[str]:
    """Return those of some packages that are not unpacked on this machine.

    Unpacked is enough: without a system bus the last step of ceph's and sudo's installation fails,
    and their programs are there all the same.
    """
    wanted = sorted(set(packages))
    command = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return wanted
    there = dict(line.split(" ", 1) for line in answer.splitlines() if " " in line)
    present = ("installed", "half-configured", "unpacked", "triggers-pending", "triggers-awaited")
    return [name for name in wanted if there.get(name) not in present]


def install(packages: Iterable[str]) -> str:
    """Install what is missing; return why that is not possible, "" where all is there."""
    absent = missing(packages)
    if not absent:
        return ""
    if os.geteuid() != 0:
        return f"as root: apt-get install {' '.join(absent)}"
    _apt_get("update")
    told = _apt_get("install", *_OPTIONS, *absent)
    # One name that nobody knows keeps apt-get from all the others.
    for name in missing(absent) if len(absent) > 1 else ():
        told = _apt_get("install", *_OPTIONS, name)
    absent = missing(absent)
    return f"apt-get cannot install {' '.join(absent)}: {told}" if absent else ""


def _apt_get(*words: str) -> str:
    """Run apt-get and return the last line of what it complains of."""
    try:
        done = subprocess.run(
            ["apt-get", "-qq", *words],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_APT_TIMEOUT_S,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else ""


def see_debian_modules() -> None:
    """Let this process import Debian's modules (rbd, nbd), behind all that it has of its own."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    same = os.path.exists(f"/usr/bin/python{version}")
    if same and DIST_PACKAGES not in sys.path and os.path.isdir(DIST_PACKAGES):
        sys.path.append(DIST_PACKAGES)
