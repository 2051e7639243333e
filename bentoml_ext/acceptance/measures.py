"""Measures: ways in which a margin may agree with a prediction, the strictest first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from bentoml_ext.acceptance.predictions import Predictions, Wide
from bentoml_ext.arrays import Floats, Ints
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.errors import NotAccepted
from bentoml_ext.objectives.logistic import probabilities

__all__ = ["TOLERANCES", "Cut", "Kind", "Mask", "Measure", "Numbers", "Statuses", "measures"]

Kind: TypeAlias = Literal["probability", "margin", "label"]
How: TypeAlias = Literal["bits", "half", "decimals", "digits", "within"]
Mask: TypeAlias = npt.NDArray[np.bool_]

TOLERANCES: Final[dict[Kind, float]] = {"probability": 1e-6, "margin": 1e-5}
"""For float64 from another way of computing. Float64 sums of 3 000 trees are up to 5e-7 from
XGBoost's float32 in probability. In log-odds it is 3.5e-6, relative to those above 1."""

FLOAT32_STEP: Final = 2.0**-23
MOST_DECIMALS: Final = 12
MOST_DIGITS: Final = 9
NEAR_STEP: Final = 0.1
"""Of a step of float32: nine digits are always so near, and of other numbers few are."""

FLOAT32_DIGITS: Final = 6
"""Decimals that every float32 keeps: a user who rounds writes no more of them."""


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
    def same(self, margins: Floats, rows: Ints) -> Mask:
        """Whether each margin agrees with the prediction of its row.

        Args:
            margins: float32, (n,).
            rows: (n,), of the file.
        """

    def shown(self, margin: float) -> str:
        """What a margin says, in the terms of the predictions."""
        return str(ours(self.kind, np.array([margin], np.float32))[0])


@dataclass(frozen=True, eq=False)
class Numbers(Measure):
    """Numbers that agree to some precision.

    Args:
        theirs: of all rows.
        how: what is asked of them.
        places: of decimals or digits.
    """

    theirs: Wide
    how: How
    places: int = 0

    @classmethod
    def of(cls, kind: Kind, theirs: Wide, how: How, places: int) -> Numbers:
        """The measure, with its words."""
        within = TOLERANCES[kind]
        agreement, tolerance = {
            "bits": ("every bit equal", 0.0),
            "half": ("as float16", 2.0**-12),
            "decimals": (f"rounded to {places} decimals", 0.5 * 10.0**-places),
            "digits": (f"rounded to {places} digits", 0.5 * 10.0**-places),
            "within": (f"within {within:g}", within),
        }[how]
        agreement += " of log-odds" if kind == "margin" else ""
        return cls(theirs, how, places, kind=kind, agreement=agreement, tolerance=tolerance)

    def same(self, margins: Floats, rows: Ints) -> Mask:
        mine, theirs = ours(self.kind, margins), self.theirs[rows]
        if self.how == "bits":
            return np.asarray(mine == theirs.astype(np.float32))
        if self.how == "half":
            with np.errstate(over="ignore"):
                return np.asarray(mine.astype(np.float16) == theirs.astype(np.float16))
        with np.errstate(invalid="ignore"):
            gap = np.abs(mine.astype(np.float64) - theirs)
        return np.asarray(gap <= self._allowed(theirs))

    def _allowed(self, theirs: Wide) -> Wide:
        size = np.abs(theirs)
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

    def same(self, margins: Floats, rows: Ints) -> Mask:
        return np.asarray(self.decider.bands(margins[:, None]) == self.bands[rows])

    def shown(self, margin: float) -> str:
        answer = self.decider.answer(np.array([[margin]], np.float32))
        return f"{answer.status!r} with probability {answer.shortest}"


@dataclass(frozen=True, eq=False)
class Cut(Measure):
    """The estimator's class: whether the probability is above one half.

    Args:
        above: of each row.
    """

    above: Mask

    def same(self, margins: Floats, rows: Ints) -> Mask:
        found = probabilities(margins)
        # At one half some write `>` and some `>=`.
        return np.asarray(((found > 0.5) == self.above[rows]) | (found == 0.5))

    def shown(self, margin: float) -> str:
        found = probabilities(np.array([margin], np.float32))[0]
        return f"{int(found > 0.5)} with probability {found}"


def ours(kind: Kind, margins: Floats) -> Floats:
    """float32, (n,): what is compared with numbers of a kind."""
    return margins if kind == "margin" else probabilities(margins)


def measures(found: Predictions, decider: BandDecider) -> list[Measure]:
    """Every way in which the predictions may be meant, the strictest first.

    Raises:
        NotAccepted: words that are neither labels of the policy nor of two classes.
    """
    if found.words:
        return _of_words(found.words, decider)
    theirs = found.numbers
    kinds: list[Kind] = ["margin"]
    if theirs.min() >= 0 and theirs.max() <= 1:
        kinds = ["probability", "margin"]
    made: list[Measure] = [
        Numbers.of(kind, theirs, how, places)
        for kind in kinds
        for how, places in _precisions(found)
    ]
    if np.isin(theirs, (0.0, 1.0)).all():
        words = "every label equal, 1 above a probability of 0.5"
        made = [one for one in made if isinstance(one, Numbers) and one.how == "bits"]
        made.append(Cut(theirs == 1, agreement=words))
    elif len(two := np.unique(theirs)) == 2 and (two == np.rint(two)).all():
        # Classes by other numbers, as -1 and 1: as with two words, the rows show which is which.
        made += _of_classes(theirs, [float(one) for one in two])
    return made


def _precisions(found: Predictions) -> list[tuple[How, int]]:
    """How exactly numbers were written down: what their digits say."""
    theirs = found.numbers
    if found.is_half:
        return [("half", 0)]
    with np.errstate(over="ignore"):
        narrow = theirs.astype(np.float32)
    is_narrow = bool((narrow == theirs).all())
    asks_bits = is_narrow or _are_shortest(theirs, narrow)
    made: list[tuple[How, int]] = []
    if asks_bits or _are_near(theirs, narrow):
        made.append(("bits", 0))
    decimals = found.decimals
    if decimals is None:
        decimals = _decimals(theirs, narrow if is_narrow else None)
    if found.is_printed:
        return [*made, ("within", 0)]
    # Eight decimals of a text may be the shortest text of another float32.
    if decimals is not None and decimals <= (FLOAT32_DIGITS if is_narrow else MOST_DECIMALS):
        made.append(("decimals", decimals))
    digits = None if is_narrow else _digits(theirs)
    if digits is not None:
        made.append(("digits", digits))
    if not asks_bits and (decimals is None or decimals > FLOAT32_DIGITS):
        made.append(("within", 0))
    return made


def _are_shortest(theirs: Wide, narrow: npt.NDArray[np.float32]) -> bool:
    """Whether each number is the shortest text of a float32, as pandas and polars write CSV."""
    return all(float(str(one)) == value for one, value in zip(narrow, theirs.tolist(), strict=True))


def _are_near(theirs: Wide, narrow: npt.NDArray[np.float32]) -> bool:
    """Whether each number is a float32 in all but what many digits leave out, as `%.9g` does."""
    return bool((np.abs(theirs - narrow) <= NEAR_STEP * np.spacing(np.abs(narrow))).all())


def _decimals(theirs: Wide, narrow: npt.NDArray[np.float32] | None) -> int | None:
    most = MOST_DECIMALS if narrow is None else FLOAT32_DIGITS
    for places in range(most + 1):
        rounded = np.round(theirs, places)
        same = rounded == theirs if narrow is None else rounded.astype(np.float32) == narrow
        if same.all():
            return places
    return None


def _digits(theirs: Wide) -> int | None:
    size = np.abs(theirs)
    exponent = np.floor(np.log10(np.where(size > 0, size, 1.0)))
    for digits in range(2, MOST_DIGITS + 1):
        scale = 10.0 ** (digits - 1 - exponent)
        if np.allclose(np.rint(theirs * scale) / scale, theirs, rtol=1e-14, atol=0):
            return digits
    return None


def _of_classes(said: npt.NDArray[Any], names: Sequence[str | float]) -> list[Measure]:
    """Each of two classes may be the one of the probability."""
    words = [f"{name:g}" if isinstance(name, float) else f"'{name}'" for name in names]
    return [
        Cut(said == name, agreement=f"every label equal, {word} above a probability of 0.5")
        for name, word in zip(names, words, strict=True)
    ]


def _of_words(words: Sequence[str], decider: BandDecider) -> list[Measure]:
    statuses = {status: band for band, status in enumerate(decider.statuses)}
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
        f"Expected labels of {', '.join(decider.statuses)}, or two classes, got "
        f"{', '.join(map(repr, distinct[:8]))} - at the predictions. Give the policy that the "
        "labels come from with --policy, or the model's probabilities."
    )
