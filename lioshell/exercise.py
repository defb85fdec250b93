# SPDX-License-Identifier: Apache-2.0
"""`lioshell exercise user:SUBTYPE [CONFIG]`: a handler tried out without a kernel, as any user."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass

from lioshell.errors import ConflictError, ExitCode, UsageError
from lioshell.model.sizes import format_size, parse_size
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lioshell.render.output import Output
    from lioshell.runner.handlers.base import Handler
    from lioshell.testing.initiator import Initiator

_PARTS = ("conformance", "verify", "benchmark")
_KEEPS_NOTHING = ("does not apply", "it keeps nothing that is written")
_FORM = "lioshell exercise user:SUBTYPE [CONFIG] [size=64M] [block=512] [seconds=2] [only=PART]"


@dataclass(frozen=True)
class Plan:
    """What is to be exercised, and how."""

    subtype: str
    config: str | None
    size_bytes: int = 64 << 20
    block_size_bytes: int = 512
    seconds: float = 2.0
    seed: int = 1
    parts: tuple[str, ...] = _PARTS


def parse(words: Sequence[str]) -> Plan:
    """Return the plan that the words behind `exercise` ask for. Raises UsageError."""
    positional = []
    named: dict[str, str] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if separator and key in ("size", "block", "seconds", "seed", "only"):
            named[key] = value
        else:
            positional.append(word)
    if not positional or len(positional) > 2 or not positional[0].startswith("user:"):
        raise UsageError("exercise: which handler?", hint=f"Type: {_FORM}")
    only = named.get("only")
    if only is not None and only not in _PARTS:
        raise UsageError(
            f"exercise: there is no part {only!r}", hint="Give conformance, verify or benchmark."
        )
    size_bytes = parse_size(named.get("size", "64M"))
    if size_bytes < 4 << 20:
        raise UsageError("exercise: the checks need more room", hint="Give size=4M or more.")
    return Plan(
        positional[0].removeprefix("user:"),
        positional[1] if len(positional) > 1 else None,
        size_bytes,
        int(_number(named.get("block", "512"), "block")),
        _number(named.get("seconds", "2"), "seconds"),
        int(_number(named.get("seed", "1"), "seed")),
        _PARTS if only is None else (only,),
    )


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise UsageError(f"exercise: {name}={text} is no number", hint=f"As in {name}=1.")
    return value


def exercise(plan: Plan, out: Output, *, overwrite: bool) -> int:
    """Run the parts and show a table; return the exit code.

    Storage that exists already is written to only with `overwrite`. Raises LioshellError.
    """
    from lioshell.runner.handlers import registry

    with _storage(plan, overwrite=overwrite) as open_disk:
        rows: list[tuple[str, str, str]] = []
        handler = registry.find(plan.subtype)
        if "conformance" in plan.parts:
            rows += _conformance(open_disk, keeps_data=handler.keeps_data)
        if "verify" in plan.parts:
            rows.append(_verify(plan, open_disk, handler))
        if "benchmark" in plan.parts:
            rows += _benchmark(plan, open_disk)
    out.table(("part", "result", "of"), rows)
    out.finish("exercise")
    return ExitCode.FAILED if any(row[1] == "FAILED" for row in rows) else ExitCode.OK


@contextlib.contextmanager
def _storage(plan: Plan, *, overwrite: bool) -> Iterator[Callable[[], Initiator]]:
    """Make the storage and yield what opens a disk on it; remove what was made."""
    from lioshell.runner.handlers import registry
    from lioshell.runner.handlers.base import nothing_made
    from lioshell.testing.initiator import Initiator

    handler = registry.require(plan.subtype)
    with tempfile.TemporaryDirectory(prefix="lioshell-exercise-") as folder:
        config = plan.config if plan.config is not None else _scratch(handler, folder)
        registry.for_new(plan.subtype, config)
        block_size_bytes = handler.block_size_of(config, plan.block_size_bytes)
        undo = handler.prepare(config, plan.size_bytes, block_size_bytes)
        if undo is nothing_made and not overwrite:
            raise ConflictError(
                f"{config} exists already, and its contents would be overwritten",
                hint="If they may be lost, type it with: lioshell --yes exercise ...",
            )
        try:
            yield lambda: Initiator.of(
                f"{plan.subtype}/{config}", plan.size_bytes, block_size_bytes
            )
        finally:
            undo()


def _scratch(handler: type[Handler], folder: str) -> str:
    config = handler.scratch_config(folder)
    if config is None:
        raise UsageError(
            f"exercise: user:{handler.subtype} wants a configuration",
            hint=f"Give it behind the subtype: {handler.config_help}.",
        )
    return config


def _conformance(
    open_disk: Callable[[], Initiator], *, keeps_data: bool
) -> list[tuple[str, str, str]]:
    from lioshell.testing.conformance import DATA_CHECKS, checks_of
    from lioshell.testing.initiator import CommandFailedError

    rows = []
    with open_disk() as disk:
        checks = checks_of(disk)
    for check in checks:
        name = check.__name__.replace("_", " ")
        if check in DATA_CHECKS and not keeps_data:
            rows.append((name, *_KEEPS_NOTHING))
            continue
        with open_disk() as disk:
            try:
                reason = check(disk)
            except CommandFailedError as error:
                rows.append((name, "FAILED", str(error)))
            else:
                rows.append((name, "ok" if reason is None else "does not apply", reason or ""))
    return rows


def _verify(
    plan: Plan, open_disk: Callable[[], Initiator], handler: type[Handler]
) -> tuple[str, str, str]:
    from lioshell.testing.initiator import CommandFailedError
    from lioshell.testing.verify import verify

    if not handler.keeps_data:
        return ("verify", *_KEEPS_NOTHING)
    try:
        if handler.lasts:
            commands, compared = verify(open_disk, plan.seconds, plan.seed)
        else:
            with open_disk() as disk:
                same = contextlib.nullcontext(disk)
                commands, compared = verify(lambda: same, plan.seconds, plan.seed)
    except CommandFailedError as error:
        return ("verify", "FAILED", f"{error} (seed={plan.seed})")
    return ("verify", "ok", f"{commands} commands, {format_size(compared)} compared")


def _benchmark(plan: Plan, open_disk: Callable[[], Initiator]) -> list[tuple[str, str, str]]:
    from lioshell.testing.benchmark import benchmark
    from lioshell.testing.initiator import CommandFailedError

    with open_disk() as disk:
        try:
            figures = benchmark(disk, plan.seconds)
        except CommandFailedError as error:
            return [("benchmark", "FAILED", str(error))]
    return [
        (
            f"{figure.name}, {format_size(figure.size_bytes)}, {figure.depth} in flight",
            f"{figure.commands_per_s:.0f}/s",
            f"{format_size(int(figure.bytes_per_s))}/s",
        )
        for figure in figures
    ]
