"""Synthetic applications: as many as wanted, of nobody, the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.encoders.encoder import Application, Field
from models.dataset import Dataset, Defaults
from models.draws import Draws, Whole
from models.fields import FIELDS
from models.population import people
from models.scorecard import defaults

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DEFAULT_ROWS", "DEFAULT_SEED", "Portfolio", "generate"]

DEFAULT_ROWS: Final = 4_454
"""As many as the course's CSV file has after cleaning."""

DEFAULT_SEED: Final = 1

_UNKNOWN_EVERY: Final = 256
# Of a thousand, by job: who earns no steady wage leaves the income blank more often.
_BLANK: Final = {
    "income": (5, 12, 14, 20, 20),
    "assets": (8, 12, 14, 14, 14),
    "debt": (3, 4, 6, 6, 6),
}


@dataclass(frozen=True)
class Portfolio:
    """Applications in columns.

    Args:
        fields: the fields, in order.
        columns: by field name, (n,): a category as int8, its place in `field.categories`. A number
            is int64, or float64 with NaN for "not given" where the field is nullable.
        defaults: uint8, (n,), the outcomes.
        seed: what they were drawn with.
    """

    fields: tuple[Field, ...]
    columns: dict[str, npt.NDArray[Any]]
    defaults: Defaults
    seed: int

    def __len__(self) -> int:
        return len(self.defaults)

    def applications(self, start: int = 0, stop: int | None = None) -> list[Application]:
        """The applications from `start` to `stop`, as a client would send them."""
        names = [field.name for field in self.fields]
        values = [self._values(field, slice(start, stop)) for field in self.fields]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    def dataset(self) -> Dataset:
        """The applications and their outcomes, to train on."""
        origin: dict[str, str | int] = {"source": "generated", "seed": self.seed, "rows": len(self)}
        return Dataset(self.applications(), self.defaults, origin)

    def to_arrow(self) -> pa.RecordBatch:
        """The applications in Arrow: dictionary<int8, string>, int64, or float64 with nulls."""
        import pyarrow as pa

        return pa.RecordBatch.from_pydict(
            {
                field.name: pa.DictionaryArray.from_arrays(
                    self.columns[field.name], pa.array(field.categories)
                )
                if field.categories
                else pa.array(self.columns[field.name], from_pandas=field.nullable)
                for field in self.fields
            }
        )

    def _values(self, field: Field, rows: slice) -> list[Any]:
        column = self.columns[field.name][rows]
        if field.categories:
            return [field.categories[code] for code in column.tolist()]
        if field.nullable:
            return [None if math.isnan(number) else number for number in column.tolist()]
        return list(column.tolist())


def generate(
    rows: int = DEFAULT_ROWS,
    seed: int = DEFAULT_SEED,
    *,
    start: int = 0,
    fields: Sequence[Field] = FIELDS,
) -> Portfolio:
    """Draw applications and what became of them.

    Row `i` depends on the seed and on `i` only: the first thousand rows of a million are those of a
    thousand. `start` draws a portfolio too large for memory in parts. Of every 256
    rows, one each has an unknown home, marital status, records and job.

    Args:
        rows: how many.
        seed: not negative; the same seed gives the same rows on every machine.
        start: number of the first row.
        fields: FIELDS, or those of a model's encoder. A category that the encoder does not know
            gives way to the field's first category that it does know.
    """
    draws = Draws(seed, rows, start)
    columns = people(draws)
    for field in FIELDS:
        if field.categories:
            unknown = draws.every(f"{field.name} unknown", _UNKNOWN_EVERY)
            columns[field.name][unknown] = field.categories.index("unk")
    blank = {name: _is_blank(draws, name, columns["job"]) for name in _BLANK}
    # The course's model takes an amount that was not given for none: let it be so in truth, too.
    answered = columns | {name: np.where(gap, 0, columns[name]) for name, gap in blank.items()}
    known = {field.name: field for field in fields}
    shown = {field.name: _shown(field, known[field.name], answered[field.name]) for field in FIELDS}
    for name, gap in blank.items():
        shown[name][gap] = np.nan
    outcomes = defaults(draws, answered).astype(np.uint8)
    return Portfolio(tuple(known[field.name] for field in FIELDS), shown, outcomes, seed)


def _is_blank(draws: Draws, name: str, job: Whole) -> npt.NDArray[np.bool_]:
    return draws.chance(f"{name} blank", np.array(_BLANK[name])[job])


def _shown(drawn: Field, known: Field, column: Whole) -> npt.NDArray[Any]:
    """The column in its own type, with the places of `known` instead of those of `drawn`."""
    if not drawn.categories:
        return column.astype(np.float64 if drawn.nullable else np.int64)
    spare = next(text for text in drawn.categories if text in known.categories)
    texts = (text if text in known.categories else spare for text in drawn.categories)
    return np.array([known.categories.index(text) for text in texts], dtype=np.int8)[column]
