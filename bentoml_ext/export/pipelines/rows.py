"""Rows: what a pipeline is handed, as inputs of a graph, and more rows of that kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.pipelines.tables import KINDS, TEXT, Block

__all__ = ["PipelineRows"]

ARRAY_INPUT: Final = "X"
_WHOLE: Final = (np.dtype(np.int32), np.dtype(np.uint32), np.dtype(np.int64))


@dataclass(frozen=True, eq=False)
class PipelineRows:
    """Rows as users hand them to their pipeline: a pandas DataFrame or a numpy array.

    Args:
        rows: of one kind a column.
        kinds: one of `KINDS` for each column of a DataFrame; of an array one for all.
    """

    rows: Any
    kinds: tuple[np.dtype[Any], ...]

    @classmethod
    def of(cls, rows: Any) -> PipelineRows:
        """Rows whose kinds ONNX can hold.

        Raises:
            ExportRefused: neither a DataFrame nor an array of two dimensions, no row, or a column
                of another kind.
        """
        shape: tuple[int, ...] = getattr(rows, "shape", ())
        if len(shape) != 2 or not shape[0] or not (cls._named(rows) or hasattr(rows, "dtype")):
            raise ExportRefused(
                f"Expected rows as a DataFrame or an array, got {type(rows).__name__} {shape} "
                "- at the example. Give rows that the pipeline was trained on."
            )
        if cls._named(rows):
            names = [str(name) for name in rows.columns]
            return cls(rows, tuple(map(_kind, names, rows.dtypes)))
        return cls(rows, (_kind(ARRAY_INPUT, rows.dtype),))

    @staticmethod
    def _named(rows: Any) -> bool:
        return hasattr(rows, "columns") and hasattr(rows, "iloc")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The inputs: one a column of a DataFrame, by its name; one for a whole array, "X"."""
        if self._named(self.rows):
            names = map(str, self.rows.columns)
            return tuple(Block(*both) for both in zip(names, self.kinds, strict=True))
        return (Block(ARRAY_INPUT, self.kinds[0], self.rows.shape[1]),)

    def feed(self) -> dict[str, npt.NDArray[Any]]:
        """The inputs of a session of the graph for these rows."""
        if not self._named(self.rows):
            return {ARRAY_INPUT: np.asarray(self.rows, self.kinds[0])}
        columns = (self.rows.iloc[:, i].to_numpy() for i in range(self.rows.shape[1]))
        return {
            block.name: np.asarray(column, block.kind)[:, None]
            for block, column in zip(self.blocks, columns, strict=True)
        }

    def part(self, start: int, stop: int) -> PipelineRows:
        """Some of the rows."""
        some = self.rows.iloc[start:stop] if self._named(self.rows) else self.rows[start:stop]
        return PipelineRows(some, self.kinds)

    def shuffled(self, n: int, seed: int, *, missing: bool) -> PipelineRows:
        """`n` rows: in each column values of these rows, in any order, and numbers beside them.

        Args:
            n: how many.
            seed: of what is random.
            missing: whether every tenth number of a column of floats is NaN.
        """
        random = np.random.default_rng(seed)
        if not self._named(self.rows):
            columns = [_more(column, n, random, missing) for column in np.asarray(self.rows).T]
            return PipelineRows(np.stack(columns, axis=1), self.kinds)
        at = random.integers(len(self), size=n)
        made = self.rows.iloc[at].reset_index(drop=True)
        for i, name in enumerate(made.columns):
            values = self.rows.iloc[:, i]
            order = random.integers(len(self), size=n)
            made[name] = values.iloc[order].to_numpy()
            if np.issubdtype(self.kinds[i], np.floating):
                made[name] = _more(values.to_numpy(), n, random, missing)
            made[name] = made[name].astype(values.dtype)
        return PipelineRows(made, self.kinds)


def _more(
    values: npt.NDArray[Any], n: int, random: np.random.Generator, missing: bool
) -> npt.NDArray[Any]:
    """Values of a column, numbers next to them, and others in their range and beyond."""
    made = random.choice(values, n)
    if not np.issubdtype(values.dtype, np.floating):
        return made
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if len(known) else (-1.0, 1.0)
    width = (high - low) or max(abs(high), 1.0)
    how = random.random(n)
    with np.errstate(all="ignore"):
        made = np.where(how < 0.2, np.nextafter(made, made.dtype.type(-np.inf)), made)
        made = np.where(
            (how > 0.2) & (how < 0.4), np.nextafter(made, made.dtype.type(np.inf)), made
        )
        spread = random.uniform(low - width / 4, high + width / 4, n)
    made = np.where(how > 0.7, spread, made)
    if missing:
        made = np.where(random.random(n) < 0.1, np.nan, made)
    return made.astype(values.dtype)


def _kind(name: str, dtype: Any) -> np.dtype[Any]:
    if str(dtype) in ("object", "str", "string"):
        return TEXT
    if not isinstance(dtype, np.dtype) or (dtype not in KINDS and dtype not in _WHOLE):
        kinds = ", ".join(str(kind) for kind in KINDS if kind != TEXT)
        raise ExportRefused(f"Expected {kinds} or texts, got {dtype} - at column '{name}'.")
    return np.dtype(np.int64) if dtype in _WHOLE else dtype
