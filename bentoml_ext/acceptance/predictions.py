"""Predictions: what the trainer's own model said, read from one column or from two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bentoml_ext.acceptance.given import BOOLEANS, NUMBER, Given
from bentoml_ext.errors import UnreadableInput

__all__ = ["Predictions", "Wide", "read_predictions"]

Wide: TypeAlias = npt.NDArray[np.float64]
"""float64, (n,): predictions as they stand in the file."""

DIGITS: Final = re.compile(r"[-+]?[0-9]*\.?([0-9]*)(?:[eE]([-+]?[0-9]+))?")
PAIR: Final = re.compile(r"[\[(]\s*(\S+?)\s*[,\s]\s*(\S+?)\s*[\])]")
LIST: Final = re.compile(r"[\[(]([^\[\](){}]*)[\])]$")
PAIR_GAP: Final = 1e-4
"""How far two probabilities may be from a sum of 1: numpy prints eight decimals, people four."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """A prediction for every row.

    Args:
        column: its name, or both names.
        numbers: float64, (n,), or (n, m) of several; empty where they are words.
        words: labels; empty where they are numbers.
        is_half: whether the column's type is float16.
        decimals: of a text, the most that stand behind a point; None where there is no such text.
        is_printed: whether numpy printed them: eight decimals, or the shortest text, as it fits.
        note: how they were taken, in a sentence, if that is not plain.
    """

    column: str
    numbers: Wide
    words: Sequence[str] = ()
    is_half: bool = False
    decimals: int | None = None
    is_printed: bool = False
    note: str = ""

    def shown(self, row: int) -> str:
        """One of them, in the digits that the file has."""
        if self.words:
            return repr(self.words[row])
        if self.numbers.ndim == 2:
            return f"[{', '.join(map(_shown, self.numbers[row].tolist()))}]"
        return _shown(float(self.numbers[row]))


def _shown(value: float) -> str:
    narrow = np.float32(value)
    return str(narrow) if float(narrow) == value else repr(value)


def read_predictions(
    given: Given, names: Sequence[str], note: str = "", width: int | None = None
) -> Predictions:
    """The predictions of a column, or the second of two that `predict_proba` gave.

    Args:
        given: the rows.
        names: of the column, or of both.
        note: why it is these, if nobody named them.
        width: how many numbers a whole prediction has; None of a log-odds.

    Raises:
        UnreadableInput: a row without a prediction, or what no prediction is; names the row.
    """
    if len(names) == 1:
        return _Column(given, names[0], note, width).read()
    if width is not None:
        return _beside([_Column(given, name, "").read() for name in names], names, note)
    first, second = (_Column(given, name, "").read() for name in names)
    if first.words or second.words:
        raise UnreadableInput(
            f"Expected two numbers, got words - at columns {' and '.join(names)}."
        )
    note = f"'{names[1]}' is taken, the second column of predict_proba."
    _check_pair(given, first.numbers, second.numbers, " and ".join(names))
    return Predictions(
        names[1], second.numbers, is_half=second.is_half, decimals=second.decimals, note=note
    )


def _beside(columns: Sequence[Predictions], names: Sequence[str], note: str) -> Predictions:
    """Numbers that stand in a column each."""
    if any(column.words or column.numbers.ndim == 2 for column in columns):
        raise UnreadableInput(f"Expected a number in each - at columns {', '.join(names)}.")
    decimals = [column.decimals for column in columns if column.decimals is not None]
    return Predictions(
        ", ".join(names),
        np.stack([column.numbers for column in columns], axis=1),
        is_half=all(column.is_half for column in columns),
        decimals=max(decimals) if len(decimals) == len(columns) else None,
        note=note,
    )


class _Column:
    def __init__(self, given: Given, name: str, note: str, width: int | None = None) -> None:
        self.given, self.name, self.note, self.width = given, name, note, width

    def read(self) -> Predictions:
        values = self.given.values(self.name)
        if isinstance(values, list):
            return self._of_objects(values)
        kind = values.type
        if pa.types.is_dictionary(kind):
            values, kind = values.cast(kind.value_type), kind.value_type
        if values.null_count:
            self._refuse("a prediction", "null", int(np.argmax(values.is_null().to_numpy())))
        if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
            wide = values.cast(pa.float64(), safe=False).to_numpy()
            return self._numbers(wide, is_half=pa.types.is_float16(kind))
        if pa.types.is_decimal(kind):
            values, kind = values.cast(pa.string()), pa.string()
        return self._of_objects(values.to_pylist())

    def _of_objects(self, values: list[Any]) -> Predictions:
        if None in values:
            self._refuse("a prediction", "null", values.index(None))
        if all(isinstance(value, str) for value in values):
            return self._of_texts(values)
        if self.width is not None and all(isinstance(value, dict) for value in values):
            values = [list(value.values()) for value in values]
        if all(isinstance(value, list | tuple) for value in values):
            return self._of_pairs(values) if self.width is None else self._of_lists(values)
        for row, value in enumerate(values):
            if not isinstance(value, bool | int | float):
                self._refuse("a number like those before", repr(value)[:60], row)
        return self._numbers(np.array(values, np.float64))

    def _of_texts(self, texts: list[str]) -> Predictions:
        stripped = [text.strip() for text in texts]
        if all(text in BOOLEANS for text in stripped):
            return self._numbers(np.array([BOOLEANS[text] for text in stripped], np.float64))
        lists = [match[1].replace(",", " ").split() for t in stripped if (match := LIST.match(t))]
        if self.width is not None and len(lists) == len(texts):
            return self._of_lists(lists)
        pairs = [match.groups() for text in stripped if (match := PAIR.fullmatch(text))]
        if len(pairs) == len(texts):
            return self._of_pairs(pairs)
        odd = [row for row, text in enumerate(stripped) if not NUMBER.fullmatch(text)]
        if not odd:
            wide = np.array([float(text) for text in stripped])
            return self._numbers(wide, decimals=max(map(_decimals, stripped)))
        text = stripped[odd[0]]
        if text.endswith("%"):
            self._refuse("a probability between 0 and 1", f"the percentage {text!r}", odd[0])
        if NUMBER.fullmatch(text.replace(",", ".")):
            self._refuse("a number with a decimal point", f"{text!r} with a comma", odd[0])
        if len(odd) < len(texts):
            self._refuse("a number like the others", repr(text), odd[0])
        return Predictions(self.name, np.empty(0), stripped, note=self.note)

    def _of_lists(self, lists: Sequence[Sequence[Any]]) -> Predictions:
        """Several numbers of each row."""
        odd = [row for row, numbers in enumerate(lists) if len(numbers) != self.width]
        if odd:
            self._refuse(f"{self.width} numbers", f"{len(lists[odd[0]])}", odd[0])
        try:
            wide = np.array(lists, np.float64)
        except (TypeError, ValueError):
            self._refuse("numbers", repr(lists[0])[:60], 0)
        if not (finite := np.isfinite(wide).all(axis=1)).all():
            row = int(np.argmin(finite))
            self._refuse("a prediction", str(wide[row]), row)
        wide = wide[:, 0] if self.width == 1 else wide
        is_printed = isinstance(lists[0][0], str)
        return Predictions(self.name, wide, is_printed=is_printed, note=self.note)

    def _of_pairs(self, pairs: Sequence[Sequence[Any]]) -> Predictions:
        if any(len(pair) != 2 for pair in pairs):
            row, pair = next((i, pair) for i, pair in enumerate(pairs) if len(pair) != 2)
            self._refuse("one number or the two of predict_proba", f"{len(pair)} numbers", row)
        try:
            both = np.array(pairs, np.float64)
        except (TypeError, ValueError):
            self._refuse("two numbers", repr(pairs[0])[:60], 0)
        _check_pair(self.given, both[:, 0], both[:, 1], f"column '{self.name}'")
        note = "The second of the two numbers of predict_proba is taken."
        is_printed = isinstance(pairs[0][1], str)
        return Predictions(self.name, both[:, 1], is_printed=is_printed, note=note)

    def _numbers(
        self, wide: Wide, *, is_half: bool = False, decimals: int | None = None
    ) -> Predictions:
        if not (finite := np.isfinite(wide)).all():
            row = int(np.argmin(finite))
            self._refuse("a prediction", str(wide[row]), row)
        return Predictions(self.name, wide, is_half=is_half, decimals=decimals, note=self.note)

    def _refuse(self, expected: str, got: str, row: int) -> NoReturn:
        place = f"{self.given.place(row)}, column '{self.name}'"
        raise UnreadableInput(f"Expected {expected}, got {got} - at {place} of the check.")


def _decimals(text: str) -> int:
    """How many decimals a number is written with: two in 0.50, six in 1.5e-5."""
    match = DIGITS.fullmatch(text)
    return max(0, len(match[1]) - int(match[2] or 0)) if match else 0


def _check_pair(given: Given, first: Wide, second: Wide, where: str) -> None:
    """Refuse two numbers that are not the probabilities of two classes."""
    odd = np.flatnonzero(~(np.abs(first + second - 1) <= PAIR_GAP))
    if odd.size:
        row = int(odd[0])
        raise UnreadableInput(
            f"Expected two probabilities with sum 1, got {first[row]:g} and {second[row]:g} - at "
            f"{given.place(row)}, {where} of the check. Name the column with --prediction."
        )
