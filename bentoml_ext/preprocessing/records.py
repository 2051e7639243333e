"""Records: a DictVectorizer at the head of a pipeline takes an application as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.field_rules import field_of
from bentoml_ext.encoders.steps import Number, OneHot
from bentoml_ext.encoders.user_rules import Rule, check_rules, ruled
from bentoml_ext.encoders.vectorizer_names import steps_of_names
from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.columns import is_null
from bentoml_ext.preprocessing.frames import seen_of
from bentoml_ext.preprocessing.walk import is_selector

__all__ = ["encoder_of_records", "frame_of_records", "is_of_records"]


def is_of_records(pipeline: Any) -> bool:
    """Whether a pipeline begins with a DictVectorizer."""
    return type(pipeline.steps[0][1]).__name__ == "DictVectorizer"


def frame_of_records(example: Any) -> Any:
    """Applications as a DataFrame; a key that a record lacks is null."""
    import pandas as pd

    if isinstance(example, Sequence) and all(isinstance(one, dict) for one in example):
        # Without a guess at their types: 1 stays a whole number beside null.
        return pd.DataFrame(list(example), dtype=object)
    return example


def encoder_of_records(pipeline: Any, example: Any, rules: Sequence[Rule] = ()) -> Encoder:
    """The encoder of a pipeline that begins with a DictVectorizer.

    Args:
        pipeline: fitted; behind the DictVectorizer it only chooses columns.
        example: DataFrame of applications. It says which fields there are, and which may be null.
        rules: of some of the fields.

    Raises:
        ExportRefused: another step, numbers that are not floats, or a field that the example lacks.
        FeatureMismatch: a feature's name can be read in several ways.
    """
    (_, vectorizer), *between = pipeline.steps[:-1]
    dtype = np.dtype(vectorizer.dtype)
    if not np.issubdtype(dtype, np.floating):
        raise ExportRefused(
            f"Expected a DictVectorizer of floats, got dtype {dtype} - at the pipeline. It cuts "
            "fractions off, which no encoder here does: train with the default dtype."
        )
    kept = np.arange(len(vectorizer.feature_names_))
    for name, step in between:
        if not is_selector(step):
            raise ExportRefused(
                f"Expected steps behind a DictVectorizer that choose columns, got "
                f"{type(step).__name__} - at step '{name}'. Use a ColumnTransformer on a DataFrame."
            )
        kept = kept[step.get_support(indices=True)]
    features = [vectorizer.feature_names_[at] for at in kept]
    steps = steps_of_names(features, vectorizer.separator, list(example.columns))
    if odd := [step.field for step in steps if step.field not in example]:
        raise ExportRefused(f"Expected an example of every field, got none of '{odd[0]}'.")
    check_rules(rules, [step.field for step in steps], features)
    by_name = {rule.name: rule for rule in rules}
    fields = [_field(step, example[step.field]) for step in steps]
    return Encoder(
        features,
        [
            ruled(field, by_name[field.name], step) if field.name in by_name else field
            for field, step in zip(fields, steps, strict=True)
        ],
        separator=vectorizer.separator,
        absent="missing" if vectorizer.sparse else "zero",
        null="missing",
        missing=pipeline.steps[-1][1].missing,
        steps=steps,
    )


def _numbers(series: Any) -> Any:
    """A column's numbers, which a frame of records holds as objects."""
    import pandas as pd

    return pd.to_numeric(series, errors="coerce")


def _field(step: Number | OneHot, series: Any) -> Field:
    """What a DictVectorizer takes of a field: true for 1, and any text for a category."""
    return msgspec.structs.replace(
        field_of((step,)),
        nullable=any(map(is_null, series)),
        boolean=isinstance(step, Number),
        unknown="zero" if isinstance(step, OneHot) else "refuse",
        seen=seen_of(_numbers(series)) if isinstance(step, Number) else None,
        multiple=any(isinstance(one, list | tuple) for one in series),
    )
