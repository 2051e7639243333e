"""Measures: ways in which margins may agree with a prediction, the strictest first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from bentoml_ext.acceptance.precision import FLOAT32_DIGITS, How, precisions
from bentoml_ext.acceptance.predictions import Predictions, Wide
from bentoml_ext.arrays import Floats, Ints, Margins
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.errors import NotAccepted
from bentoml_ext.objectives.logistic import probabilities

__all__ = [
    "TOLERANCES",
    "Cut",
    "Kind",
    "Mask",
    "Measure",
    "Numbers",
    "Statuses",
    "measures",
]

Kind: TypeAlias = Literal["probability", "margin", "label", "prediction"]
Mask: TypeAlias = npt.NDArray[np.bool_]

Read: TypeAlias = Callable[[Margins], Floats]
"""What of margins, (n, n_margins), is compared with numbers: (n,), or (n, m) of several."""

TOLERANCES: Final[dict[Kind, float]] = {"probability": 1e-6, "margin": 1e-5, "prediction": 1e-5}
"""For float64 from another way of computing. Float64 sums of 3 000 trees are up to 5e-7 from
XGBoost's float32 in probability. In log-odds it is 3.5e-6, relative to those above 1. Other
predictions are compared relative to their own size, or to the usual size where that is larger."""

FLOAT32_STEP: Final = 2.0**-23


@dataclass(frozen=True, eq=False, kw_only=True)
class Measure(ABC):
    """Compares margins with the file's predictions.

    Args:
        kind: what the predictions are.
        agreement: how they agree, in words.
        tolerance: the largest difference that is let through.
    """

    kind: Kind = "label"
    agreement: str = "every label equal"
    tolerance: float = 0.0

    @abstractmethod
    def same(self, margins: Margins, rows: Ints) -> Mask:
        """Whether the margins of each row agree with its prediction.

        Args:
            margins: float32, (n, n_margins).
            rows: (n,), of the file.
        """

    @abstractmethod
    def shown(self, margins: Margins) -> str:
        """What the margins of a row, (1, n_margins), say, in the terms of the predictions."""


@dataclass(frozen=True, eq=False)
class Numbers(Measure):
    """Numbers that agree to some precision.

    Args:
        theirs: of all rows, (n,), or (n, m) of several.
        mine: the same of margins.
        how: what is asked of them.
        places: of decimals or digits.
    """

    theirs: Wide
    mine: Read
    how: How
    places: int = 0

    @classmethod
    def of(
        cls, kind: Kind, theirs: Wide, how: How, places: int, mine: Read | None = None
    ) -> Numbers:
        """The measure, with its words; by default of a log-odds."""
        within = TOLERANCES[kind]
        agreement, tolerance = {
            "bits": ("every bit equal", 0.0),
            "half": ("as float16", 2.0**-12),
            "decimals": (f"rounded to {places} decimals", 0.5 * 10.0**-places),
            "digits": (f"rounded to {places} digits", 0.5 * 10.0**-places),
            "within": (f"within {within:g}", within),
        }[how]
        if kind == "margin":
            agreement += " of log-odds" if mine is None else " of margins"
        elif kind == "prediction" and how == "within":
            agreement += " of their size"
        mine = mine or (first_margins if kind == "margin" else sigmoids)
        return cls(theirs, mine, how, places, kind=kind, agreement=agreement, tolerance=tolerance)

    @property
    def is_of_log_odds(self) -> bool:
        """Whether the numbers are of a model with one log-odds."""
        return self.mine in (first_margins, sigmoids)

    def same(self, margins: Margins, rows: Ints) -> Mask:
        each = self._same(self.mine(margins), self.theirs[rows])
        return each if each.ndim == 1 else np.asarray(each.all(axis=1))

    def shown(self, margins: Margins) -> str:
        found = self.mine(margins)[0]
        return str(found) if found.ndim == 0 else f"[{', '.join(map(str, found))}]"

    def _same(self, mine: Floats, theirs: Wide) -> Mask:
        if self.how == "bits":
            with np.errstate(over="ignore"):
                return np.asarray(mine == theirs.astype(np.float32))
        if self.how == "half":
            with np.errstate(over="ignore"):
                return np.asarray(mine.astype(np.float16) == theirs.astype(np.float16))
        with np.errstate(invalid="ignore"):
            gap = np.abs(mine.astype(np.float64) - theirs)
        return np.asarray(gap <= self._allowed(theirs))

    def _allowed(self, theirs: Wide) -> Wide:
        size = np.abs(theirs)
        if self.how == "within" and self.kind == "prediction":
            return np.asarray(self.tolerance * np.maximum(size, np.abs(self.theirs).mean()))
        if self.how == "within":
            scale = np.maximum(1.0, size) if self.kind == "margin" else np.ones_like(size)
            return np.asarray(self.tolerance * scale)
        # Half-way cases go both ways: rounded in float32, or from another float64.
        slack = FLOAT32_STEP * size if self.places <= FLOAT32_DIGITS else 1e-12
        if self.how == "decimals":
            return np.asarray(self.tolerance + slack)
        exponent = np.floor(np.log10(np.where(size > 0, size, 1.0)))
        return np.asarray(0.5 * 10.0 ** (exponent + 1 - self.places) + slack)


@dataclass(frozen=True, eq=False)
class Statuses(Measure):
    """The policy's answers.

    Args:
        bands: of each row's answer, its place among the decider's statuses.
        decider: of the policy.
    """

    bands: Ints
    decider: BandDecider

    def same(self, margins: Margins, rows: Ints) -> Mask:
        return np.asarray(self.decider.bands(margins) == self.bands[rows])

    def shown(self, margins: Margins) -> str:
        answer = self.decider.answer(margins)
        return f"{answer.status!r} with probability {answer.shortest}"


@dataclass(frozen=True, eq=False)
class Cut(Measure):
    """The estimator's class: whether the probability is above one half.

    Args:
        above: of each row.
    """

    above: Mask

    def same(self, margins: Margins, rows: Ints) -> Mask:
        found = sigmoids(margins)
        # At one half some write `>` and some `>=`.
        return np.asarray(((found > 0.5) == self.above[rows]) | (found == 0.5))

    def shown(self, margins: Margins) -> str:
        found = sigmoids(margins)[0]
        return f"{int(found > 0.5)} with probability {found}"


def first_margins(margins: Margins) -> Floats:
    """float32, (n,): of rows with one margin each."""
    return margins[:, 0]


def sigmoids(margins: Margins) -> Floats:
    """float32, (n,): the probabilities of rows with a log-odds each."""
    return probabilities(margins[:, 0])


def measures(found: Predictions, decider: BandDecider) -> list[Measure]:
    """Every way in which the predictions may be meant, the strictest first.

    Raises:
        NotAccepted: words that are neither labels of the policy nor of two classes.
    """
    if found.words:
        return _of_words(found.words, decider)
    theirs, answers = found.numbers, np.array(decider.statuses)
    if answers.dtype.kind == "i" and np.isin(theirs, answers).all():
        return [Statuses((theirs[:, None] == answers).argmax(axis=1), decider)]
    kinds: list[Kind] = ["margin"]
    if theirs.min() >= 0 and theirs.max() <= 1:
        kinds = ["probability", "margin"]
    made: list[Measure] = [
        Numbers.of(kind, theirs, how, places) for kind in kinds for how, places in precisions(found)
    ]
    if np.isin(theirs, (0.0, 1.0)).all():
        words = "every label equal, 1 above a probability of 0.5"
        made = [one for one in made if isinstance(one, Numbers) and one.how == "bits"]
        made.append(Cut(theirs == 1, agreement=words))
    elif len(two := np.unique(theirs)) == 2 and (two == np.rint(two)).all():
        # Classes by other numbers, as -1 and 1: as with two words, the rows show which is which.
        made += _of_classes(theirs, [float(one) for one in two])
    return made


def _of_classes(said: npt.NDArray[Any], names: Sequence[str | float]) -> list[Measure]:
    """Each of two classes may be the one of the probability."""
    words = [f"{name:g}" if isinstance(name, float) else f"'{name}'" for name in names]
    return [
        Cut(said == name, agreement=f"every label equal, {word} above a probability of 0.5")
        for name, word in zip(names, words, strict=True)
    ]


def _of_words(words: Sequence[str], decider: BandDecider) -> list[Measure]:
    statuses = {str(status): band for band, status in enumerate(decider.statuses)}
    distinct = sorted(set(words))
    if set(distinct) <= set(statuses):
        return [Statuses(np.array([statuses[word] for word in words]), decider)]
    folded = {status.casefold(): band for status, band in statuses.items()}
    if len(folded) == len(statuses) and {word.casefold() for word in distinct} <= set(folded):
        bands = np.array([folded[word.casefold()] for word in words])
        agreement = "every label equal but for capitals"
        return [Statuses(bands, decider, agreement=agreement)]
    if len(distinct) == 2:
        # All rows together show which of the two is the class of the probability.
        return _of_classes(np.array(words), distinct)
    raise NotAccepted(
        f"Expected labels of {', '.join(map(str, decider.statuses))}, or two classes, got "
        f"{', '.join(map(repr, distinct[:8]))} - at the predictions. Give the policy that the "
        "labels come from with --policy, or the model's probabilities."
    )
