"""Accepting: a reading is accepted on the trainer's predictions, or refused with a cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from bentoml_ext.acceptance.blocks import encoded_blocks
from bentoml_ext.acceptance.check import Check
from bentoml_ext.acceptance.column import find_column
from bentoml_ext.acceptance.equivalence import fingerprint, probes
from bentoml_ext.acceptance.measures import Measure
from bentoml_ext.acceptance.prediction_measures import Labels, measures_of, width_of
from bentoml_ext.acceptance.predictions import Predictions, read_predictions
from bentoml_ext.acceptance.refusal import Refusal
from bentoml_ext.acceptance.scoring import Progress, Readable
from bentoml_ext.acceptance.search import Agreeing, Search
from bentoml_ext.arrays import Margins
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.base import Decider
from bentoml_ext.decisions.policy import Bands
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import BentoMLExtError, NotAccepted
from bentoml_ext.proof.record import Acceptance
from bentoml_ext.scoring.scorer import Scorer

__all__ = ["Accepted", "accept", "confirm"]

ALWAYS_NAMED: Final = ("absent", "rounds")
"""Switches without a default of their own."""

FEW_ROWS: Final = 30
SINGLY: Final = 64
"""Applications of a block that are answered one by one, too."""
COARSE: Final = 0.005
"""A tolerance from which on many a wrong reading would agree."""

REFUSING: Final[Mapping[str, Any]] = {"null": None, "unknown": "refuse", "missing": None}
"""Values that refuse what no row has, or score it as XGBoost does by itself: no user has to choose
them."""


@dataclass(frozen=True)
class Accepted:
    """A reading under which every row agrees.

    Args:
        reading: what was decided, and what the rows showed besides.
        acceptance: for the proof.
    """

    reading: Reading
    acceptance: Acceptance


def accept(
    check: Check,
    read: Callable[[Reading], Readable],
    reading: Reading,
    choices: Mapping[str, Sequence[Any]],
    policy: Bands | Decider,
    *,
    on_progress: Progress | None = None,
) -> Accepted:
    """Score a check's applications, from encoder to answer, and compare with its predictions.

    Args:
        check: the rows.
        read: the source under a reading: an xgboost Booster and an encoder.
        reading: what is decided.
        choices: for each switch that could matter, the values to try; the first is what `read`
            takes where nothing is decided. Null and unknown categories are then refused.
        policy: bands, or the decider of another policy; labels are compared with its answers.
        on_progress: called now and then with the rows that are done and all that there will be.

    Returns:
        The reading with what was undecided, found by the check.

    Raises:
        NotAccepted: a row differs, or is refused; says where, and which switch cures it. Or two
            readings agree with every row, and the user has to choose.
        UnreadableInput: a row is not an application, or has no prediction.
        BentoMLExtError: whatever `read` refuses, if it refuses every reading.
    """
    undecided = [name for name in choices if getattr(reading, name) is None]
    choices = {
        name: list(dict.fromkeys([REFUSING[name], *values]))
        if name in REFUSING and name in undecided
        else values
        for name, values in choices.items()
    }
    base = replace(reading, **{name: choices[name][0] for name in undecided})
    decider = BandDecider(policy) if isinstance(policy, Bands) else policy
    found, without = _predictions(check, [read, base, choices], decider)
    asked = measures_of(found, decider)
    search = Search(check, read, asked, without, on_progress, n_margins=decider.n_margins)
    agreeing = search.fewest(base, choices, undecided)
    if not agreeing:
        raise Refusal(search, base, choices, found).error()
    chosen = _the_one(search, agreeing, choices, undecided)
    shown = {
        name: value
        for name in undecided
        if not _refuses(name, value := getattr(chosen.reading, name))
        and (name in ALWAYS_NAMED or value != getattr(base, name))
    }
    notes = [f"The rows showed {Reading(**shown).switches()}."] if shown else []
    # A switch that keeps its assumed value is not shown by any row: it stays undecided.
    reading = replace(reading, **shown)
    return Accepted(reading, _acceptance(check, found, chosen.measure, reading, notes))


def confirm(check: Check, scorer: Scorer, reading: Reading | None = None) -> Acceptance:
    """The same comparison with what serves: a stored version's encoder, backend and policy.

    Args:
        check: the rows.
        scorer: of the version, on any backend.
        reading: how its source was read, for the result.

    Raises:
        NotAccepted: another answer, or a refused application; names the first row.
        UnreadableInput: as `accept`.
    """
    names = {field.name for field in scorer.encoder.fields}
    decider, width = scorer.decider, width_of(scorer.decider)
    columns, note = find_column(
        check.given.names, names, decider.policy.key, check.prediction, width
    )
    found = read_predictions(check.given, columns, note, width)
    asked = measures_of(found, decider)
    margins = _margins(scorer, check, columns)
    every = np.arange(len(check))
    same = [measure.same(margins, every) for measure in asked]
    agreed = [measure for measure, mask in zip(asked, same, strict=True) if mask.all()]
    if not agreed:
        measure, mask = max(zip(asked, same, strict=True), key=lambda pair: int(pair[1].sum()))
        row = int(np.argmin(mask))
        raise NotAccepted(
            f"Expected the trainer's {measure.kind} {found.shown(row)}, got "
            f"{measure.shown(margins[row : row + 1])} on {scorer.backend} - at "
            f"{check.given.place(row)} of {check.name}. {int((~mask).sum()):,} of {len(check):,} "
            "rows differ."
        )
    return _acceptance(check, found, agreed[0], reading or Reading(), [])


def _margins(scorer: Scorer, check: Check, columns: Sequence[str]) -> Margins:
    """Margins of the answers to all applications: in blocks, and the first of each singly, too.

    Raises:
        NotAccepted: a refused application, or one that is answered otherwise by itself.
    """
    margins = np.empty((len(check), scorer.decider.n_margins), np.float32)
    for start, encoded, count in encoded_blocks(scorer.encoder, check.given, columns):
        if encoded.refused:
            error = encoded.refused[0]
            place = check.given.place(start + (error.index or 0))
            raise NotAccepted(f"{error.reason}, {place} of {check.name}.")
        margins[start : start + count] = scorer.margins(encoded.rows)
        first = np.arange(start, start + min(count, SINGLY))
        answers = scorer.decider.answers(margins[first])
        for row, application in enumerate(
            check.given.applications(first, scorer.encoder.fields, columns)
        ):
            if (alone := scorer.classify(application)) != answers[row]:
                raise NotAccepted(
                    f"Expected {answers[row]}, got {alone} by itself - at "
                    f"{check.given.place(start + row)} of {check.name}."
                )
    return margins


def _predictions(
    check: Check, how: Sequence[Any], decider: Decider
) -> tuple[Predictions, Sequence[str]]:
    """The file's predictions, and the names of their columns.

    No field of an application holds them, however the source is read.
    """
    read, base, choices = how
    names: set[str] = set()
    first: BentoMLExtError | None = None
    for separator in dict.fromkeys([base.separator, *choices.get("separator", ())]):
        try:
            names |= {
                field.name for field in read(replace(base, separator=separator)).encoder.fields
            }
        except BentoMLExtError as error:
            first = first or error
    if not names and first is not None:
        raise first
    key, width = decider.policy.key, width_of(decider)
    columns, note = find_column(check.given.names, names, key, check.prediction, width)
    return read_predictions(check.given, columns, note, width), columns


def _the_one(
    search: Search,
    agreeing: Sequence[Agreeing],
    choices: Mapping[str, Sequence[Any]],
    undecided: Sequence[str],
) -> Agreeing:
    """The reading to take, if the rows leave no other that matters.

    Raises:
        NotAccepted: several that would answer other applications differently.
    """
    first, check = agreeing[0], search.check
    others = [*agreeing[1:], *_neighbours(search, first, choices, undecided)]
    encoder = first.found.encoder
    (known,) = check.given.applications(np.zeros(1, np.int64), encoder.fields, search.without)
    marks = [value for value in choices.get("missing", ()) if value is not None]
    asked, seen = probes(encoder.fields, known, marks), dict[int, bytes]()
    distinct = {fingerprint(first.found, asked, seen): first}
    for one in others:
        distinct.setdefault(fingerprint(one.found, asked, seen), one)
    left = list(distinct.values())
    if len(left) == 1:
        return first
    names = [name for name in choices if len({getattr(one.reading, name) for one in left}) > 1]
    several = [Reading(**{name: getattr(one.reading, name) for name in names}) for one in left[:4]]
    raise NotAccepted(
        f"Expected rows that show how the source is to be read, got {len(check):,} that agree with "
        f"{' and with '.join(f'`{one.switches()}`' for one in several)} - at {check.name}. "
        f"Say which it is, with {' and '.join(f'--{name}' for name in names)}, or add rows."
    )


def _neighbours(
    search: Search, first: Agreeing, choices: Mapping[str, Sequence[Any]], undecided: Sequence[str]
) -> Iterator[Agreeing]:
    """Agreeing readings that differ in one switch which nobody decided.

    A value that refuses what no row has needs no other to be ruled out.
    """
    for name in undecided:
        chosen = getattr(first.reading, name)
        for value in choices[name]:
            if value == chosen or _refuses(name, chosen) or _refuses(name, value):
                continue
            other = search.agrees(replace(first.reading, **{name: value}))
            if other is not None and other.place == first.place:
                yield other


def _refuses(name: str, value: Any) -> bool:
    """Whether nothing is scored otherwise than the user may expect under a value."""
    return name in REFUSING and (value in (REFUSING[name], None) or str(value) == "nan")


def _acceptance(
    check: Check, found: Predictions, measure: Measure, reading: Reading, notes: Sequence[str]
) -> Acceptance:
    return Acceptance(
        file=check.name,
        sha256=check.sha256,
        rows=len(check),
        column=found.column,
        kind=measure.kind,
        agreement=measure.agreement,
        tolerance=measure.tolerance,
        reading=reading.switches(),
        note=" ".join(filter(None, [found.note, *notes, *_limits(found, measure, len(check))])),
    )


def _limits(found: Predictions, measure: Measure, rows: int) -> Iterator[str]:
    """The limits of a check by such predictions, in sentences."""
    if rows < FEW_ROWS:
        yield f"{rows} rows are few: values that they do not have were not checked."
    if rows > 1 and len(np.unique(found.words or found.numbers, axis=0)) == 1:
        yield "All predictions are the same: they hardly distinguish one model from another."
    elif isinstance(measure, Labels):
        yield "Labels show which class is the most probable, and no more."
    elif measure.kind == "label":
        yield "Labels show on which side of a cut-off a row is, and no more."
    elif measure.tolerance >= COARSE:
        yield "Such coarse numbers distinguish two models only where these differ much."
