"""Questions: what a booster's splits show of its training, and nobody says of its rows.

An import and `save_model` ask the same, each in its user's own spelling.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from bentoml_ext.boosters.xgb.spelling import Spelling
from bentoml_ext.boosters.xgb.splits import of_gaps, of_ones_alone, of_zeros_and_ones, parting
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.steps import Number, OneHot

if TYPE_CHECKING:
    import xgboost

__all__ = ["Questions"]

MARKER: Final = ("missing", "NUMBER")


@dataclass(frozen=True, eq=False)
class Questions:
    """What is open between a booster and the encoder of its rows.

    Args:
        booster: as it was trained.
        encoder: application to row, as far as somebody said how.
        name: of the model, as the user calls it.
        spelling: how the user answers.
        vectorizer: whether a DictVectorizer made the rows.
        dense: whether it made them dense.
    """

    booster: xgboost.Booster
    encoder: Encoder
    name: str
    spelling: Spelling
    vectorizer: bool = False
    dense: bool = False

    @cached_property
    def numbers(self) -> frozenset[int]:
        """Columns of numbers."""
        return frozenset(s.column for s in self.encoder.steps if isinstance(s, Number))

    @cached_property
    def one_hot(self) -> frozenset[int]:
        """Columns of categories."""
        steps = (step for step in self.encoder.steps if isinstance(step, OneHot))
        return frozenset(column for step in steps for column in step.columns_filled)

    @cached_property
    def lone(self) -> frozenset[int]:
        """Columns that held 1 or nothing."""
        return of_ones_alone(self.booster)

    @property
    def check(self) -> str:
        """The answer that decides everything."""
        file = self.spelling.said("check", "FILE")
        return f"{file} with your applications and your model's own predictions of them."

    def marker_is_open(self, absent: str | None) -> bool:
        """Whether 0 may have been missing, so that the marker has to be said.

        Args:
            absent: what was said of it, if anything.
        """
        if not self.numbers.isdisjoint(self.lone):
            return True
        # A sparse matrix keeps no 0, but for the one that a DictVectorizer writes.
        sparse = absent == "missing" and (self.dense or not self.vectorizer)
        return sparse and bool(self.one_hot) and not self.numbers.isdisjoint(parting(self.booster))

    def remedy(self, part: str) -> str:
        """Both values of a part, and when each is right."""
        said = self.spelling.said
        sparse = "XGBoost was given sparse rows"
        return {
            "absent": f"{said('absent', 'zero')} where training saw dense rows, such as "
            "DictVectorizer(sparse=False), .toarray() or pandas; "
            f"{said('absent', 'missing')} where {sparse}",
            "missing": f"{said('missing', '0')} where {sparse} that keep no 0, as OneHotEncoder "
            f"and scipy.sparse.hstack make them; {said('missing', 'nan')} where 0 is a number as "
            "any other",
            "rounds": f"{said('rounds', 'best')} where the model predicts by its best iteration, "
            f"as early stopping suggests; {said('rounds', 'all')} where Booster.predict was called "
            "as it is",
        }[part]

    def undecided(self, parts: list[str]) -> str:
        """What to answer where nobody said these parts."""
        names = " and ".join(map(self.spelling.name, parts))
        return (
            f"Expected {names}, got none - at {self.spelling.place or self.name}, which does not "
            "say it. Give "
            f"{'; and '.join(map(self.remedy, parts))}. Or give {self.check}"
        )

    def contradiction(self) -> str | None:
        """What to answer where a category's splits show that `absent` was the other."""
        categories = frozenset(
            column
            for step in self.encoder.steps
            if isinstance(step, OneHot)
            for column in step.columns.values()
        )
        if self.encoder.absent == "zero":
            # Where 0 itself means missing, dense rows hold 1 and nothing else, too.
            odd = categories & self.lone if self.encoder.missing != 0 else frozenset()
            saw, other = "1 and nothing else, as in sparse rows", "missing"
        else:
            odd = of_zeros_and_ones(self.booster, categories)
            saw, other = "0 and 1, as in dense rows", "zero"
        if not odd:
            return None
        said = self.spelling.said
        # Dense rows that lost the zeros of categories lost those of numbers, too.
        thinned = self.dense and other == "missing"
        cure = said("missing", "0") if thinned else said("absent", other)
        return (
            f"Expected {cure}, got {said('absent', self.encoder.absent)} - at {self._at(min(odd))}:"
            f" by its splits, training saw {saw}. Give {cure}, or {self.check}"
        )

    def gap(self, check: str = "", *, alone: bool = False) -> str | None:
        """What to answer where no application can lack what training lacked.

        Args:
            check: file of a check whose rows agree, and do not decide it.
            alone: whether NaN alone was missing, and no number. An application without the number
                is then refused where its field takes no null, and nothing is open.
        """
        column = next(self._lacked(alone), None)
        if column is None:
            return None
        said, null, marker = self.spelling.said, self.spelling.null, self.spelling.said(*MARKER)
        got = said("null", "zero") if self._may_be_null(column) else "neither"
        shown = f", and no row of {check} shows them" if check else ""
        last = (
            f"Or give {said('check', 'FILE')} in which some of your applications lack it, with "
            "your model's own predictions."
        )
        return (
            f"Expected {null} or {marker}, got {got} - at {self._at(column)}: by its splits, "
            f"training saw missing values there{shown}. "
            f"Give {null} where they were null or NaN. Give {marker} where a number stood for "
            "them, as missing=-1 of an estimator says, or 0 where sparse rows kept none. Give "
            f"{said('missing', 'nan')} where no application will lack it. "
            + (f"Or add rows to {check} that lack it." if check else last)
        )

    def _lacked(self, alone: bool) -> Iterator[int]:
        """Columns of numbers that were missing in training, and cannot be in an application."""
        for column in sorted(self.numbers & of_gaps(self.booster)):
            may_be_null = self._may_be_null(column)
            if (may_be_null and self.encoder.null == "zero") or not (may_be_null or alone):
                yield column

    def _may_be_null(self, column: int) -> bool:
        """Whether the field that fills a column of numbers takes null."""
        filling = {s.field for s in self.encoder.steps if column in s.columns_filled}
        return any(field.nullable for field in self.encoder.fields if field.name in filling)

    def _at(self, column: int) -> str:
        return f"column {column}, '{self.encoder.features[column]}', of {self.name}"
