"""Graph: a scikit-learn pipeline around an estimator of XGBoost as one exact ONNX file.

The file takes what the pipeline takes, in the types of the example. A column of float64 is an input
of float64, so that scikit-learn and ONNX Runtime round at the same places.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
import sklearn
import xgboost as xgb
from onnx import TensorProto, helper
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from bentoml_ext.backends.onnx_session import session
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.errors import ExportRefused, ProofFailed
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.labels import add_labels, answers_with_class, columns_of
from bentoml_ext.export.graph.model import add_answers, add_model, properties
from bentoml_ext.export.pipelines.rows import PipelineRows
from bentoml_ext.export.pipelines.steps import add_steps, rows_of
from bentoml_ext.export.pipelines.tables import KINDS, Table
from bentoml_ext.proof.bits import word_of

__all__ = ["pipeline_answers", "pipeline_to_onnx"]

ROWS: Final = 2_000
"""Made up for the proof, besides the example's own."""

THREADS: Final = (1, 2)
BATCHES: Final = (1, 51)


def pipeline_to_onnx(pipeline: Pipeline, example: Any, *, seed: int = 0) -> onnx.ModelProto:
    """An ONNX model with the bits of a pipeline's own `predict_proba` and `predict`.

    Inputs: one for each column of a DataFrame, by its name, (n, 1); or "X", (n, n_columns), for an
    array. The types are float32, float64, int64, bool or string, as the example has them. Outputs:
    for a classifier `label` int64 and `probabilities` float32, (n, n_classes); for any other
    estimator `variable` float32. The bits hold under ONNX Runtime's defaults.

    Steps: StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler, SimpleImputer of numbers,
    OneHotEncoder, OrdinalEncoder, ColumnTransformer, passthrough, nested pipelines. Zeros of a
    sparse matrix are missing, as for XGBoost. A category that the pipeline refuses is an error of
    ONNX Runtime (an index out of bounds).

    Args:
        pipeline: fitted; its last step is an estimator of XGBoost.
        example: rows as the pipeline takes them, best those of training. The file is compared with
            the pipeline on them and on 2 000 that are made of them.
        seed: of what is made up.

    Raises:
        ExportRefused: a step or a column that no exact graph covers, by name.
        ProofFailed: the file gives another bit than the pipeline; names the first row.
    """
    estimator = pipeline.steps[-1][1] if isinstance(pipeline, Pipeline) else None
    if not isinstance(estimator, xgb.XGBModel):
        raise ExportRefused(
            "Expected a Pipeline whose last step is an estimator of XGBoost, got "
            f"{type(estimator or pipeline).__name__} - at the pipeline."
        )
    given = PipelineRows.of(example)
    try:
        pipeline.predict(given.part(0, 1).rows)
    except (NotFittedError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportRefused(
            f"Expected a fitted pipeline and rows that it takes, got {reason} - at the example."
        ) from error
    model = _build(pipeline, estimator, given)
    _prove(model, pipeline, given, seed)
    return model


def _build(pipeline: Pipeline, estimator: xgb.XGBModel, given: PipelineRows) -> onnx.ModelProto:
    source, ensemble = read(estimator)
    ops = GraphBuilder(prefix="bentoml_ext_")
    rows = rows_of(ops, add_steps(ops, Table(given.blocks), pipeline))
    margins = add_model(ops, source, ensemble, rows, deterministic_threads=True)
    answers, _ = add_answers(ops, source, ensemble, margins)
    columns = columns_of(estimator)
    if isinstance(estimator, xgb.XGBClassifier):
        ops.add("Identity", add_labels(ops, estimator, margins, answers), output="label")
        ops.add("Identity", answers, output="probabilities")
        several = columns > 1 and estimator.n_classes_ == 2 and not answers_with_class(estimator)
        outputs = [
            _tensor("label", TensorProto.INT64, columns if several else None),
            _tensor("probabilities", TensorProto.FLOAT, max(columns, 2)),
        ]
    else:
        shape = ops.constant([-1, columns], np.int64)
        ops.add("Reshape", answers, shape, output="variable")
        outputs = [_tensor("variable", TensorProto.FLOAT, columns)]
    steps = ", ".join(f"{name}: {type(step).__name__}" for name, step in pipeline.steps)
    return ops.to_model(
        "bentoml_ext_pipeline",
        inputs=[_tensor(block.name, KINDS[block.kind], block.width) for block in given.blocks],
        outputs=outputs,
        properties=properties(source, ensemble, deterministic_threads=True)
        | {"bentoml_ext.pipeline": steps, "bentoml_ext.scikit-learn": sklearn.__version__},
    )


def _tensor(name: str, kind: int, columns: int | None) -> onnx.ValueInfoProto:
    shape: list[str | int] = ["n"] if columns is None else ["n", columns]
    return helper.make_tensor_value_info(name, kind, shape)


def pipeline_answers(pipeline: Pipeline, rows: Any) -> dict[str, Any]:
    """The pipeline's answers to rows, by the name of the output that must equal them."""
    if hasattr(pipeline, "predict_proba"):
        return {
            "label": np.asarray(pipeline.predict(rows)),
            "probabilities": np.asarray(pipeline.predict_proba(rows), np.float32),
        }
    predicted = np.asarray(pipeline.predict(rows), np.float32)
    return {"variable": predicted.reshape(len(predicted), -1)}


def _prove(model: onnx.ModelProto, pipeline: Pipeline, given: PipelineRows, seed: int) -> None:
    tried = [given, given.shuffled(ROWS, seed, missing=False)]
    with_gaps = given.shuffled(ROWS, seed + 1, missing=True)
    try:
        pipeline.predict(with_gaps.rows)
        tried.append(with_gaps)
    except ValueError:
        # Missing values are not for this pipeline.
        pass
    for rows in tried:
        expected = pipeline_answers(pipeline, rows.rows)
        for threads in THREADS:
            running = session(model, threads)
            for size in (*BATCHES, len(rows)):
                for start in range(0, min(len(rows), 40 * size), size):
                    got = running.run(list(expected), rows.part(start, start + size).feed())
                    for (name, wanted), found in zip(expected.items(), got, strict=True):
                        _compare(name, wanted[start : start + size], found, start)


def _compare(name: str, expected: Any, got: Any, start: int) -> None:
    if expected.dtype == np.float32:
        same = expected.view(np.uint32) == got.view(np.uint32)
    else:
        same = expected == got
    if not same.all():
        at = tuple(np.argwhere(~same)[0])
        raise ProofFailed(
            f"Expected {name} {word_of(expected[at])}, got {word_of(got[at])} - at row "
            f"{start + at[0]} of the pipeline's own. Nothing was written."
        )
