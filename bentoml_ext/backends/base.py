"""Base: the contract of a backend, which takes float32 rows and gives float32 margins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from bentoml_ext.arrays import Margins, Rows

__all__ = ["Backend"]


class Backend(ABC):
    """Scores rows with one form of the model. An instance is ready to use.

    A class names itself and the file of the bundle that it reads:

    - `name`: the word in configuration, headers and metrics.
    - `filename`: "booster.ubj", "graph.onnx" or another file of the bundle.
    """

    name: ClassVar[str]
    filename: ClassVar[str]

    @abstractmethod
    def __init__(self, path: Path) -> None:
        """Load the model.

        Args:
            path: the file of the bundle; its checksum has been verified.

        Raises:
            BackendError: the library refused the file; its own error is chained.
        """

    @property
    def members(self) -> tuple[Backend, ...]:
        """The backends that answer: this one, or the members of a composite."""
        return (self,)

    def for_rows(self, rows: int) -> Backend:
        """The backend that scores so many rows at once: this one, or a member of a composite."""
        return self

    @abstractmethod
    def margins(self, rows: Rows) -> Margins:
        """Margins of rows.

        Args:
            rows: float32, (n, n_features), C order. NaN is "not given". n may be 0. Read only.

        Returns:
            float32, (n, n_margins), C order, of no rows (0, n_margins); the same bits as the
            booster's own. The array belongs to the caller.

        Raises:
            BackendError: the library refused the rows; its own error is chained.
        """

    def single(self, row: Rows, margins: Margins) -> Callable[[], None]:
        """A call that scores one row, which the caller fills anew each time.

        Args:
            row: float32, (1, n_features), C order; kept.
            margins: float32, (1, n_margins), C order, as `margins(row)` gives it; kept.

        Returns:
            A function of no arguments that fills `margins`. Not for two threads at once.
        """

        def call() -> None:
            margins[:] = self.margins(row)

        return call

    def __str__(self) -> str:
        """Name of the backend, and in brackets its details, for a line of the log."""
        return self.name

    def describe(self) -> dict[str, Any]:
        """Facts of the backend for GET /model, besides its name."""
        return {}
