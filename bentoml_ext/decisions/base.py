"""Base: the contract of a decider, which owns what an answer looks like on every route."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Bools, Ints, Margins, Predictions
from bentoml_ext.decisions.checked import Label
from bentoml_ext.decisions.policy import Policy
from bentoml_ext.errors import InvalidApplication

__all__ = ["AnswerSchema", "Column", "Columns", "Decider", "Kind", "array_of", "no_answer"]

Columns: TypeAlias = dict[str, npt.NDArray[Any]]
"""By the name of a column: int64, (n,), places in a text's `values`; float32, (n,), a number;
float32, (n, k), numbers."""

Kind: TypeAlias = Literal["text", "number", "numbers"]


class Column(msgspec.Struct, frozen=True):
    """One value of an answer.

    Args:
        name: its key in JSON, its column in Arrow.
        kind: "text" is one of `values`; "number" is a float32; "numbers" are several of them.
        description: for the OpenAPI document.
        values: the texts, or whole numbers in their place, in the order of their codes.
        each: of numbers, what each of them is of, which is its key in JSON; without names they are
            an array.
        count: how many numbers there are.
        minimum, maximum: of a number; None where there is no limit.
    """

    name: str
    kind: Kind
    description: str = ""
    values: tuple[Label, ...] = ()
    each: tuple[str, ...] = ()
    count: int = 1
    minimum: float | None = None
    maximum: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether whole numbers stand in the place of texts."""
        return bool(self.values) and isinstance(self.values[0], int)


class AnswerSchema(msgspec.Struct, frozen=True):
    """What an answer holds, in order: JSON, Arrow, OpenAPI and ONNX outputs are derived from it.

    Args:
        columns: at most one of them a text.
    """

    columns: tuple[Column, ...]

    @property
    def text(self) -> Column | None:
        """The column with the decision; None if an answer holds numbers alone."""
        return next((column for column in self.columns if column.kind == "text"), None)

    @property
    def numbers(self) -> tuple[Column, ...]:
        """The columns of numbers."""
        return tuple(column for column in self.columns if column.kind != "text")


class Decider(ABC):
    """Margins to answers.

    - `schema`: what an answer holds.
    - `n_margins`: margins of a row that it takes.
    - `policy`: what it answers, as data.
    """

    schema: AnswerSchema
    n_margins: int = 1
    policy: Policy

    @abstractmethod
    def columns(self, margins: Margins) -> Columns:
        """The answers as columns, by the names of the schema.

        Args:
            margins: float32, (n, n_margins), without NaN. Read only.
        """

    @abstractmethod
    def body(self, margins: Margins) -> bytes:
        """The answer to one row as JSON.

        Args:
            margins: float32, (1, n_margins), without NaN.

        Raises:
            InvalidApplication: the row is lost, as `lost` finds.
        """

    def bodies(self, margins: Margins, end: bytes) -> bytes:
        """The answers as `body` has them, in order.

        Args:
            margins: float32, (n, n_margins), without NaN.
            end: what follows each answer, at most two bytes.
        """
        return b"".join([self.body(row) + end for row in margins[:, None]])

    def each(self, margins: Margins) -> list[bytes]:
        """The answers as `body` has them, in order, to the requests of one event-loop iteration.

        Args:
            margins: float32, (n, n_margins), without NaN.
        """
        # JSON text has no line feed of its own.
        return self.bodies(margins, b"\n").split(b"\n")[:-1]

    def answer(self, margins: Margins) -> Any:
        """The answer to one row, (1, n_margins), for a caller in Python: by default its JSON."""
        return msgspec.json.decode(self.body(margins))

    def answers(self, margins: Margins) -> list[Any]:
        """The answers to rows, (n, n_margins), as `answer` has them, in order."""
        return [self.answer(row) for row in margins[:, None]]

    @abstractmethod
    def decide(self, predictions: Predictions) -> Ints | None:
        """The decisions by the predictions themselves: how a proof judges `columns`.

        Args:
            predictions: float32, (n, m), the booster's.

        Returns:
            int64, (n,), places in the text's `values`; None where nothing discrete is answered.
        """

    def lost(self, margins: Margins) -> Bools:
        """bool, (n,): which rows have no answer, because a number of it is not finite.

        Args:
            margins: float32, (n, n_margins).
        """
        return np.asarray(np.isnan(margins).any(axis=1))


def no_answer() -> InvalidApplication:
    """The refusal of an application without an answer."""
    # A sum of finite leaves is never NaN; a linear model's products may be infinite.
    return InvalidApplication("numbers that the model can add", "some that are too large")


def array_of(decider: Decider, margins: Margins) -> bytes:
    """The answers to margins, (n, n_margins), as a JSON array."""
    return b"[" + decider.bodies(margins, b", ").removesuffix(b", ") + b"]"
