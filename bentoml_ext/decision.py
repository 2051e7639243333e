"""Decision: margins become probabilities, statuses and bodies; the one place where they do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np

from bentoml_ext.arrays import Margins
from bentoml_ext.policy import Policy
from bentoml_ext.probability import first_margin_above, probabilities

__all__ = ["Answer", "Decider"]


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
        """The probability in the fewest digits that tell its float32."""
        return str(np.float32(self.probability))


class Decider:
    """Margins to answers under a policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        # Each band is one float32 margin, because the probability never falls as the margin rises.
        # Rising order, so that searchsorted counts the bands that a margin is in.
        crossings = [first_margin_above(band.above) for band in reversed(policy.bands)]
        self._crossings = np.array(crossings, np.float32)
        self._answers = policy.answers[::-1]
        key = msgspec.json.encode(policy.key)
        self._openings = {
            answer: b'{%b: %b, "probability": ' % (key, msgspec.json.encode(answer))
            for answer in policy.answers
        }

    def answers(self, margins: Margins) -> list[Answer]:
        """The answers to margins, in order.

        Args:
            margins: float32, (n,).
        """
        bands = np.searchsorted(self._crossings, margins, side="right")
        chances = probabilities(margins)
        columns = zip(bands.tolist(), chances.tolist(), margins.tolist(), strict=True)
        return [Answer(self._answers[band], chance, margin) for band, chance, margin in columns]

    def body(self, answer: Answer) -> bytes:
        """An answer as JSON."""
        return b"%b%b}" % (self._openings[answer.status], answer.shortest.encode())

    def body_of_batch(self, answers: Iterable[Answer]) -> bytes:
        """Answers as a JSON array."""
        return b"[%b]" % b", ".join(map(self.body, answers))
