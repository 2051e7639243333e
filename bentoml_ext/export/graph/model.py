"""Model: a booster or an estimator as one ONNX model that gives the same bits."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper

from bentoml_ext.boosters.ensemble import Ensemble, Trees
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.estimator import EstimatorView, Model
from bentoml_ext.export.confirm import confirm
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.margins import add_margins
from bentoml_ext.export.graph.predictions import add_class_probabilities, add_predictions
from bentoml_ext.export.graph.scipy_softmax import numpy_softmax

__all__ = ["add_answers", "add_model", "properties", "to_onnx"]


def to_onnx(
    model: Model, *, deterministic_threads: bool = True, with_prediction: bool = True
) -> onnx.ModelProto:
    """An ONNX model with the bits of `model`: same margin, same prediction, for any float32 rows.

    Input `rows`: float32, (n, n_features), any n, NaN for missing. Output `margin`: float32,
    (n, n_targets). Output `prediction`: float32, in shape and bits what `Booster.predict` gives for
    a Booster, `predict_proba` for a classifier, `predict` for any other estimator. Each is over the
    trees that this very call uses, so an estimator that stopped early uses its best iteration.

    The bits hold under ONNX Runtime's defaults, which are a thread for each core: on any number of
    threads, for any number of rows. Without `deterministic_threads` they hold on one intra-op
    thread alone.

    dart has two native sums that differ in the last bit: `Booster.predict` on a DMatrix adds
    leaf x weight, `Booster.inplace_predict` adds ((leaf + base) - base) x weight. A Booster is
    exported as the first, an estimator, which calls `inplace_predict`, as the second.

    Args:
        model: a fitted Booster or scikit-learn estimator of XGBoost.
        deterministic_threads: add up in an order that no number of threads changes. Without it a
            row takes half the time or less, but the file's user has to set
            `intra_op_num_threads = 1`: with more threads ONNX Runtime adds the trees in another
            order from 51 rows on.
        with_prediction: without it the graph ends at the margin. ONNX Runtime computes every output
            of a graph, asked for or not, so a graph that only serves margins is faster without.

    Returns:
        A checked model, which has answered a few hundred rows with the bits of `model`, margin and
        prediction. Its metadata names the objective and the version of XGBoost.

    Raises:
        ExportRefused: something that no exact graph covers, with the reason.
    """
    source, ensemble = read(model)
    ops = GraphBuilder()
    margins = add_model(
        ops, source, ensemble, "rows", deterministic_threads=deterministic_threads, output="margin"
    )
    outputs = [_tensor(margins, ("n", ensemble.n_targets))]
    if with_prediction:
        prediction, shape = add_answers(ops, source, ensemble, margins)
        ops.add("Identity", prediction, output="prediction")
        outputs.append(_tensor("prediction", shape))
    graph = ops.to_model(
        "bentoml_ext",
        inputs=[_tensor("rows", ("n", ensemble.n_features))],
        outputs=outputs,
        properties=properties(source, ensemble, deterministic_threads=deterministic_threads),
    )
    confirm(graph, model, source, ensemble)
    return graph


def add_model(
    ops: GraphBuilder,
    source: EstimatorView,
    ensemble: Ensemble,
    rows: str,
    *,
    deterministic_threads: bool = False,
    output: str | None = None,
) -> str:
    """Append the nodes that turn rows into the model's margins, its marker for missing included.

    Args:
        ops: any graph's nodes; afterwards `ops.nodes` and `ops.constants` go into that graph.
        source, ensemble: from `read`.
        rows: name of a float32 tensor, (n, n_features).
        deterministic_threads: as `to_onnx`.
        output: name of the margins; made up by default.

    Returns:
        The name of a float32 tensor, (n, n_targets).
    """
    if source.missing is not None:
        marked = ops.add("Equal", rows, ops.constant(source.missing, np.float32))
        rows = ops.add("Where", marked, ops.constant(np.nan, np.float32), rows)
    return add_margins(
        ops, ensemble, rows, deterministic_threads=deterministic_threads, output=output
    )


def add_answers(
    ops: GraphBuilder, source: EstimatorView, ensemble: Ensemble, margins: str
) -> tuple[str, tuple[str | int, ...]]:
    """Append the nodes that turn margins into the model's predictions.

    Returns:
        The name of a float32 tensor and its shape, with "n" for the rows.
    """
    objective, k = ensemble.objective, ensemble.n_targets
    if source.scipy_softmax:
        return numpy_softmax(ops, margins, k), ("n", k)
    prediction = add_predictions(ops, objective, margins, k, ensemble.transform)
    flat = k == 1 or objective == "multi:softmax"
    if source.n_classes is None:
        return prediction, ("n",) if flat else ("n", k)
    prediction = add_class_probabilities(ops, prediction, 1 if flat else k, source.n_classes)
    return prediction, ("n", 2 if flat else k)


def _tensor(name: str, shape: tuple[str | int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def properties(
    source: EstimatorView, ensemble: Ensemble, *, deterministic_threads: bool
) -> dict[str, str]:
    """The file's metadata."""
    trees = len(ensemble.model) if isinstance(ensemble.model, Trees) else 0
    return {
        "bentoml_ext.objective": ensemble.objective,
        "bentoml_ext.booster": ensemble.kind,
        "bentoml_ext.xgboost": ensemble.version,
        "bentoml_ext.trees": str(trees),
        "bentoml_ext.rounds": "all" if source.rounds is None else str(source.rounds),
        "bentoml_ext.features": json.dumps(ensemble.features, ensure_ascii=False),
        "bentoml_ext.thread_proof": str(deterministic_threads).lower(),
        "bentoml_ext.native": "inplace_predict" if source.inplace else "predict",
    }
