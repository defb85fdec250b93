# SPDX-License-Identifier: Apache-2.0
"""One measurement, how it is kept, and what becomes of several rounds of it: their median."""

from __future__ import annotations

import json
import os
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Sample:
    """What one contestant reached in one figure of one round.

    `values` maps a name with its unit (iops, cpu_us, p99_us, seconds) to a number. A contestant
    that could not be measured has `failed`, the reason in words, and no values.
    """

    figure: str
    contestant: str
    round: int
    values: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""


class Recorder:
    """Writes samples to a file, each at once: what was measured outlives whoever measured it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def add(self, figure: str, contestant: str, number: int, **values: float) -> None:
        """Keep one measurement."""
        self._write(Sample(figure, contestant, number, values))

    def fail(self, figure: str, contestant: str, number: int, reason: str) -> None:
        """Keep why there is none; the text is cut to what a table can show."""
        self._write(Sample(figure, contestant, number, failed=" ".join(reason.split())[:300]))

    def _write(self, sample: Sample) -> None:
        self._file.write(json.dumps(asdict(sample)) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def parse(lines: Iterable[str]) -> list[Sample]:
    """Return the samples of a recorder's file; a last line that was cut off is left out."""
    samples = []
    for line in lines:
        if not line.endswith("\n"):
            break
        samples.append(Sample(**json.loads(line)))
    return samples


class Results:
    """Samples, looked at by figure and contestant."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._values: dict[tuple[str, str, str], list[float]] = {}
        self._failed: dict[tuple[str, str], str] = {}
        figures: dict[str, None] = {}
        contestants: dict[str, None] = {}
        for sample in samples:
            figures[sample.figure] = contestants[sample.contestant] = None
            if sample.failed:
                self._failed[sample.figure, sample.contestant] = sample.failed
            for name, value in sample.values.items():
                key = sample.figure, sample.contestant, name
                self._values.setdefault(key, []).append(value)
        self.figures = tuple(figures)
        """In the order in which they were measured first."""
        self.contestants = tuple(contestants)

    def median(self, figure: str, contestant: str, name: str) -> float | None:
        """The median of all rounds, None where nothing was measured."""
        values = self._values.get((figure, contestant, name))
        return statistics.median(values) if values else None

    def rounds(self, figure: str, contestant: str, name: str) -> int:
        """How many rounds that median is of."""
        return len(self._values.get((figure, contestant, name), ()))

    def spread(self, figure: str, contestant: str, name: str) -> float | None:
        """How far the rounds are apart: the largest less the least, as a part of the median."""
        values = self._values.get((figure, contestant, name))
        median = self.median(figure, contestant, name)
        return (max(values) - min(values)) / median if values and median else None

    def ratio(self, figure: str, contestant: str, peer: str, name: str) -> float | None:
        """The median of one as a multiple of the peer's, None where one of them is missing."""
        own, other = (self.median(figure, who, name) for who in (contestant, peer))
        return own / other if own is not None and other else None

    def failure(self, figure: str, contestant: str) -> str:
        """Why a contestant has no value, or empty."""
        return self._failed.get((figure, contestant), "")
