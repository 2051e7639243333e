"""Asking: what a source does not say of itself, and what its splits contradict, is asked for."""

from __future__ import annotations

from bentoml_ext.boosters.xgb.questions import Questions
from bentoml_ext.boosters.xgb.spelling import OPTIONS
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import ImportRefused
from bentoml_ext.importers.source import Source

__all__ = ["ask", "ask_gaps"]


def ask(source: Source, reading: Reading) -> None:
    """Refuse a reading that leaves something open, or that the splits contradict.

    Raises:
        ImportRefused: says which options decide it.
    """
    reading = reading.over(source.said)
    questions = _questions(source, reading)
    if missing := _undecided(source, reading, questions):
        raise ImportRefused(
            questions.undecided(missing)
            + (_how_read(source, reading) if "absent" in missing else "")
        )
    if contradiction := questions.contradiction():
        raise ImportRefused(contradiction)
    ask_gaps(source, reading)


def ask_gaps(source: Source, reading: Reading, check: str = "") -> None:
    """Refuse a reading under which no application can lack what training lacked.

    Args:
        source: with its booster.
        reading: as far as it is decided.
        check: name of a file whose rows agree, and lack no number.

    Raises:
        ImportRefused: says which options decide what was missing there.
    """
    reading = reading.over(source.said)
    if reading.missing is not None or reading.null == "missing":
        return
    if gap := _questions(source, reading).gap(check):
        raise ImportRefused(gap)


def _questions(source: Source, reading: Reading) -> Questions:
    return Questions(
        source.file.booster,
        source.read(reading).encoder,
        source.name,
        OPTIONS,
        vectorizer=source.vectorizer,
        dense=source.is_dense,
    )


def _undecided(source: Source, reading: Reading, questions: Questions) -> list[str]:
    """Parts of a reading that matter here, that nobody decided, and that have no safe default.

    Without null or an unknown category decided, those values are refused, so they are safe.
    """
    matters = {
        "absent": not source.file.parting.isdisjoint(questions.one_hot),
        "rounds": source.stopped_early,
        "missing": questions.marker_is_open(reading.absent),
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
