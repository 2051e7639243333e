"""Vectorizer names: the feature names of a DictVectorizer say which steps fill its columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from bentoml_ext.encoders.steps import Number, OneHot
from bentoml_ext.errors import FeatureMismatch

__all__ = ["is_wordlike", "steps_of_names"]

_WORDLIKE: Final = re.compile(r"[\w.\- ]|[\w.\-]+")
"""A separator that names of fields have in them as well."""


def is_wordlike(separator: str) -> bool:
    """Whether names of fields may have the separator in them as well."""
    return _WORDLIKE.fullmatch(separator) is not None


def steps_of_names(
    features: Sequence[str], separator: str, fields: Collection[str] = ()
) -> tuple[Number | OneHot, ...]:
    """The steps that the feature names of a DictVectorizer give.

    Args:
        features: names in column order: a number's is its field's, a category's
            `field`, `separator`, `category`.
        separator: what stands between field and category.
        fields: names of fields, where they are known: then they say where a name is parted.

    Raises:
        FeatureMismatch: a name that can be read in several ways, or a category and a number of one
            name. The message names the column.
    """
    if not separator:
        raise FeatureMismatch("Expected a separator, got an empty text - at the separator.")
    numbers: dict[str, int] = {}
    categories: dict[str, dict[str, int]] = {}
    order: dict[str, None] = {}
    for column, feature in enumerate(features):
        field, category = _parted(feature, column, separator, fields)
        order.setdefault(field)
        if category is None:
            numbers[field] = column
        else:
            categories.setdefault(field, {})[category] = column
    return tuple(
        OneHot(field, categories[field], numbers.get(field))
        if field in categories
        else Number(field, numbers[field])
        for field in order
    )


def _parted(
    feature: str, column: int, separator: str, fields: Collection[str]
) -> tuple[str, str | None]:
    """Field and category of a feature; no category of a number."""
    found = list(_readings(feature, separator))
    if fields:
        known = [(field, category) for field, category in found if field in fields]
        if len(known) > 1:
            raise _ambiguous(feature, column, known)
        if known or len(found) == 1:
            return (known or found)[0]
        if is_wordlike(separator):
            raise FeatureMismatch(
                f"Expected a feature of one of the fields {sorted(fields)[:20]}, got '{feature}' "
                f"- at column {column}. Name its field among the fields."
            )
    if len(found) > 1 and is_wordlike(separator):
        raise _ambiguous(feature, column, found)
    # As DictVectorizer's own separator is read: a field's name has none, a category's text may.
    return found[min(1, len(found) - 1)]


def _readings(feature: str, separator: str) -> Iterator[tuple[str, str | None]]:
    yield feature, None
    at = feature.find(separator)
    while at >= 0:
        yield feature[:at], feature[at + len(separator) :]
        at = feature.find(separator, at + 1)


def _ambiguous(
    feature: str, column: int, found: Sequence[tuple[str, str | None]]
) -> FeatureMismatch:
    ways = [
        f"the number '{field}'" if category is None else f"the category '{category}' of '{field}'"
        for field, category in found
    ]
    return FeatureMismatch(
        f"Expected one way to read the feature '{feature}', got {' or '.join(ways)} - at column "
        f"{column}. Say which fields there are: --fields FILE, or --check FILE with a column each."
    )
