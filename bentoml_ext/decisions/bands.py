"""Bands: margins become probabilities, statuses and bodies; the one place where they do."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from bentoml_ext.arrays import Ints, Margins
from bentoml_ext.decisions.float_text import shortest, shortest_each
from bentoml_ext.decisions.policy import Policy
from bentoml_ext.objectives.logistic import first_margin_above, probabilities, probability

__all__ = ["Answer", "Decider"]

_FEW: Final = 24
"""Fewer margins are answered sooner one at a time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one application gets.

    Args:
        status: the policy's answer.
        probability: a float32 value.
        margin: a float32 value, log-odds.
    """

    status: str
    probability: float
    margin: float

    @property
    def shortest(self) -> str:
        """The probability in the fewest digits that give its float32."""
        return shortest(self.probability)


class Decider:
    """Margins to answers under a policy; `statuses` has them, that of the lowest band first."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        # Each band is one float32 margin, because the probability never falls as the margin rises.
        # Rising order, so that a search counts the bands that a margin is in.
        self._crossings = [first_margin_above(band.above) for band in reversed(policy.bands)]
        # Searched from the left, which finds NaN above none of them, as its probability is.
        self._below = [math.nextafter(crossing, -math.inf) for crossing in self._crossings]
        self.statuses = policy.answers[::-1]
        key = msgspec.json.encode(policy.key).decode()
        self._openings = [
            f'{{{key}: {msgspec.json.encode(status).decode()}, "probability": '
            for status in self.statuses
        ]
        openings = np.array([opening.encode() for opening in self._openings])
        layout = [("opening", openings.dtype), ("chance", "S14"), ("closing", "S3")]
        self._blanks = np.zeros(len(openings), layout)
        self._blanks["opening"] = openings

    def answer(self, margin: float) -> Answer:
        """The answer to one margin, a float32 value."""
        status = self.statuses[bisect_left(self._below, margin)]
        return Answer(status, probability(margin), margin)

    def answers(self, margins: Margins) -> list[Answer]:
        """The answers to margins, in order.

        Args:
            margins: float32, (n,).
        """
        statuses = [self.statuses[band] for band in self.bands(margins).tolist()]
        return list(map(Answer, statuses, probabilities(margins).tolist(), margins.tolist()))

    def body(self, margin: float) -> bytes:
        """The answer to one margin as JSON."""
        opening = self._openings[bisect_left(self._below, margin)]
        return f"{opening}{shortest(probability(margin))}}}".encode()

    def body_of_batch(self, margins: Margins) -> bytes:
        """The answers to margins as a JSON array, in order.

        Args:
            margins: float32, (n,).
        """
        return b"[" + self._bodies(margins, b", ").removesuffix(b", ") + b"]"

    def lines(self, margins: Margins) -> bytes:
        """The answers to margins as `body` has them, in order, a line feed after each.

        Args:
            margins: float32, (n,).
        """
        return self._bodies(margins, b"\n")

    def _bodies(self, margins: Margins, after: bytes) -> bytes:
        if len(margins) < _FEW:
            return b"".join([self.body(margin) + after for margin in margins.tolist()])
        rows = self._blanks.take(self.bands(margins))
        rows["chance"] = shortest_each(probabilities(margins))
        rows["closing"] = b"}" + after
        # NUL fills up what is shorter than its field, and JSON text never has one.
        return rows.tobytes().translate(None, b"\0")

    def bands(self, margins: Margins) -> Ints:
        """int64, (n,): the place of each margin's answer in `statuses`.

        Args:
            margins: float32, (n,).
        """
        bands = np.zeros(len(margins), np.int64)
        # For a few crossings sooner than a search; and NaN is above none of them.
        for crossing in self._crossings:
            bands += margins >= np.float32(crossing)
        return bands
