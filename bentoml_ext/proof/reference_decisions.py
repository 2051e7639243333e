"""Reference decisions: the answers of a policy, found in another way than the Decider's."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from bentoml_ext.arrays import Floats, Ints, Margins, Rows
from bentoml_ext.decisions.bands import Decider
from bentoml_ext.decisions.policy import Policy
from bentoml_ext.objectives.logistic import SIGMOID_CAP, first_margin_above
from bentoml_ext.proof.bits import BitComparison

__all__ = ["FUSED_ONLY", "Decisions", "compare_decider", "margins_at_crossings"]

FUSED_ONLY: Final = float.fromhex("-0x1.04845ep+5")
"""The only margin whose exponential shows whether expf has a fused multiply-add."""

# From 16.6 or 20 on the probability is 1, from -9.2 down its text has an exponent.
_FORMULAS: Final = (0.0, 16.635532, 20.0, -9.21024, FUSED_ONLY, -SIGMOID_CAP)
_ENDS: Final = (math.inf, -math.inf, 3.4028235e38, -3.4028235e38)


class Decisions:
    """Answers by comparing probabilities, and bodies by Python's own JSON.

    Args:
        policy: its bands.
    """

    def __init__(self, policy: Policy) -> None:
        self.statuses = policy.answers[::-1]
        self._bounds = np.array([band.above for band in reversed(policy.bands)], np.float32)
        self._openings = [
            json.dumps({policy.key: status}, ensure_ascii=False)[:-1] for status in self.statuses
        ]

    def by_probability(self, probabilities: Floats) -> Ints:
        """Compared as the policy reads: each probability in float32 with each bound.

        Args:
            probabilities: float32, (n,).

        Returns:
            int64, (n,): places in `statuses`, 0 for the lowest band.
        """
        counted: Ints = (probabilities[:, None] > self._bounds).sum(axis=1)
        return counted

    def bodies(self, probabilities: Floats) -> list[str]:
        """The JSON of each answer, its probability as numpy writes a float32: (n,) texts."""
        # Rows share probabilities, and numpy takes long to write one.
        bits, places = np.unique(
            np.ascontiguousarray(probabilities).view(np.uint32), return_inverse=True
        )
        distinct = bits.view(np.float32)
        texts = [
            f'{self._openings[band]}, "probability": {chance!s}}}'
            for band, chance in zip(self.by_probability(distinct).tolist(), distinct, strict=True)
        ]
        return [texts[place] for place in places.tolist()]


def compare_decider(
    tally: BitComparison,
    decider: Decider,
    margins: Margins,
    chances: Floats,
    rows: Rows | None = None,
    *,
    singly: bool = False,
) -> None:
    """Compare all that a Decider makes of margins with what their probabilities say.

    Args:
        tally: where the result goes.
        decider: the one that answers.
        margins: float32, (n,).
        chances: float32, (n,): their probabilities, not by the Decider.
        rows: (n, n_features), that the margins are of, if they are of any.
        singly: whether its ways for one margin are judged, too.
    """
    decisions = Decisions(decider.policy)
    expected, bodies = decisions.by_probability(chances), decisions.bodies(chances)
    statuses = [decisions.statuses[band] for band in expected.tolist()]
    tally.decide(expected, decider.bands(margins), decisions.statuses, rows)
    if tally.flips:
        # The other ways look a wrong band up, which may not be there.
        return
    ways = [decider.answers(margins)]
    texts = [decider.lines(margins).decode().removesuffix("\n").split("\n") if bodies else []]
    if singly:
        ways.append([decider.answer(margin) for margin in margins.tolist()])
        texts.append([decider.body(margin).decode() for margin in margins.tolist()])
    for answers in ways:
        tally.texts("status", statuses, [answer.status for answer in answers], rows)
        probability = np.array([answer.probability for answer in answers], np.float32)
        tally.compare("probability", chances, probability, rows)
        margin = np.array([answer.margin for answer in answers], np.float32)
        tally.compare("margin", margins, margin, rows)
    for found in texts:
        tally.texts("body", bodies, found, rows)
    whole = [f"[{', '.join(bodies)}]", decider.body_of_batch(margins).decode()]
    if whole[0] != whole[1]:
        place = next((i for i, pair in enumerate(zip(*whole, strict=False)) if len({*pair}) > 1), 0)
        whole = [text[max(place - 80, 0) : place + 80] for text in whole]
    tally.texts("body of a batch", whole[:1], whole[1:])


def margins_at_crossings(policy: Policy, steps: int) -> Margins:
    """float32, (n,): around the crossing of each band and each change of the sigmoid's formula.

    Args:
        policy: its bands.
        steps: neighbours to either side; a crossing that is wrong by less is found.
    """
    centres = [first_margin_above(band.above) for band in policy.bands] + list(_FORMULAS)
    near = [list(_near(np.float32(centre), steps)) for centre in centres]
    return np.array([*itertools.chain(*near), *_ENDS], np.float32)


def _near(centre: np.float32, steps: int) -> Iterator[np.float32]:
    yield centre
    for end in (-np.inf, np.inf):
        margin = centre
        for _ in range(steps):
            yield (margin := np.nextafter(margin, np.float32(end)))
