"""Formats of bundles: a version that an earlier release stored is served, verified and scored."""

from __future__ import annotations

import shutil
from pathlib import Path

import bentoml
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bentoml_ext.internals.store import model_store_path
from bentoml_ext.proving.verify import verify_bundle
from bentoml_ext.scoring.opening import open_tested
from bentoml_ext.store.models import get, load_bundle
from tests.support.commands import bentoml_command

STORED = Path(__file__).parent / "format_2"
"""A model folder as bentoml_ext 0.1.0 stored it, with its proof."""

FORMATS = ("format_2", "format_3")
"""Folders of one model, each as some release stored it."""

ANSWERS = {
    b'{"Status": "DECLINED", "probability": 0.9705884}': {
        "age": 41,
        "home": "rent",
        "income": 1.5,
    },
    b'{"Status": "APPROVED", "probability": 0.18863654}': {
        "age": 20,
        "home": "owner",
        "income": -3,
    },
    b'{"Status": "DECLINED", "probability": 0.95842445}': {
        "age": 0.5,
        "home": "rent",
        "income": 0.25,
    },
}
"""Applications by the bodies that they got when the model was stored."""


@pytest.fixture(scope="module", params=FORMATS)
def stored(home: Path, request: pytest.FixtureRequest) -> bentoml.Model:
    """The model in this run's store."""
    name = {"format_2": "format_two", "format_3": "format_three"}[request.param]
    shutil.copytree(STORED.with_name(request.param), model_store_path() / name / "fixture")
    return get(f"{name}:fixture")


@pytest.mark.parametrize("backend", ["onnx", "xgboost", "auto"])
def test_a_bundle_of_an_earlier_release_answers_the_same_bytes(
    stored: bentoml.Model, backend: str
) -> None:
    scorer, self_test = open_tested(load_bundle(stored), backend)

    assert self_test.rows > 0
    for body, application in ANSWERS.items():
        assert scorer.body(application) == body


def test_a_bundle_of_an_earlier_release_is_verified(stored: bentoml.Model) -> None:
    proof = verify_bundle(load_bundle(stored), random_rows=100)

    assert proof.holds, proof.reason


def test_a_bundle_of_an_earlier_release_scores_a_portfolio(
    stored: bentoml.Model, home: Path, tmp_path: Path
) -> None:
    pq.write_table(pa.Table.from_pylist(list(ANSWERS.values())), tmp_path / "book.parquet")

    done = bentoml_command(
        home,
        "ext",
        "score",
        str(stored.tag),
        tmp_path / "book.parquet",
        "-o",
        tmp_path / "scored.parquet",
    )

    assert done.returncode == 0, done.stderr
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert scored["Status"].to_pylist() == ["DECLINED", "APPROVED", "DECLINED"]
