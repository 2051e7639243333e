"""Reading: which steps of scikit-learn a pipeline has, and which columns each of them is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from bentoml_ext.errors import ExportRefused

__all__ = ["check_step", "is_passed_through", "parts_of"]


def is_passed_through(step: Any) -> bool:
    """Whether a step hands its columns on as they are."""
    is_identity = type(step) is FunctionTransformer and step.func is None
    return is_identity or step in (None, "passthrough")


def check_step(step: Any, known: Sequence[str], place: str, *, sparse: bool) -> None:
    """Refuse a step that is not known, and one behind a sparse matrix.

    Args:
        step: fitted, and not passed through.
        known: names of scikit-learn's classes.
        place: where it stands in the pipeline.
        sparse: whether it is given a sparse matrix.

    Raises:
        ExportRefused: names the step.
    """
    if sparse:
        raise ExportRefused(
            f"Expected dense rows, got a sparse matrix - at step '{place}'. "
            "Set sparse_output=False, or sparse_threshold=0 in a ColumnTransformer."
        )
    name = type(step).__name__
    # A class that derives from scikit-learn's may transform otherwise.
    is_known = type(step).__module__.startswith("sklearn.") and name in known
    if not is_known and not isinstance(step, Pipeline):
        raise ExportRefused(
            f"Expected {', '.join(known)} or passthrough, got {name} - at step '{place}'. "
            "Take it out of the pipeline and apply it before."
        )


def parts_of(step: ColumnTransformer, place: str) -> Iterator[tuple[str, Any, list[int]]]:
    """The name, the transformer and the columns of each part that has any.

    Raises:
        ExportRefused: it weighs its transformers.
    """
    if step.transformer_weights:
        raise ExportRefused(f"Expected no transformer_weights, got some - at step '{place}'.")
    columns = step._transformer_to_input_indices
    for name, transformer, _ in step.transformers_:
        at = list(columns[name])
        if at and not (isinstance(transformer, str) and transformer == "drop"):
            yield name, transformer, at
