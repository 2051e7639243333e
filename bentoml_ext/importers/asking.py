"""Asking: what a source does not say of itself, and what its splits contradict, is asked for."""

from __future__ import annotations

from typing import Final

from bentoml_ext.boosters.xgb.splits import of_ones_alone, of_zeros_and_ones
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.encoders.steps import Number, OneHot
from bentoml_ext.errors import ImportRefused
from bentoml_ext.importers.source import Source

__all__ = ["ask", "ask_gaps"]

REMEDIES: Final = {
    "absent": "--absent zero where training saw dense rows, such as DictVectorizer(sparse=False), "
    ".toarray() or pandas; --absent missing where XGBoost was given sparse rows",
    "missing": "--missing 0 where XGBoost was given sparse rows that keep no 0, as OneHotEncoder "
    "and scipy.sparse.hstack make them; --missing nan where 0 is a number as any other",
    "rounds": "--rounds best where the model predicts by its best iteration, as early stopping "
    "suggests; --rounds all where Booster.predict was called as it is",
}

GAPS: Final = (
    "Give --null missing where they were null or NaN. Give --missing NUMBER where a number stood "
    "for them, as missing=-1 of an estimator says, or 0 where sparse rows kept none. Give "
    "--missing nan where no application will lack it."
)

CHECK: Final = "--check FILE with your applications and your model's own predictions of them."


def ask(source: Source, reading: Reading) -> None:
    """Refuse a reading that leaves something open, or that the splits contradict.

    Raises:
        ImportRefused: says which options decide it.
    """
    if missing := _undecided(source, reading.over(source.said)):
        raise ImportRefused(
            f"Expected --{' and --'.join(missing)}, got none - at {source.name}, which does not "
            f"say it. Give {'; and '.join(REMEDIES[name] for name in missing)}. Or give {CHECK}"
            + (_how_read(source, reading) if "absent" in missing else "")
        )
    _contradict(source, reading.over(source.said))
    ask_gaps(source, reading)


def ask_gaps(source: Source, reading: Reading) -> None:
    """Refuse a reading under which no application can lack what training lacked.

    Raises:
        ImportRefused: says which options decide what was missing there.
    """
    reading = reading.over(source.said)
    if reading.missing is not None or reading.null == "missing":
        return
    becomes_zero = reading.null == "zero"
    nullable = {rule.name for rule in source.rules if rule.field.nullable and not becomes_zero}
    for step in source.steps(reading.separator or "="):
        if not isinstance(step, Number) or step.field in nullable:
            continue
        if step.column in source.file.gaps:
            raise ImportRefused(
                "Expected --null missing or --missing NUMBER, got "
                f"{'--null zero' if becomes_zero else 'neither'} - at column {step.column}, "
                f"'{source.features[step.column]}', of {source.name}: by its splits, training saw "
                f"missing values there. {GAPS} Or give --check FILE in which some of your "
                "applications lack it, with your model's own predictions."
            )


def _undecided(source: Source, reading: Reading) -> list[str]:
    """Parts of a reading that matter here, that nobody decided, and that have no safe default.

    Without null or an unknown category decided, those values are refused, so they are safe.
    """
    steps = source.steps(reading.separator or "=")
    numbers = {step.column for step in steps if isinstance(step, Number)}
    one_hot = {c for step in steps if isinstance(step, OneHot) for c in step.columns_filled}
    # A sparse matrix keeps no 0, but for the one that a DictVectorizer writes.
    sparse = reading.absent == "missing" and (source.is_dense or not source.vectorizer)
    matters = {
        "absent": not source.file.parting.isdisjoint(one_hot),
        "rounds": source.stopped_early,
        "missing": not numbers.isdisjoint(of_ones_alone(source.file.booster))
        or (bool(one_hot) and sparse and not numbers.isdisjoint(source.file.parting)),
    }
    return [name for name in matters if matters[name] and getattr(reading, name) is None]


def _how_read(source: Source, reading: Reading) -> str:
    """The column that is read as a category first, for users to whom it is a number."""
    separator = reading.over(source.said).separator or "="
    named = [name for name in source.features if separator in name]
    if source.vectorizer or not named:
        return ""
    field, _, category = named[0].partition(separator)
    return (
        f" Column '{named[0]}' is read as category '{category}' of field '{field}'. Where it "
        "is a number of its own, give --separator a text that no column has."
    )


def _contradict(source: Source, reading: Reading) -> None:
    """Refuse `absent` where the splits of a category's column show that it was the other.

    Raises:
        ImportRefused: names the column.
    """
    steps = source.steps(reading.separator or "=")
    one_hot = {c for step in steps if isinstance(step, OneHot) for c in step.columns.values()}
    booster = source.file.booster
    # Where 0 itself means missing, dense rows hold 1 and nothing else, too.
    lone = of_ones_alone(booster) if reading.missing != 0 else frozenset()
    for absent, saw, columns in (
        ("zero", "1 and nothing else, as in sparse rows", lone),
        ("missing", "0 and 1, as in dense rows", of_zeros_and_ones(booster, one_hot)),
    ):
        if reading.absent == absent and (odd := sorted(one_hot.intersection(columns))):
            other = f"--absent {'missing' if absent == 'zero' else 'zero'}"
            # Dense rows that lost the zeros of categories lost those of numbers, too.
            cure = "--missing 0" if absent == "zero" and source.is_dense else other
            raise ImportRefused(
                f"Expected {cure}, got --absent {absent} - at column {odd[0]}, "
                f"'{source.features[odd[0]]}', of {source.name}: by its splits, training saw "
                f"{saw}. Give {cure}, or {CHECK}"
            )
