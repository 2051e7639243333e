"""Compiling: a fitted pipeline of scikit-learn becomes the encoder of its estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Application
from bentoml_ext.encoders.user_rules import Rule
from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.fields import steps_and_fields
from bentoml_ext.preprocessing.frames import (
    applications_of,
    as_frame,
    columns_of,
    domain_of,
    is_text,
)
from bentoml_ext.preprocessing.natives import Natives, as_codes, natives_of
from bentoml_ext.preprocessing.records import (
    encoder_of_records,
    frame_of_records,
    is_of_records,
)
from bentoml_ext.preprocessing.refusals import advice_for
from bentoml_ext.preprocessing.sides import Sides, as_sides, sides_of
from bentoml_ext.preprocessing.walk import Given, walked

__all__ = ["Compiled", "compile_pipeline", "takes"]

_SENT: Final = 1_000


@dataclass(frozen=True, eq=False)
class Compiled:
    """A pipeline as an encoder and an estimator.

    Args:
        pipeline: the fitted one.
        example: DataFrame of rows that it takes, or of the records that it takes.
        encoder: what the steps ahead of the estimator do.
        estimator: of XGBoost.
        natives: columns of the estimator that hold pandas' categories.
        sides: what the trees see of columns that a function has bent.
        sparse: whether the estimator is given a sparse matrix.
    """

    pipeline: Any
    example: Any
    encoder: Encoder
    estimator: Any
    natives: Natives = field(default_factory=dict)
    sides: Mapping[int, Sides] = field(default_factory=dict)
    sparse: bool = False

    def given(self, frame: Any, applications: Sequence[Application]) -> Any:
        """What the pipeline takes: the rows of a frame, or the applications themselves."""
        return applications if is_of_records(self.pipeline) else frame

    @property
    def applications(self) -> list[Application]:
        """The first rows of the example as a client would send them, those that are taken."""
        found = applications_of(self.example.head(_SENT), self.encoder)
        return [one for one in found if takes(self.encoder, one)]


def compile_pipeline(pipeline: Any, example: Any, rules: Sequence[Rule] = ()) -> Compiled:
    """The encoder that makes the rows which a pipeline gives its estimator.

    Args:
        pipeline: fitted; its last step is an estimator of XGBoost.
        example: pandas DataFrame as the pipeline takes it, best the one of its training. It says
            which fields there are, their types, and which of them may be null. Of a pipeline that
            begins with a DictVectorizer, a list of dictionaries, or a DataFrame of them.
        rules: of some of its fields.

    Raises:
        ExportRefused: a step or a column that no step of an encoder covers, by name.
    """
    estimator = _estimator(pipeline)
    if is_of_records(pipeline):
        example = frame_of_records(example)
        _check(example)
        encoder = encoder_of_records(pipeline, example, rules)
        return Compiled(pipeline, example, encoder, estimator)
    example = as_frame(example)
    _check(example)
    domains = {name: domain_of(example[name]) for name in example if is_text(example[name])}
    natives = natives_of(pipeline, example)
    # Twice: an encoder may know categories that the example does not hold.
    for _ in range(2):
        given = walked(pipeline, Given(columns_of(example, domains)), domains)
        columns = as_codes(given.columns, natives, domains)
    features = _features(estimator, len(columns))
    # For XGBoost an entry that a sparse matrix does not hold is missing, not 0.
    missing = 0.0 if given.sparse else estimator.missing
    sides = sides_of(columns, estimator, missing)
    steps, fields = steps_and_fields(as_sides(columns, sides), example, rules)
    encoder = Encoder(
        features, fields, absent="missing", null="missing", missing=missing, steps=steps
    )
    return Compiled(pipeline, example, encoder, estimator, natives, sides, given.sparse)


def takes(encoder: Encoder, application: Application) -> bool:
    """Whether an encoder takes an application."""
    return next(encoder.wrong(application), None) is None


def _estimator(pipeline: Any) -> Any:
    import xgboost as xgb

    steps = getattr(pipeline, "steps", None)
    last = steps[-1][1] if steps else pipeline
    if not steps or not isinstance(last, xgb.XGBModel):
        raise ExportRefused(
            "Expected a Pipeline whose last step is an estimator of XGBoost, got "
            f"{type(last).__name__} - at the pipeline.{advice_for(last)}"
        )
    return last


def _check(example: Any) -> None:
    if not hasattr(example, "columns") or not len(example):
        raise ExportRefused(
            f"Expected a pandas DataFrame, got {type(example).__name__} - at the example. Give the "
            "rows that the pipeline was trained on: example=frame."
        )
    if odd := [name for name in example.columns if not isinstance(name, str)]:
        raise ExportRefused(f"Expected names of columns, got {odd[0]!r} - at the example.")
    if twice := [name for name in example.columns if list(example.columns).count(name) > 1]:
        raise ExportRefused(f"Expected each column once, got '{twice[0]}' twice - at the example.")


def _features(estimator: Any, width: int) -> Sequence[str]:
    known = estimator.get_booster().feature_names
    return known if known is not None else [f"f{at}" for at in range(width)]
