"""Reference decisions: the answers of a policy, found in another way than the Decider's."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from bentoml_ext.arrays import Ints, Margins, Predictions, Rows
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.base import Decider, array_of
from bentoml_ext.decisions.policy import Bands
from bentoml_ext.objectives.logistic import SIGMOID_CAP, first_margin_above
from bentoml_ext.proof.bits import BitComparison

__all__ = [
    "FUSED_ONLY",
    "answered",
    "bodies",
    "compare_columns",
    "compare_decider",
    "margins_at_crossings",
]

FUSED_ONLY: Final = float.fromhex("-0x1.04845ep+5")
"""The only margin whose exponential shows whether expf has a fused multiply-add."""

# From 16.6 or 20 on the probability is 1, from -9.2 down its text has an exponent.
_FORMULAS: Final = (0.0, 16.635532, 20.0, -9.21024, FUSED_ONLY, -SIGMOID_CAP)
_EXPONENT: Final = np.float32(1e16)
_ENDS: Final = (math.inf, -math.inf, 3.4028235e38, -3.4028235e38)


def bodies(decider: Decider, predictions: Predictions) -> list[str]:
    """The JSON of each answer by Python's own, each number as numpy writes a float32: (n,) texts.

    Args:
        decider: whose decisions by the predictions are taken, and whose schema.
        predictions: float32, (n, m), the booster's.
    """
    # Rows share predictions, and numpy takes long to write a number.
    if not len(predictions):
        return []
    bits = np.ascontiguousarray(predictions).view(np.uint32)
    _, first, places = np.unique(bits, axis=0, return_index=True, return_inverse=True)
    distinct = predictions[first]
    decided = decider.decide(distinct)
    texts = [_body(decider, distinct, decided, row) for row in range(len(distinct))]
    return [texts[place] for place in places.reshape(-1).tolist()]


def _body(decider: Decider, predictions: Predictions, decided: Ints | None, row: int) -> str:
    numbers = [_number(number) for number in predictions[row]]
    pairs = []
    for column in decider.schema.columns:
        if column.kind == "text" and decided is not None:
            value = _json(column.values[decided[row]])
        elif column.kind == "number":
            value = numbers[0]
        elif column.each:
            each = zip(map(_json, column.each), numbers, strict=True)
            value = "{" + ", ".join(f"{name}: {number}" for name, number in each) + "}"
        else:
            value = f"[{', '.join(numbers)}]"
        pairs.append(f"{_json(column.name)}: {value}")
    return "{" + ", ".join(pairs) + "}"


def _number(number: np.float32) -> str:
    """As numpy writes it; some of its releases write an exponent from 1e6 on, and not from 1e16."""
    text = str(number)
    is_whole = "e+" in text and abs(number) < _EXPONENT
    return np.format_float_positional(number, trim="0") if is_whole else text


def _json(value: str | int) -> str:
    return json.dumps(value, ensure_ascii=False)


def answered(
    decider: Decider, margins: Margins, predictions: Predictions, rows: Rows | None
) -> tuple[Margins, Predictions, Rows | None]:
    """Those of them that have an answer."""
    if not (lost := decider.lost(margins)).any():
        return margins, predictions, rows
    return margins[~lost], predictions[~lost], None if rows is None else rows[~lost]


def compare_columns(
    comparison: BitComparison,
    decider: Decider,
    margins: Margins,
    predictions: Predictions,
    rows: Rows | None = None,
) -> bool:
    """Compare numbers and decisions that a decider makes of margins with the predictions.

    Args:
        comparison: where the result goes.
        decider: the one that answers.
        margins: float32, (n, n_margins).
        predictions: float32, (n, m), of these margins, not by the decider.
        rows: (n, n_features), that the margins are of, if they are of any.

    Returns:
        Whether every decision is as expected.
    """
    margins, predictions, rows = answered(decider, margins, predictions, rows)
    found, expected = decider.columns(margins), decider.decide(predictions)
    for column in decider.schema.numbers:
        numbers = predictions if column.kind == "numbers" else predictions[:, 0]
        comparison.compare(column.name, numbers, found[column.name], rows)
    if (text := decider.schema.text) is None or expected is None:
        return True
    comparison.decide(expected, found[text.name], text.values, rows)
    return bool((expected == found[text.name]).all())


def compare_decider(
    comparison: BitComparison,
    decider: Decider,
    margins: Margins,
    predictions: Predictions,
    rows: Rows | None = None,
    *,
    singly: bool = False,
) -> None:
    """Compare all that a decider makes of margins with the predictions.

    Args:
        comparison, decider, margins, predictions, rows: as `compare_columns`.
        singly: whether its ways for one row are judged, too.
    """
    # The other ways look a wrong band up, which may not be there.
    if not compare_columns(comparison, decider, margins, predictions, rows):
        return
    margins, predictions, rows = answered(decider, margins, predictions, rows)
    if isinstance(decider, BandDecider):
        _compare_answers(comparison, decider, margins, predictions, rows, singly=singly)
    expected = bodies(decider, predictions)
    texts = [decider.bodies(margins, b"\n").decode().split("\n")[:-1]]
    if singly:
        texts.append([decider.body(margin).decode() for margin in margins[:, None]])
    for found in texts:
        comparison.texts("body", expected, found, rows)
    whole = [f"[{', '.join(expected)}]", array_of(decider, margins).decode()]
    if whole[0] != whole[1]:
        place = next((i for i, pair in enumerate(zip(*whole, strict=False)) if len({*pair}) > 1), 0)
        whole = [text[max(place - 80, 0) : place + 80] for text in whole]
    comparison.texts("body of a batch", whole[:1], whole[1:])


def _compare_answers(
    comparison: BitComparison,
    decider: BandDecider,
    margins: Margins,
    probabilities: Predictions,
    rows: Rows | None,
    *,
    singly: bool,
) -> None:
    """The answers to Python callers."""
    statuses = [str(decider.statuses[band]) for band in decider.decide(probabilities).tolist()]
    ways = [decider.answers(margins)]
    if singly:
        ways.append([decider.answer(margin) for margin in margins[:, None]])
    for answers in ways:
        found = [str(answer.status) for answer in answers]
        comparison.texts("status", statuses, found, rows)
        probability = np.array([[answer.probability] for answer in answers], np.float32)
        comparison.compare("probability", probabilities, probability, rows)
        margin = np.array([[answer.margin] for answer in answers], np.float32)
        comparison.compare("margin", margins, margin, rows)


def margins_at_crossings(policy: Bands, steps: int) -> Margins:
    """float32, (n, 1): around the crossing of each band and each change of the sigmoid's formula.

    Args:
        policy: its bands.
        steps: neighbours to either side; a crossing that is wrong by less is found.
    """
    centres = [first_margin_above(band.above) for band in policy.bands] + list(_FORMULAS)
    near = [list(_near(np.float32(centre), steps)) for centre in centres]
    return np.array([*itertools.chain(*near), *_ENDS], np.float32)[:, None]


def _near(centre: np.float32, steps: int) -> Iterator[np.float32]:
    yield centre
    for end in (-np.inf, np.inf):
        margin = centre
        for _ in range(steps):
            yield (margin := np.nextafter(margin, np.float32(end)))
