"""The DictVectorizer that a model was trained with, made again from the names of its columns."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.feature_extraction import DictVectorizer

__all__ = ["vectorizer"]


def vectorizer(features: Sequence[str]) -> DictVectorizer:
    """As the course's: dense, so that what an application does not have is 0.

    Args:
        features: names of the columns, in order.
    """
    made = DictVectorizer(sparse=False)
    made.feature_names_ = list(features)
    made.vocabulary_ = {name: column for column, name in enumerate(features)}
    return made
