"""Bands: margins become probabilities, statuses and bodies; the one place where they do."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from bentoml_ext.arrays import Bools, Ints, Margins, Predictions
from bentoml_ext.decisions.base import AnswerSchema, Column, Columns, Decider
from bentoml_ext.decisions.checked import Label
from bentoml_ext.decisions.float_text import shortest, shortest_each
from bentoml_ext.decisions.policy import Bands
from bentoml_ext.objectives.logistic import first_margin_above, probabilities, probability

__all__ = ["PROBABILITY", "Answer", "BandDecider"]

PROBABILITY: Final = "probability"

_FEW: Final = 24
"""Fewer margins are answered sooner one at a time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one application gets.

    Args:
        status: the policy's answer, a text or a whole number.
        probability: a float32 value.
        margin: a float32 value, log-odds.
    """

    status: Label
    probability: float
    margin: float

    @property
    def shortest(self) -> str:
        """The probability in the fewest digits that give its float32."""
        return shortest(self.probability)


class BandDecider(Decider):
    """Margins to answers under a policy; `statuses` has them, that of the lowest band first."""

    def __init__(self, policy: Bands) -> None:
        self.policy: Bands = policy
        # Each band is one float32 margin, because the probability never falls as the margin rises.
        # Rising order, so that a search counts the bands that a margin is in.
        self._crossings = [first_margin_above(band.above) for band in reversed(policy.bands)]
        # Searched from the left, which finds NaN above none of them, as its probability is.
        self._below = [math.nextafter(crossing, -math.inf) for crossing in self._crossings]
        self.statuses = policy.answers[::-1]
        status = Column(policy.key, "text", "The policy's answer.", self.statuses)
        self.schema = AnswerSchema((status, Column(PROBABILITY, "number", minimum=0, maximum=1)))
        self._bounds = np.array([band.above for band in reversed(policy.bands)], np.float32)
        key = msgspec.json.encode(policy.key).decode()
        self._openings = [
            f'{{{key}: {msgspec.json.encode(status).decode()}, "probability": '
            for status in self.statuses
        ]
        openings = np.array([opening.encode() for opening in self._openings])
        layout = [("opening", openings.dtype), ("probability", "S14"), ("closing", "S3")]
        self._blanks = np.zeros(len(openings), layout)
        self._blanks["opening"] = openings

    def answer(self, margins: Margins) -> Answer:
        """The answer to one margin: float32, (1, 1)."""
        margin: float = margins.item()
        status = self.statuses[bisect_left(self._below, margin)]
        return Answer(status, probability(margin), margin)

    def answers(self, margins: Margins) -> list[Answer]:
        """The answers to margins, in order.

        Args:
            margins: float32, (n, 1).
        """
        statuses = [self.statuses[band] for band in self.bands(margins).tolist()]
        column = margins[:, 0]
        return list(map(Answer, statuses, probabilities(column).tolist(), column.tolist()))

    def body(self, margins: Margins) -> bytes:
        """The answer to one margin, float32, (1, 1), as JSON."""
        return self._body(margins.item())

    def _body(self, margin: float) -> bytes:
        opening = self._openings[bisect_left(self._below, margin)]
        return f"{opening}{shortest(probability(margin))}}}".encode()

    def bodies(self, margins: Margins, end: bytes) -> bytes:
        """The answers to margins as `body` has them, in order.

        Args:
            margins: float32, (n, 1).
            end: what follows each answer, at most two bytes.
        """
        if len(margins) < _FEW:
            return b"".join([self._body(margin) + end for margin in margins[:, 0].tolist()])
        rows = self._blanks.take(self.bands(margins))
        rows["probability"] = shortest_each(probabilities(margins[:, 0]))
        rows["closing"] = b"}" + end
        # NUL fills up what is shorter than its field, and JSON text never has one.
        return rows.tobytes().translate(None, b"\0")

    def each(self, margins: Margins) -> list[bytes]:
        # Between requests the caches are cold: numpy's many calls then take longer than these.
        return list(map(self._body, margins[:, 0].tolist()))

    def columns(self, margins: Margins) -> Columns:
        return {
            self.policy.key: self.bands(margins),
            PROBABILITY: probabilities(margins[:, 0]),
        }

    def lost(self, margins: Margins) -> Bools:
        found: Bools = np.isnan(margins[:, 0])
        return found

    def decide(self, predictions: Predictions) -> Ints:
        # As the policy reads: each probability in float32 with each bound.
        counted: Ints = (predictions > self._bounds).sum(axis=1)
        return counted

    def bands(self, margins: Margins) -> Ints:
        """int64, (n,): the place of each margin's answer in `statuses`.

        Args:
            margins: float32, (n, 1).
        """
        column = margins[:, 0]
        bands = np.zeros(len(margins), np.int64)
        # For a few crossings sooner than a search; and NaN is above none of them.
        for crossing in self._crossings:
            bands += column >= np.float32(crossing)
        return bands
