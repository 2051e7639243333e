"""Search: the readings of a source under which every row of a check agrees, found by trying."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from bentoml_ext.acceptance.check import Check
from bentoml_ext.acceptance.measures import Mask, Measure
from bentoml_ext.acceptance.scoring import Candidate, Oracles, Progress, Readable, Scored
from bentoml_ext.arrays import Ints, Margins
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import BentoMLExtError

__all__ = ["Agreeing", "Search", "changed"]

SHAPING: Final = frozenset({"separator", "null", "unknown"})
"""Switches that decide which applications are refused; no other cures a refusal."""

MOST_TRIALS: Final = 512
SAMPLE_ROWS: Final = 384
MORE_ROWS: Final = 64
"""Differing rows that join the sample when a reading agrees on the sample and not on all rows."""


@dataclass(frozen=True, eq=False)
class Agreeing:
    """A reading under which every row agrees.

    Args:
        reading: every switch of it decided.
        measure: how they agree.
        place: of the measure among all: the lower, the stricter.
        found: model and encoder.
    """

    reading: Reading
    measure: Measure
    place: int
    found: Readable


class Search:
    """Tries readings, each on a sample of the rows first.

    Args:
        check: the rows.
        read: a source under a reading.
        measures: how a row may agree, the strictest first.
        without: names of the columns outside an application.
        on_progress: called now and then.
        n_margins: of a row.

    `failed` keeps, of each reading that the sample was enough to refuse, the rows and their
    margins; `refusals` why a source cannot be read so.
    """

    def __init__(
        self,
        check: Check,
        read: Callable[[Reading], Readable],
        measures: Sequence[Measure],
        without: Sequence[str],
        on_progress: Progress | None = None,
        *,
        n_margins: int = 1,
    ) -> None:
        self.check, self.measures = check, measures
        self._read, self.without, self._on_progress = read, without, on_progress
        count = len(check)
        self.sample: Ints = np.unique(
            np.linspace(0, count - 1, min(count, SAMPLE_ROWS)).astype(np.int64)
        )
        self.refusals: dict[Reading, BentoMLExtError] = {}
        self.failed: dict[Reading, tuple[Ints, Margins]] = {}
        self._samples: dict[tuple[Reading, int], Scored | None] = {}
        self._candidates: dict[Reading, Candidate] = {}
        self._oracles = Oracles(n_margins)

    def candidate(self, reading: Reading) -> Candidate | None:
        """The source under a reading; None if it cannot be read so, `refusals` says why."""
        if reading in self.refusals:
            return None
        if reading not in self._candidates:
            try:
                found = self._read(reading)
                made = Candidate(found, self.check.given, self.without, self._oracles)
            except BentoMLExtError as error:
                self.refusals[reading] = error
                return None
            self._candidates[reading] = made
        return self._candidates[reading]

    def fewest(
        self, base: Reading, choices: Mapping[str, Sequence[Any]], names: Iterable[str]
    ) -> list[Agreeing]:
        """Readings with the fewest changes of `base` under which every row agrees.

        Args:
            base: tried first.
            choices: the values of each switch.
            names: the switches that may change.

        Returns:
            All of as many changes, by the strictest measure; empty if no reading agrees.
        """
        if (first := self.agrees(base)) is not None:
            return [first]
        found: list[Agreeing] = []
        ordered = sorted(self._promising(base, choices, set(names)), key=lambda one: one[0])
        for count, level in itertools.groupby(ordered[:MOST_TRIALS], key=lambda one: one[0]):
            found = [one for _, reading in level if (one := self.agrees(reading)) is not None]
            if found or count > len(choices):
                break
        strictest = min((one.place for one in found), default=0)
        return [one for one in found if one.place == strictest]

    def _promising(
        self, base: Reading, choices: Mapping[str, Sequence[Any]], names: set[str]
    ) -> Iterator[tuple[int, Reading]]:
        """Readings worth a trial, with how many switches they change."""
        shaping = {name: choices[name] for name in choices if name in names & SHAPING}
        others = {name: choices[name] for name in choices if name in names - set(shaping)}
        for shaped in self._shaped(base, shaping):
            effective = {name: self._effective(shaped, name, others[name]) for name in others}
            for reading in [shaped, *_combinations(shaped, effective)]:
                yield len(changed(base, reading)), reading

    def _shaped(self, base: Reading, shaping: Mapping[str, Sequence[Any]]) -> list[Reading]:
        """Readings that refuse the fewest applications, of each kind of row the least changed."""
        best: dict[bytes, Reading] = {}
        fewest = len(self.sample) + 1
        for reading in [base, *_combinations(base, shaping)][:MOST_TRIALS]:
            scored = self._sampled(reading)
            refused = fewest if scored is None else int(scored.refused.sum())
            if scored is None or refused > fewest:
                continue
            if refused < fewest:
                best, fewest = {}, refused
            best.setdefault(scored.margins.tobytes(), reading)
        return list(best.values())

    def _effective(self, shaped: Reading, name: str, values: Sequence[Any]) -> list[Any]:
        """Values of a switch that change a margin of the sample: no other can cure one."""
        before, kinds = self._sampled(shaped), []
        for value in values:
            after = self._sampled(replace(shaped, **{name: value}))
            if before is None or (
                after is not None and before.margins.tobytes() != after.margins.tobytes()
            ):
                kinds.append(value)
        return kinds

    def _sampled(self, reading: Reading) -> Scored | None:
        """The sample under a reading; None if the source cannot be read so, or lacks a field."""
        key = (reading, len(self.sample))
        if key not in self._samples:
            candidate = self.candidate(reading)
            is_whole = candidate is not None and not candidate.missing_fields
            scored = candidate.some(self.sample) if candidate and is_whole else None
            # Rows of thousands of features would fill the memory.
            nothing = np.empty((0, 0), np.float32)
            self._samples[key] = None if scored is None else replace(scored, rows=nothing)
        return self._samples[key]

    def agrees(self, reading: Reading) -> Agreeing | None:
        """How every row agrees under a reading, or None."""
        sampled, candidate = self._sampled(reading), self.candidate(reading)
        if sampled is None or candidate is None:
            return None
        if self._measure(sampled, self.sample) is None:
            self.failed[reading] = (self.sample, sampled.margins)
            return None
        everything = np.arange(len(self.check))
        whole = sampled
        if len(self.sample) < len(everything):
            whole = candidate.all(self._on_progress)
        elif self._on_progress is not None:
            self._on_progress(len(everything), len(everything))
        place = self._measure(whole, everything)
        if place is None:
            odd = everything[whole.refused | ~self.nearest(whole, everything)[1]][:MORE_ROWS]
            self.sample = np.union1d(self.sample, odd)
            return None
        return Agreeing(reading, self.measures[place], place, candidate)

    def nearest(self, scored: Scored, rows: Ints) -> tuple[Measure, Mask]:
        """The measure that most rows keep, and which rows do."""
        kept = [measure.same(scored.margins, rows) & ~scored.refused for measure in self.measures]
        # Of zeros and ones that agree with nothing, labels are the likelier meaning.
        best = max(
            range(len(kept)),
            key=lambda place: (
                int(kept[place].sum()),
                self.measures[place].kind == "label",
                -place,
            ),
        )
        return self.measures[best], kept[best]

    def _measure(self, scored: Scored, rows: Ints) -> int | None:
        if scored.refused.any():
            return None
        agreed = (
            place
            for place, measure in enumerate(self.measures)
            if measure.same(scored.margins, rows).all()
        )
        return next(agreed, None)


def changed(base: Reading, other: Reading) -> dict[str, Any]:
    """The switches in which a reading differs from another, with its own values."""
    pairs = (
        (part.name, getattr(base, part.name), getattr(other, part.name)) for part in fields(base)
    )
    return {name: value for name, before, value in pairs if not _equal(before, value)}


def _combinations(base: Reading, choices: Mapping[str, Sequence[Any]]) -> Iterator[Reading]:
    """Readings with other values than `base` has: of one switch first, then of two, ..."""
    others = {
        name: [value for value in values if not _equal(value, getattr(base, name))]
        for name, values in choices.items()
    }
    for count in range(1, len(others) + 1):
        for names in itertools.combinations(others, count):
            for values in itertools.product(*(others[name] for name in names)):
                yield replace(base, **dict(zip(names, values, strict=True)))


def _equal(one: Any, other: Any) -> bool:
    return bool(_known(one) == _known(other))


def _known(value: Any) -> Any:
    """NaN as a marker says as much as none."""
    return None if isinstance(value, float) and math.isnan(value) else value
