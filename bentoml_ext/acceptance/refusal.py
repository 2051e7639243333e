"""Refusal: where a check differs first, how often, and what cures it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from bentoml_ext.acceptance.diagnosis import explained, reordered
from bentoml_ext.acceptance.measures import Measure
from bentoml_ext.acceptance.predictions import Predictions
from bentoml_ext.acceptance.scoring import Candidate, Scored
from bentoml_ext.acceptance.search import Search, changed
from bentoml_ext.arrays import Ints
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import BentoMLExtError, NotAccepted

__all__ = ["Refusal"]

EXPLAINED: Final = 16
EXPLAINED_ROWS: Final = 100_000
"""Readings that may explain the predictions, and rows to score under each: a larger file is judged
by its sample."""

FEW: Final = 0.05
FEWEST_MARKED: Final = 3
MARKS: Final = 4
"""Numbers of the differing rows that are tried as a marker for missing."""


class Refusal:
    """Why no reading that the user left open agrees.

    Args:
        search: which tried them.
        base: the reading that was decided; where it was not, the assumed one.
        choices: the values of each switch.
        found: the predictions.
    """

    def __init__(
        self,
        search: Search,
        base: Reading,
        choices: Mapping[str, Sequence[Any]],
        found: Predictions,
    ) -> None:
        self._search, self._base, self._choices = search, base, choices
        self._found = found
        self._count = len(search.check)

    def error(self) -> BentoMLExtError:
        """What to raise."""
        candidate = self._search.candidate(self._base)
        if candidate is None:
            cures = self._cures(None)
            error = self._search.refusals[self._base]
            return NotAccepted(f"{error} {self._cured(cures)}") if cures else error
        if missing := candidate.missing_fields:
            fault = self._without_fields(candidate, missing)
            return NotAccepted(" ".join(filter(None, [fault, self._cured(self._cures(None))])))
        whole = candidate.all()
        measure, same = self._search.nearest(whole, np.arange(self._count))
        odd = np.flatnonzero(~same)
        cures = self._cures((candidate, odd))
        cured = self._cured(cures) or self._explained(candidate, whole, measure, odd)
        fault = self._first(candidate, measure, whole, odd, cures)
        guess = f"Of the file's columns, {self._found.note}" if self._found.note else ""
        return NotAccepted(" ".join(filter(None, [fault, cured, guess])))

    def _first(
        self,
        candidate: Candidate,
        measure: Measure,
        whole: Scored,
        odd: Ints,
        cures: Sequence[Reading],
    ) -> str:
        row = int(odd[0])
        place = f"{self._search.check.given.place(row)} of {self._search.check.name}"
        alone = candidate.some(odd[:1])
        refused = int(whole.refused.sum())
        differ = f"{len(odd):,} of {self._count:,} rows differ"
        if refused:
            differ += f", {refused:,} of them refused"
        if 0 in alone.errors:
            error = alone.errors[0]
            where = f"field '{error.field}', " if error.field else ""
            hint = _hint(error.got)
            return (
                f"Expected {error.expected}, got {error.got} - at {where}{place}. {hint}{differ}."
            )
        field = self._field(candidate, odd[:1], cures)
        where = f"{field}, " if field else ""
        return (
            f"Expected the trainer's {measure.kind} {self._found.shown(row)}, got "
            f"{measure.shown(alone.margins)} - at {where}{place}. {differ}."
        )

    def _field(self, candidate: Candidate, row: Ints, cures: Sequence[Reading]) -> str:
        """The first field whose cells the cure changes."""
        cured = self._search.candidate(cures[0]) if cures else None
        if cured is None or cured.encoder.features != candidate.encoder.features:
            return ""
        before, after = candidate.some(row).rows, cured.some(row).rows
        same = (before[0] == after[0]) | (np.isnan(before[0]) & np.isnan(after[0]))
        return "" if same.all() else _field_of(candidate.encoder, int(np.argmin(same)))

    def _cures(self, differing: tuple[Candidate, Ints] | None) -> list[Reading]:
        """Readings of the fewest changed switches under which every row agrees."""
        choices = dict(self._choices)
        if differing is not None and "missing" in choices:
            choices["missing"] = [*choices["missing"], *self._marks(*differing)]
        return [one.reading for one in self._search.fewest(self._base, choices, choices)]

    def _marks(self, candidate: Candidate, odd: Ints) -> list[float]:
        """Numbers that every differing row has in some field: one may mean missing."""
        names = [field.name for field in candidate.encoder.fields if not field.categories]
        rows = odd[:: max(1, len(odd) // 64)]
        given = self._search.check.given.applications(rows, candidate.encoder.fields, ())
        if len(odd) < FEWEST_MARKED:
            # Any number of one row, called missing, changes that row.
            return []
        common: set[float] | None = None
        for application in given:
            values = (application.get(name) for name in names)
            numbers = {float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)}
            common = numbers if common is None else common & numbers
        known = {value for value in self._choices["missing"] if value is not None}
        return sorted((common or set()) - known)[:MARKS]

    def _cured(self, cures: Sequence[Reading]) -> str:
        if not cures:
            return ""
        switches = " or ".join(f"`{_switches(self._base, cure)}`" for cure in cures[:3])
        return f"{switches} cures it: all {self._count:,} rows agree."

    def _explained(self, candidate: Candidate, whole: Scored, measure: Measure, odd: Ints) -> str:
        """What the predictions may be, if no switch cures the difference."""
        good = np.flatnonzero(~whole.refused)
        if len(good) < self._count and measure.same(whole.margins[good], good).all():
            return f"No switch cures it.{_others(len(good))}"
        if len(good) and (
            reason := explained(self._found, measure, whole.margins[good], good)
            or self._under_another_reading()
        ):
            return reason
        rows = good[: len(self._search.sample)]
        scored = candidate.some(rows)
        reason = reordered(candidate, scored.rows, lambda margins: measure.same(margins, rows))
        agree = int(measure.same(whole.margins[good], good).sum())
        if not reason and len(odd) <= FEW * self._count:
            return f"No switch cures it.{_others(agree)} Were these predictions made by this model?"
        return reason or (
            "No switch cures it. Is this the model that made them? Are the features in the order "
            "of its columns? Are the applications as they were before any scaling or encoding?"
        )

    def _under_another_reading(self) -> str | None:
        for reading, sampled in list(self._search.failed.items())[:EXPLAINED]:
            rows, margins = sampled
            candidate = self._search.candidate(reading)
            if candidate is not None and self._count <= EXPLAINED_ROWS:
                rows, margins = np.arange(self._count), candidate.all().margins
            good = np.asarray(~np.isnan(margins).any(axis=1))
            if good.sum() < 3:
                continue
            scored = Scored(margins[good], ~good[good], np.empty((0, 0), np.float32))
            measure, same = self._search.nearest(scored, rows[good])
            switches = _switches(self._base, reading)
            if same.all() and len(good) > good.sum():
                return f"With `{switches}` all rows agree that are not refused."
            if reason := explained(self._found, measure, margins[good], rows[good]):
                return f"{reason} Besides, `{switches}` is needed." if switches else reason
        return None

    def _without_fields(self, candidate: Candidate, missing: Sequence[str]) -> str:
        names = list(self._search.check.given.names)
        lacking = ", ".join(f"'{name}'" for name in missing[:8])
        if len(missing) > 8:
            lacking += f" and {len(missing) - 8} more"
        text = (
            f"Expected a column for each field of the model, got none for {lacking} among "
            f"{', '.join(names[:40])} - at {self._search.check.name}."
        )
        folded = {name.strip().casefold(): name for name in names}
        near = [(folded[m.casefold()], m) for m in missing if m.casefold() in folded]
        if near:
            return f"{text} Rename '{near[0][0]}' to '{near[0][1]}'."
        if set(candidate.encoder.features) <= set(names):
            return (
                f"{text} The file holds rows of features: give the applications as clients send "
                "them, before they were encoded."
            )
        return text


def _others(count: int) -> str:
    return f" The other {count:,} rows agree." if count else ""


def _hint(got: str) -> str:
    if got == "NaN":
        return "JSON has no NaN: write null, as pandas does to Parquet. "
    return ""


def _field_of(encoder: Encoder, column: int) -> str:
    feature = encoder.features[column]
    names = [field.name for field in encoder.fields if feature.startswith(field.name)]
    return f"field '{max(names, key=len)}'" if names else f"column '{feature}'"


def _switches(base: Reading, other: Reading) -> str:
    """The options that turn one reading into another."""
    return Reading(**changed(base, other)).switches()
