"""`bentoml ext verify --pipeline`: a file is judged by the scikit-learn pipeline it was made of."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pandas as pd
import pytest
import skl2onnx
import skops.io
import xgboost
from click.testing import CliRunner, Result
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from bentoml_ext.cli import ext
from bentoml_ext.export import pipeline_to_onnx
from bentoml_ext.export.skl2onnx_converter import register_with_skl2onnx

RANDOM = np.random.default_rng(8)
FRAME = pd.DataFrame(
    {
        "income": RANDOM.normal(30, 9, 900),
        "debt": RANDOM.normal(size=900),
        "home": RANDOM.choice(["own", "rent", "other"], 900),
    }
)
TARGET = (FRAME.income / 30 + FRAME.debt + (FRAME.home == "own") > 1.4).astype(int)


def called(*arguments: str | Path) -> Result:
    """`bentoml ext verify ARGUMENTS` in this process, on few rows."""
    told = ["verify", *map(str, arguments), "--rows", "2000"]
    return CliRunner().invoke(ext, told, prog_name="bentoml ext")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    columns = [
        ("numbers", StandardScaler(), ["income", "debt"]),
        ("home", OneHotEncoder(), ["home"]),
    ]
    estimator = xgboost.XGBClassifier(n_estimators=30, n_jobs=1)
    return make_pipeline(ColumnTransformer(columns), estimator).fit(FRAME, TARGET)


@pytest.fixture
def files(pipeline: Pipeline, tmp_path: Path) -> tuple[Path, Path]:
    """The ONNX file and the pipeline's."""
    onnx.save(pipeline_to_onnx(pipeline, FRAME), tmp_path / "model.onnx")
    skops.io.dump(pipeline, tmp_path / "pipeline.skops")
    return tmp_path / "model.onnx", tmp_path / "pipeline.skops"


def test_a_file_is_judged_by_its_pipeline(files: tuple[Path, Path]) -> None:
    ended = called(files[0], "--pipeline", files[1])

    assert ended.exit_code == 0, ended.stdout + ended.stderr
    assert "Every bit is equal." in ended.stdout
    assert "output 'probabilities' with the pipeline's predict_proba" in ended.stdout
    assert "output 'label' with the pipeline's predict" in ended.stdout


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_the_users_own_rows_are_compared(files: tuple[Path, Path], kind: str) -> None:
    data = files[0].with_name(f"rows.{kind}")
    shuffled = FRAME[["home", "debt", "income"]].assign(more=1)
    shuffled.to_parquet(data) if kind == "parquet" else shuffled.to_csv(data, index=False)

    ended = called(files[0], "--pipeline", files[1], "--data", data)

    assert ended.exit_code == 0, ended.stdout + ended.stderr
    given = next(line for line in ended.stdout.splitlines() if line.startswith("given"))
    assert given.split()[1:3] == ["probabilities", "900"]


def test_rows_that_lack_a_column_are_refused(files: tuple[Path, Path]) -> None:
    data = files[0].with_name("rows.csv")
    FRAME[["home", "debt"]].to_csv(data, index=False)

    ended = called(files[0], "--pipeline", files[1], "--data", data)

    assert ended.exit_code == 1
    assert "got none called income - at --data" in ended.stderr


def test_the_stock_converters_scaler_is_found_to_differ(tmp_path: Path) -> None:
    rows = (RANDOM.normal(size=(900, 2)) * [1, 50] + [0, 9]).astype(np.float32)
    scaler = StandardScaler().fit(rows)
    # skl2onnx's own way: the difference times a rounded reciprocal.
    reciprocal = (1 / scaler.scale_).astype(np.float32)
    stock = (rows - scaler.mean_.astype(np.float32)) * reciprocal
    estimator = xgboost.XGBClassifier(n_estimators=60, n_jobs=1)
    model = make_pipeline(scaler, estimator).fit(rows, TARGET)
    register_with_skl2onnx()
    bare = make_pipeline(FunctionTransformer(), model[-1])
    graph = skl2onnx.to_onnx(bare, stock[:1], options={id(model[-1]): {"zipmap": False}})
    _with_scaler(graph, scaler.mean_, reciprocal)
    onnx.save(graph, tmp_path / "stock.onnx")
    joblib.dump(model, tmp_path / "model.joblib")
    pd.DataFrame(rows).to_parquet(tmp_path / "rows.parquet")
    how = ("--pipeline", tmp_path / "model.joblib", "--data", tmp_path / "rows.parquet")

    ended = called(tmp_path / "stock.onnx", *how, "--allow-pickle")

    assert ended.exit_code == 1, ended.stdout + ended.stderr
    assert "Different. Expected prediction 0x" in ended.stdout


def _with_scaler(graph: onnx.ModelProto, offset: Any, scale: Any) -> None:
    """Put ai.onnx.ml's Scaler in front of everything."""
    for node in graph.graph.node:
        for i, name in enumerate(node.input):
            if name == "X":
                node.input[i] = "scaled"
    scaler = onnx.helper.make_node(
        "Scaler",
        ["X"],
        ["scaled"],
        domain="ai.onnx.ml",
        offset=offset.tolist(),
        scale=scale.tolist(),
    )
    graph.graph.node.insert(0, scaler)


class Marker:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_is_not_read_unasked(files: tuple[Path, Path], tmp_path: Path) -> None:
    joblib.dump(Marker(tmp_path / "it_ran"), tmp_path / "model.joblib")

    ended = called(files[0], "--pipeline", tmp_path / "model.joblib")

    assert ended.exit_code == 1
    assert "add --allow-pickle if you trust who made it" in ended.stderr
    assert not (tmp_path / "it_ran").exists()


def test_a_skops_file_of_unknown_types_is_refused_by_their_names(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    odd = make_pipeline(FunctionTransformer(np.round), FunctionTransformer(warnings.warn_explicit))
    skops.io.dump(odd, tmp_path / "odd.skops")

    ended = called(files[0], "--pipeline", tmp_path / "odd.skops")

    assert ended.exit_code == 1
    assert "Expected types of scikit-learn, numpy and XGBoost, got" in ended.stderr
    assert "warn_explicit" in ended.stderr
