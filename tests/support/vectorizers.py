"""DictVectorizers to import, and objects whose pickle runs something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.feature_extraction import DictVectorizer

__all__ = ["SEEN", "Runs", "fitted"]

SEEN = [{"age": 1, "home": "owner", "income": 2}, {"age": 3, "home": "rent", "income": 4}]


def fitted(**options: Any) -> DictVectorizer:
    """A DictVectorizer whose columns are `small.FEATURES`."""
    return DictVectorizer(**options).fit(SEEN)


class Runs:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call
