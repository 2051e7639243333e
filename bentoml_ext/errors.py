"""Errors: one class for each thing that a caller can do about it.

BentoMLException
└── BentoMLExtError
    ├── InvalidApplication   (400)  the client mends the application it sent
    ├── TooLarge             (413)  the client sends less at once
    ├── NoDecision           (404)  the client asks the route of predictions
    ├── FeatureMismatch             the model and the data disagree about columns
    ├── ConfigError                 the operator mends a setting
    │   ├── UnknownBackend          ... the name of the backend
    │   └── ColumnMissing           ... the name of a column
    ├── BackendMissing              the operator installs an extra
    ├── BackendError                a backend's library refused the rows
    ├── BundleError                 a stored bundle is corrupt, truncated or of another format
    ├── HistoryBroken               the operator brings back a history of names that was changed
    ├── UnreadableInput             a file of applications is not what its format says
    ├── ClusterFailed               a cluster could not end a run; it is resumed when it can
    ├── ImportRefused               a source for `bentoml ext import` is not what it says
    │   └── NotAccepted             ... or does not answer as the trainer's own model did
    ├── ExportRefused               a booster has a feature that no exact graph covers
    ├── NotPromoted                 a version fails a gate; its name means what it meant
    ├── ProofFailed                 two backends disagree about a bit
    └── SelfTestFailed              a server does not give the bits that were proven

A message reads `Expected <what>, got <what> - at <where>. <What to do.>`
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from bentoml.exceptions import (
    BentoMLConfigException,
    BentoMLException,
    InvalidArgument,
    MissingDependencyException,
)

__all__ = [
    "BackendError",
    "BackendMissing",
    "BentoMLExtError",
    "BundleError",
    "ClusterFailed",
    "ColumnMissing",
    "ConfigError",
    "ExportRefused",
    "FeatureMismatch",
    "HistoryBroken",
    "ImportRefused",
    "InvalidApplication",
    "NoDecision",
    "NotAccepted",
    "NotPromoted",
    "ProofFailed",
    "SelfTestFailed",
    "TooLarge",
    "UnknownBackend",
    "UnreadableInput",
]


class BentoMLExtError(BentoMLException):
    """Base of every error that this package raises on purpose."""


class InvalidApplication(BentoMLExtError, InvalidArgument):
    """An application that must not be scored: HTTP 400.

    Args:
        expected: what the field takes, in words.
        got: what came, in words.
        field: the field's name, or None where the whole application is wrong.
        index: position in the batch from 0, or None for a single application.
    """

    def __init__(
        self, expected: str, got: str, field: str | None = None, index: int | None = None
    ) -> None:
        self.expected, self.got, self.field, self.index = expected, got, field, index
        place = " of ".join(
            part
            for part in (
                field and f"field '{field}'",
                None if index is None else f"application {index}",
            )
            if part
        )
        super().__init__(f"Expected {expected}, got {got}" + (f" - at {place}." if place else "."))

    def __reduce__(self) -> tuple[type[InvalidApplication], tuple[Any, ...]]:
        # By default an exception is pickled by its message alone.
        return type(self), (self.expected, self.got, self.field, self.index)

    @property
    def detail(self) -> dict[str, Any]:
        """The client's answer: error, index, field, expected and got, without entries of None."""
        answer = {
            "error": str(self),
            "index": self.index,
            "field": self.field,
            "expected": self.expected,
            "got": self.got,
        }
        return {name: value for name, value in answer.items() if value is not None}

    @property
    def reason(self) -> str:
        """The message without the index."""
        return str(InvalidApplication(self.expected, self.got, self.field)).rstrip(".")

    def at(self, index: int) -> InvalidApplication:
        """The same error, placed at application `index` of a batch."""
        return InvalidApplication(self.expected, self.got, self.field, index)


class NoDecision(BentoMLExtError):
    """A decision was asked of a model that predicts a number: HTTP 404."""

    error_code = HTTPStatus.NOT_FOUND


class TooLarge(BentoMLExtError):
    """More rows or bytes than are taken at once: HTTP 413."""

    error_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class FeatureMismatch(BentoMLExtError, ValueError):
    """Rows, features or fields are not the ones that the model was trained with."""


class ConfigError(BentoMLExtError, BentoMLConfigException):
    """A setting has a value that cannot be used."""


class UnknownBackend(ConfigError, LookupError):
    """No backend of that name is registered."""


class ColumnMissing(ConfigError):
    """A file has no column of a name, or two.

    Args:
        message: says so, at --keep.
        name: that was asked for.
    """

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name

    def named_by(self, option: str) -> ColumnMissing:
        """The same error where another option names the column."""
        return ColumnMissing(str(self).replace("at --keep", f"at {option}"), self.name)


class BackendMissing(BentoMLExtError, MissingDependencyException):
    """A backend's library is not installed."""


class BackendError(BentoMLExtError):
    """A backend's library refused the rows; its own error is chained."""


class BundleError(BentoMLExtError):
    """A bundle that must not be opened: corrupt, truncated, swapped or of another format."""


class HistoryBroken(BentoMLExtError):
    """A history of names with an entry that is not as it was sealed."""


class UnreadableInput(BentoMLExtError, ValueError):
    """A file of applications that is damaged, or of another format than it says."""


class ClusterFailed(BentoMLExtError):
    """A cluster that could not end a run, such as one that shut down."""


class ImportRefused(BentoMLExtError, ValueError):
    """A model that was handed over for import and is not what import takes."""


class NotAccepted(ImportRefused):
    """A model that, as it was read, does not answer as the trainer's own predictions say."""


class ExportRefused(BentoMLExtError, ValueError):
    """A booster that cannot be exported exactly, named with the reason."""


class NotPromoted(BentoMLExtError):
    """A version that fails a gate; nothing was moved."""


class ProofFailed(BentoMLExtError):
    """Two backends gave different bits; nothing was written."""


class SelfTestFailed(BentoMLExtError):
    """On this machine a backend gives other bits than were proven; it must not serve."""
