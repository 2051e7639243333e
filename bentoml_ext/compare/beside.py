"""Beside: what a file says of applications beside the scores: outcome, amount, and group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bentoml_ext.arrays import Bools, Ints
from bentoml_ext.compare.outcomes import UNKNOWN, Outcomes, outcomes
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.errors import ConfigError

__all__ = ["NOT_GIVEN", "Beside", "Named", "Numbers", "Reading", "texts_of"]

Numbers = npt.NDArray[np.float64]

AMOUNT: Final = "amount"
"""A number field of this name is taken for the amount where the user names none."""

MOST_GROUPS: Final = 20
NOT_GIVEN: Final = "(not given)"


@dataclass(frozen=True)
class Named:
    """The columns that the user names; empty where none is named.

    Args:
        outcome: what became of an application.
        amount: what an application is about, such as the sum of a credit.
        impact: groups whose rates are compared.
        reference: the group that the others are compared with; empty for the largest.
    """

    outcome: str = ""
    amount: str = ""
    impact: str = ""
    reference: str = ""

    @property
    def columns(self) -> dict[str, str]:
        """Each column once, with the option that names it."""
        named = {self.impact: "--impact", self.amount: "--amount", self.outcome: "--outcome"}
        return {name: option for name, option in named.items() if name}

    @staticmethod
    def amount_of(encoder: Encoder) -> str:
        """The number field that is called amount; empty without such a field."""
        found = [field.name for field in encoder.fields if not field.categories]
        return next((name for name in found if name.casefold() == AMOUNT), "")


@dataclass(frozen=True)
class Beside:
    """What is known of applications.

    Args:
        outcomes: int8, (n,).
        amounts: float64, (n,), NaN where it is not given; None where there is no such column.
        groups: int64, (n,), places in `names`; None where no column was named.
        names: of the groups.
    """

    outcomes: Outcomes
    amounts: Numbers | None = None
    groups: Ints | None = None
    names: tuple[str, ...] = ()

    def of(self, which: Bools) -> Beside:
        """Some of them."""
        amounts, groups = self.amounts, self.groups
        return Beside(
            self.outcomes[which],
            None if amounts is None else amounts[which],
            None if groups is None else groups[which],
            self.names,
        )


@dataclass
class Reading:
    """Reads the columns block by block.

    Args:
        named: the columns.
    """

    named: Named
    _outcomes: list[Outcomes] = field(default_factory=list)
    _amounts: list[Numbers] = field(default_factory=list)
    _groups: list[npt.NDArray[np.int8]] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)

    def read(self, kept: dict[str, pa.Array], count: int) -> Outcomes:
        """Read a block; its outcomes.

        Args:
            kept: the columns by name.
            count: applications of the block.

        Raises:
            ConfigError: values that no outcome, amount or group has.
        """
        named = self.named
        if named.amount:
            self._amounts.append(_numbers(kept[named.amount], named.amount))
        if named.impact:
            self._groups.append(self._codes(kept[named.impact]))
        found: Outcomes = np.full(count, UNKNOWN, np.int8)
        if named.outcome:
            found = outcomes(kept[named.outcome], named.outcome)
        self._outcomes.append(found)
        return found

    def whole(self) -> Beside:
        """All that has been read."""
        return Beside(
            np.concatenate([np.zeros(0, np.int8), *self._outcomes]),
            np.concatenate([np.zeros(0), *self._amounts]) if self.named.amount else None,
            np.concatenate([np.zeros(0, np.int8), *self._groups]) if self.named.impact else None,
            tuple(self._names),
        )

    def _codes(self, column: pa.Array) -> npt.NDArray[np.int8]:
        texts = pc.fill_null(texts_of(column), NOT_GIVEN)
        for name in texts.unique().to_pylist():
            if name not in self._names:
                self._names.append(name)
        if len(self._names) > MOST_GROUPS:
            raise ConfigError(
                f"Expected at most {MOST_GROUPS} groups, got {_some(self._names)} and more - at "
                f"--impact {self.named.impact}. Name a column of groups: bands of a number."
            )
        places = pc.index_in(texts, value_set=pa.array(self._names, texts.type))
        return np.asarray(places.to_numpy(zero_copy_only=False), np.int8)


def texts_of(column: pa.Array) -> pa.Array:
    """The values as texts; a whole number reads the same as integer and as float."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type) and pc.all(pc.equal(column, pc.floor(column))).as_py():
        column = pc.cast(column, pa.int64(), safe=False)
    return column.cast(pa.string())


def _numbers(column: pa.Array, name: str) -> Numbers:
    try:
        found = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(f"Expected numbers, got: {error} - at --amount {name}.") from error
    numbers = np.array(found, np.float64)
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:3])
