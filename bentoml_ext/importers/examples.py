"""Examples: a file of applications as the frame that a Pipeline takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bentoml_ext import files
from bentoml_ext.acceptance.column import INDEX
from bentoml_ext.acceptance.given import Columns, Given
from bentoml_ext.acceptance.opening import opened
from bentoml_ext.choices import some_of
from bentoml_ext.errors import ImportRefused
from bentoml_ext.export.pipelines.reading import parts_of

__all__ = ["example_of"]


def example_of(path: Path, pipeline: Any) -> Any:
    """A pandas DataFrame of the applications in a file, with the columns that a pipeline names.

    Args:
        path: Parquet, CSV, NDJSON, JSON or Arrow.
        pipeline: fitted. Where a file has no types, its categories say which columns are texts.

    Raises:
        ImportRefused: a column of the pipeline's is not in the file.
        UnreadableInput: damaged, or of another format.
    """
    frame = _frame(opened(files.read(path), path), path, known_texts(pipeline))
    for name in _native(pipeline, frame.columns):
        frame[name] = frame[name].astype("category")
    names = getattr(pipeline, "feature_names_in_", None)
    if names is None:
        return frame[[name for name in frame if not INDEX.fullmatch(str(name))]]
    for name in _unused(pipeline, names).difference(frame.columns):
        # A ColumnTransformer counts it among its columns, and hands it to no step.
        frame[name] = None
    if missing := [str(name) for name in names if name not in frame]:
        raise ImportRefused(
            f"Expected the columns that the pipeline was trained on, got none of "
            f"{some_of(missing)} - at {path}."
        )
    return frame[list(names)]


def known_texts(pipeline: Any) -> set[str]:
    """Names of the columns that some step knows texts of."""
    return {
        str(name)
        for step in _steps(pipeline)
        for name, known in _known(step)
        if any(isinstance(one, str) for one in known)
    }


def _native(pipeline: Any, names: Sequence[str]) -> set[str]:
    """Columns that XGBoost splits by its own categories; a ColumnTransformer may prefix a name."""
    booster = pipeline.steps[-1][1].get_booster()
    features = zip(booster.feature_names or (), booster.feature_types or (), strict=False)
    own = {feature for feature, kind in features if kind == "c"}
    return {name for name in names if own & {name} or any(one.endswith(f"__{name}") for one in own)}


def _unused(pipeline: Any, names: Sequence[str]) -> set[str]:
    """Columns that no step is given."""
    first = pipeline.steps[0][1]
    if type(first).__name__ != "ColumnTransformer":
        return set()
    used = {at for _, _, columns in parts_of(first, pipeline.steps[0][0]) for at in columns}
    return {name for at, name in enumerate(names) if at not in used}


def _steps(step: Any) -> Iterator[Any]:
    """Every fitted step within a pipeline."""
    yield step
    for one in getattr(step, "steps", ()):
        yield from _steps(one[1])
    for one in getattr(step, "transformers_", ()):
        yield from _steps(one[1])


def _known(step: Any) -> Iterator[tuple[str, Any]]:
    names = getattr(step, "feature_names_in_", ())
    if hasattr(step, "categories_"):
        yield from zip(names, step.categories_, strict=False)
    if hasattr(step, "statistics_"):
        yield from zip(names, [[one] for one in step.statistics_], strict=False)


def _frame(given: Given, path: Path, texts: set[str]) -> Any:
    import pandas as pd

    if not isinstance(given, Columns):
        frame = pd.DataFrame([_object(given, row) for row in range(len(given))])
    elif given.text_numbers:
        frame = given.table.to_pandas()
        for name in frame.columns.difference(sorted(texts)):
            frame[name] = _numbers(frame[name])
    else:
        frame = given.table.to_pandas()
    for name in frame:
        # pandas keeps true, false and null as objects.
        if pd.api.types.infer_dtype(frame[name], skipna=True) == "boolean":
            nulls = frame[name].isna().any()
            frame[name] = frame[name].astype("boolean" if nulls else "bool")
    return frame


def _object(given: Given, row: int) -> dict[str, Any]:
    import numpy as np

    (found,) = given.applications(np.array([row]), (), ())
    return dict(found)


def _numbers(series: Any) -> Any:
    """A column of texts as numbers or booleans, if all of it is."""
    import pandas as pd

    known = series.dropna().str.strip()
    if known.isin(["True", "False", "true", "false"]).all() and len(known):
        return series.str.strip().str.lower().map({"true": True, "false": False})
    try:
        return pd.to_numeric(series)
    except (ValueError, TypeError):
        return series
