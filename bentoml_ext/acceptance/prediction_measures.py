"""Prediction measures: ways in which margins may agree with a value, a class or probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bentoml_ext.acceptance.measures import Mask, Measure, Numbers, measures
from bentoml_ext.acceptance.precision import precisions
from bentoml_ext.acceptance.predictions import Predictions
from bentoml_ext.arrays import Floats, Ints, Margins
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.base import Decider
from bentoml_ext.decisions.value_bands import ValueBandDecider
from bentoml_ext.decisions.worded import ClassDecider, ValueDecider
from bentoml_ext.errors import ConfigError, NotAccepted

__all__ = ["Labels", "measures_of", "width_of"]


@dataclass(frozen=True, eq=False)
class Labels(Measure):
    """The label of the predicted class.

    Args:
        codes: of each row, the place of its label in the policy.
        decider: of the policy.
    """

    codes: Ints
    decider: ClassDecider

    def same(self, margins: Margins, rows: Ints) -> Mask:
        return np.asarray(self._found(margins) == self.codes[rows])

    def shown(self, margins: Margins) -> str:
        return repr(self.decider.policy.labels[self._found(margins)[0]])

    def _found(self, margins: Margins) -> Ints:
        found: Ints = self.decider.columns(margins)[self.decider.policy.key]
        return found


def measures_of(found: Predictions, decider: Decider) -> list[Measure]:
    """Every way in which predictions may agree with a decider's answers, the strictest first."""
    if isinstance(decider, BandDecider):
        return measures(found, decider)
    if isinstance(decider, ValueDecider | ValueBandDecider):
        return _of_values(found, decider)
    if isinstance(decider, ClassDecider):
        return _of_classes(found, decider)
    raise ConfigError(
        f"Expected bands, a value or classes for a check, got {decider.policy} - at the model. "
        "Leave the check out: the proof compares the predictions with the booster's own."
    )


def width_of(decider: Decider) -> int | None:
    """How many numbers a whole prediction has; None of a log-odds, whose pair has one too many."""
    if isinstance(decider, BandDecider):
        return None
    return max(column.count for column in decider.schema.columns)


def _of_values(found: Predictions, decider: ValueDecider | ValueBandDecider) -> list[Measure]:
    """Every way in which predictions may be values, the strictest first.

    Raises:
        NotAccepted: words, or another count of numbers than the model predicts.
    """
    width = decider.schema.columns[0].count
    if found.words or (found.numbers.ndim == 2) is (width == 1):
        raise _unfit(f"{width} numbers a row" if width > 1 else "a number a row", found)

    def served(margins: Margins) -> Floats:
        predictions = decider.objective.served(margins)
        return predictions[:, 0] if width == 1 else predictions

    def raw(margins: Margins) -> Floats:
        return margins[:, 0] if width == 1 else margins

    how = precisions(found)
    asked = [Numbers.of("prediction", found.numbers, *one, served) for one in how]
    # Predictions of output_margin=True; a model may have one prediction of several margins.
    raws = [Numbers.of("margin", found.numbers, *one, raw) for one in how]
    return [*asked, *(raws if width == decider.n_margins else [])]


def _of_classes(found: Predictions, decider: ClassDecider) -> list[Measure]:
    """Every way in which predictions may be classes, the strictest first.

    Raises:
        NotAccepted: neither labels of the policy nor probabilities of its classes.
    """
    if found.numbers.ndim == 2:
        if not decider.policy.with_probabilities:
            raise _unfit("a label a row", found)
        served, numbers = decider.objective.served, found.numbers
        return [Numbers.of("probability", numbers, *one, served) for one in precisions(found)]
    words = found.words or [_word(number) for number in found.numbers.tolist()]
    if made := list(_of_labels(words, decider)):
        return made
    raise _unfit(
        f"labels of {', '.join(map(str, decider.policy.labels))}, or their probabilities", found
    )


def _word(number: float) -> str:
    """A whole number as its digits, whatever its size."""
    return str(int(number)) if number.is_integer() else f"{number:g}"


def _of_labels(words: Sequence[str], decider: ClassDecider) -> Iterator[Measure]:
    labels = tuple(map(str, decider.policy.labels))
    indices = tuple(map(str, range(len(labels))))
    ways = {
        "every label equal": labels,
        "every label equal but for capitals": tuple(label.casefold() for label in labels),
        "every index of a class equal": indices,
    }
    for agreement, names in ways.items():
        said = [word.casefold() for word in words] if "capitals" in agreement else words
        codes = {name: code for code, name in enumerate(names)}
        if len(codes) == len(labels) and set(said) <= codes.keys():
            yield Labels(np.array([codes[word] for word in said]), decider, agreement=agreement)


def _unfit(expected: str, found: Predictions) -> NotAccepted:
    return NotAccepted(
        f"Expected {expected}, got {found.shown(0)} - at column {found.column} of the predictions. "
        "Name the column with --prediction, or several with commas between; --policy FILE names "
        "the labels."
    )
