"""skl2onnx steps: exact converters for the steps ahead of a booster."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common._registration import get_converter, get_shape_calculator
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.pipelines.numbers import imputed, scaled
from bentoml_ext.export.pipelines.tables import Block, Table

__all__ = ["check_steps_after", "check_steps_ahead", "hand_over", "operators_for", "register_steps"]

_STEPS: Final = (StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler, SimpleImputer)
_PREFIX: Final = "BentoMLExt"
_STOCK_IMPUTER: Final = "SklearnImputer"
# They move columns and round nothing that XGBoost would not round.
_MOVERS: Final = ("SklearnConcat", "SklearnArrayFeatureExtractor", "SklearnFunctionTransformer")
# They name what an estimator answers, and compute nothing.
_NAMERS: Final = ("SklearnZipMap", "SklearnIdentity", "Identity")
_KINDS: Final[dict[type, np.dtype[Any]]] = {
    FloatTensorType: np.dtype(np.float32),
    DoubleTensorType: np.dtype(np.float64),
    Int64TensorType: np.dtype(np.int64),
    BooleanTensorType: np.dtype(np.bool_),
}
_ADVICE: Final = "bentoml_ext.export.pipeline_to_onnx exports the whole pipeline and proves it."


def register_steps() -> None:
    """Make skl2onnx convert scalers and SimpleImputer in scikit-learn's own arithmetic."""
    for step in _STEPS:
        how = imputed if step is SimpleImputer else scaled
        update_registered_converter(
            step, f"{_PREFIX}{step.__name__}", _shapes, _converter(how), overwrite=True
        )


def check_steps_ahead(operator: Any) -> None:
    """Refuse a step ahead of a booster whose bits are not known to be scikit-learn's.

    Warns:
        UserWarning: a step computes in float32, because the file's input is of float32.

    Raises:
        ExportRefused: names the step.
    """
    for ahead in _ahead(operator):
        if not ahead.type.startswith(_PREFIX) and ahead.type not in _MOVERS:
            name = type(ahead.raw_operator).__name__ if ahead.raw_operator else ahead.type
            raise ExportRefused(
                f"Expected steps that skl2onnx converts exactly, got {name} - ahead of the "
                f"estimator. {_ADVICE}"
            )
        if ahead.type.startswith(_PREFIX) and _kind(ahead) == np.float32:
            warnings.warn(
                f"{type(ahead.raw_operator).__name__} computes in float32, because the file takes "
                "float32: its bits are the pipeline's own on rows of float32. A pipeline that is "
                "given float64 answers otherwise near a split: convert with DoubleTensorType then.",
                stacklevel=2,
            )


def check_steps_after(scope: Any, operator: Any) -> None:
    """Refuse an estimator whose answers are not the file's, but go on into another one's.

    skl2onnx computes in float32 what scikit-learn makes of them in float64.

    Raises:
        ExportRefused: names the other estimator.
    """
    others = [one for one in scope.operators.values() if one is not operator]
    for output in operator.outputs:
        after = [one for one in others if any(given is output for given in one.inputs)]
        if output.is_leaf or (after and all(one.type.startswith(_NAMERS) for one in after)):
            continue
        # The one around it, to which no variable leads, was declared before it.
        ahead = list(_ahead(operator))
        around = [one for one in others if all(one is not step for step in ahead)]
        name = type((after or around)[0].raw_operator).__name__ if after or around else "another"
        raise ExportRefused(
            f"Expected an estimator whose answers are the file's, got one within {name} - at "
            f"{type(operator.raw_operator).__name__}. Nothing that follows it is known to have "
            "scikit-learn's bits: export the estimator alone."
        )


def operators_for(scope: Any, container: Any, stem: str) -> GraphBuilder:
    """Nodes with names that are free in skl2onnx's graph."""
    prefix = scope.get_unique_variable_name(stem) + "_"
    return GraphBuilder(prefix=prefix, opset=container.target_opset_any_domain(""))


def hand_over(ops: GraphBuilder, container: Any, domains: dict[str, int]) -> None:
    """Nodes and constants into skl2onnx's graph, as they are: its `add_node` would copy them."""
    container.nodes.extend(ops.nodes)
    container.initializers.extend(ops.constants)
    for domain, version in domains.items():
        container.node_domain_version_pair_sets.add((domain, version))


def _ahead(operator: Any) -> Iterator[Any]:
    """Every operator that takes part in what `operator` is handed."""
    todo, seen = [operator], [operator]
    while todo:
        for variable in todo.pop().inputs:
            parent = variable._parent
            if parent is not None and all(parent is not one for one in seen):
                seen.append(parent)
                todo.append(parent)
                yield parent


def _table(operator: Any) -> Table:
    """The inputs of an operator of skl2onnx."""
    blocks = []
    for variable in operator.inputs:
        kind = _KINDS.get(type(variable.type))
        if kind is None:
            raise ExportRefused(
                f"Expected numbers, got {type(variable.type).__name__} - at "
                f"{type(operator.raw_operator).__name__}. {_ADVICE}"
            )
        blocks.append(Block(variable.full_name, kind, variable.type.shape[1] or 1))
    return Table(tuple(blocks))


def _kind(operator: Any) -> np.dtype[Any]:
    """float32 or float64: what scikit-learn computes in."""
    kind = np.result_type(*(block.kind for block in _table(operator).blocks))
    return kind if kind == np.float32 else np.dtype(np.float64)


def _fills_texts(operator: Any) -> bool:
    """Whether it is an imputer of texts, which is left to skl2onnx: no estimator reads texts."""
    is_imputer = isinstance(operator.raw_operator, SimpleImputer)
    return is_imputer and isinstance(operator.inputs[0].type, StringTensorType)


def _shapes(operator: Any) -> None:
    step = operator.raw_operator
    if _fills_texts(operator):
        get_shape_calculator(_STOCK_IMPUTER)(operator)
        return
    width = int(step.n_features_in_)
    if isinstance(step, SimpleImputer):
        width = int(np.isfinite(np.asarray(step.statistics_, np.float64)).sum())
    made = FloatTensorType if _kind(operator) == np.float32 else DoubleTensorType
    operator.outputs[0].type = made([operator.inputs[0].get_first_dimension(), width])


def _converter(how: Callable[[GraphBuilder, Block, Any, str], Block]) -> Callable[..., None]:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        if _fills_texts(operator):
            get_converter(_STOCK_IMPUTER)(scope, operator, container)
            return
        step, ops = operator.raw_operator, operators_for(scope, container, "step")
        place = f"step {type(step).__name__}"
        block = _table(operator).numbers(ops, place)
        # skl2onnx does not always know how many columns a variable has.
        block = Block(block.name, block.kind, int(step.n_features_in_))
        made = how(ops, block, step, place)
        ops.add("Identity", made.name, output=operator.outputs[0].full_name)
        hand_over(ops, container, {"": container.target_opset_any_domain("")})

    return convert
