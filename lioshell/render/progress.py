# SPDX-License-Identifier: Apache-2.0
"""A bar for long work, on a terminal; it leaves no trace when the work is done."""

from __future__ import annotations

import contextlib

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO


@contextlib.contextmanager
def progress_bar(stream: TextIO) -> Iterator[Callable[[int, int, str], None]]:
    """Return what is told the steps done, their number, and the name of the next one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name)

        yield show
