"""BentoML's framework contract: saved, listed, carried and run like any framework's model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import pytest
import xgboost
from bentoml._internal.configuration import load_config
from bentoml.exceptions import BentoMLException, NotFound

import bentoml_ext
from bentoml_ext.decisions.policy import Band, Classes, Policy, Value
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.errors import BundleError, ConfigError, ExportRefused, FeatureMismatch
from bentoml_ext.scoring.opening import open_backend
from bentoml_ext.store.bundle import Bundle
from tests.support import small
from tests.support.commands import bentoml_command
from tests.support.servers import START_S, serve

SERVICE = """
import bentoml_ext

svc = bentoml_ext.get_service("framework_test:latest", name="made", workers=1)
"""


@pytest.fixture(scope="module")
def stored() -> bentoml.Model:
    return bentoml_ext.save_model(
        "framework_test",
        small.booster(),
        encoder=small.encoder(),
        policy=small.policy("answer", (Band(0.4, "NO"),), "YES"),
        labels={"team": "risk"},
        metadata={"auc": 0.8},
    )


@pytest.fixture
def runners() -> None:
    """BentoML's first configuration: a service of its second, in this process, left another."""
    load_config()


def test_a_saved_model_is_the_latest_of_its_name(stored: bentoml.Model) -> None:
    found = bentoml_ext.get("framework_test:latest")

    assert found.tag == stored.tag
    assert bentoml_ext.get("framework_test").tag == stored.tag
    assert bentoml.models.get(stored.tag).path == found.path


def test_a_saved_model_says_what_it_is(stored: bentoml.Model) -> None:
    info = bentoml.models.get(stored.tag).info

    assert (info.module, info.context.framework_name) == ("bentoml_ext", "bentoml_ext")
    assert info.context.framework_versions["xgboost"] == xgboost.__version__
    assert {name: (s.batchable, s.batch_dim) for name, s in info.signatures.items()} == {
        "margins": (True, (0, 0)),
        "predict": (True, (0, 0)),
    }
    assert (info.labels, info.metadata) == ({"team": "risk"}, {"auc": 0.8})


@pytest.mark.parametrize("backend", ["onnx", "xgboost"])
def test_a_loaded_model_gives_the_boosters_bits(stored: bentoml.Model, backend: str) -> None:
    rows = small.rows(200, seed=7)
    expected = small.booster().predict(xgboost.DMatrix(rows), output_margin=True)

    scorer = bentoml_ext.load_model(stored.tag, backend)

    assert scorer.backend.name == backend
    small.assert_same_bits(expected=expected[:, None], got=scorer.margins(rows))


def test_the_backend_of_a_loaded_model_is_by_default_that_of_the_settings(
    stored: bentoml.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bentoml_ext.load_model(stored).backend.name == "onnx"

    monkeypatch.setenv("BACKEND", "xgboost")
    assert bentoml_ext.load_model(stored).backend.name == "xgboost"


def test_a_model_keeps_its_policy(stored: bentoml.Model) -> None:
    scorer = bentoml_ext.load_model(stored)

    assert scorer.decider.policy == small.policy("answer", (Band(0.4, "NO"),), "YES")
    assert scorer.classify(small.APPLICATION).status in ("NO", "YES")


@pytest.mark.parametrize("width", [3, 5])
def test_rows_of_another_width_are_refused(stored: bentoml.Model, width: int) -> None:
    with pytest.raises(FeatureMismatch, match=rf"rows of 4 features, got shape \(2, {width}\)"):
        bentoml_ext.load_model(stored).margins(np.zeros((2, width), np.float32))


def test_the_command_line_lists_the_model(home: Path, stored: bentoml.Model) -> None:
    listed = bentoml_command(home, "models", "list", "-o", "json")

    found = {model["tag"]: model["module"] for model in json.loads(listed.stdout)}
    assert found[str(stored.tag)] == "bentoml_ext"


def test_the_command_line_shows_module_versions_and_signatures(
    home: Path, stored: bentoml.Model
) -> None:
    shown = bentoml_command(home, "models", "get", str(stored.tag), "-o", "json")

    info = json.loads(shown.stdout)
    assert info["module"] == "bentoml_ext"
    assert info["context"]["framework_versions"].keys() >= {"bentoml_ext", "xgboost", "onnxruntime"}
    assert info["signatures"]["predict"] == {"batchable": True, "batch_dim": [0, 0]}


@pytest.mark.parametrize("backend", ["onnx", "xgboost"])
def test_an_exported_and_imported_model_gives_the_same_bits(
    home: Path, stored: bentoml.Model, tmp_path: Path, backend: str
) -> None:
    archive, other = tmp_path / "model.bentomodel", tmp_path / "home"
    rows = small.rows(100, seed=8)

    out = bentoml_command(home, "models", "export", str(stored.tag), archive)
    into = bentoml_command(other, "models", "import", archive)

    assert (out.returncode, into.returncode) == (0, 0), out.stderr + into.stderr
    bundle = Bundle(other / "models" / stored.tag.path())
    small.assert_same_bits(
        expected=bentoml_ext.load_model(stored).margins(rows),
        got=open_backend(bundle, backend).margins(rows),
    )


@pytest.mark.usefixtures("runners")
def test_a_runner_gives_the_boosters_own_predictions(stored: bentoml.Model) -> None:
    rows = small.rows(100, seed=9)
    runner: Any = bentoml.models.get("framework_test:latest").to_runner()
    runner.init_local(quiet=True)

    predicted, margins = runner.predict.run(rows), runner.margins.run(rows)

    matrix, booster = xgboost.DMatrix(rows), small.booster()
    small.assert_same_bits(expected=booster.predict(matrix), got=predicted)
    small.assert_same_bits(expected=booster.predict(matrix, output_margin=True), got=margins)
    runner.destroy()


@pytest.mark.usefixtures("runners")
def test_a_runners_methods_are_batchable_on_dimension_0(stored: bentoml.Model) -> None:
    methods = bentoml.models.get(stored.tag).to_runner().runner_methods

    assert {method.name: method.config.batchable for method in methods} == {
        "predict": True,
        "margins": True,
    }
    assert {method.config.batch_dim for method in methods} == {(0, 0)}


def test_a_runner_takes_the_float64_rows_of_a_course_style_service(stored: bentoml.Model) -> None:
    rows = small.rows(10).astype(np.float64)
    runnable = bentoml_ext.get_runnable(stored)()

    predicted = runnable.predict(rows)

    small.assert_same_bits(expected=small.booster().predict(xgboost.DMatrix(rows)), got=predicted)


def test_a_service_made_of_a_model_answers_over_http(
    home: Path, stored: bentoml.Model, tmp_path: Path
) -> None:
    (tmp_path / "made.py").write_text(SERVICE)
    answer = bentoml_ext.load_model(stored).classify(small.APPLICATION)

    with serve(home, "made:svc", cwd=tmp_path) as server:
        reply = server.client.post("/classify", json=small.APPLICATION)
        refused = server.client.post("/classify", json={**small.APPLICATION, "home": "tent"})
        told = server.client.get("/model").json()

    assert reply.json() == {"answer": answer.status, "probability": float(answer.shortest)}
    assert reply.headers["x-model-tag"] == str(stored.tag)
    assert refused.status_code == 400
    assert refused.json()["field"] == "home"
    assert [field["name"] for field in told["fields"]] == ["age", "home", "income"]


def test_a_service_of_no_model_stops_the_start(home: Path, tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text(SERVICE.replace("framework_test:", "no_such_model:"))

    with serve(home, "none:svc", cwd=tmp_path, wait=None) as server:
        assert server.process.wait(START_S) == 1
        assert "Expected model 'no_such_model:latest', got none of that name" in server.log


def test_another_frameworks_model_is_refused_and_the_way_named() -> None:
    other = bentoml.xgboost.save_model("framework_test_other", small.booster())

    with pytest.raises(
        NotFound, match=rf"saved by bentoml\.xgboost.*bentoml ext import {other.tag}"
    ):
        bentoml_ext.get(other.tag)


@pytest.mark.parametrize(
    ("model", "features", "message"),
    [
        (small.booster(), ["a", "b", "c"], "Expected 4 features for this booster, got 3"),
        (small.booster(), ["a", "b", "c", "d", "e"], "Expected 4 features .*, got 5"),
    ],
)
def test_an_encoder_of_another_width_is_refused_and_nothing_stored(
    model: xgboost.Booster, features: list[str], message: str
) -> None:
    with pytest.raises(FeatureMismatch, match=message):
        bentoml_ext.save_model("framework_refused", model, encoder=Encoder(features))

    with pytest.raises(NotFound):
        bentoml.models.get("framework_refused")


def test_columns_in_another_order_are_refused_by_name() -> None:
    booster = small.booster()
    booster.feature_names = ["age", "home=owner", "home=rent", "income"]
    turned = Encoder(["age", "home=rent", "home=owner", "income"])

    with pytest.raises(FeatureMismatch, match="'home=owner', got 'home=rent' - at column 1"):
        bentoml_ext.save_model("framework_refused", booster, encoder=turned)


def test_a_model_of_several_labels_answers_the_probability_of_each() -> None:
    labels = np.array([[0, 1], [1, 0]] * 150)
    matrix = xgboost.DMatrix(small.rows(300), label=labels)
    booster = xgboost.train({"objective": "binary:logistic"}, matrix, 2)
    row = Encoder(small.FEATURES).rows([small.APPLICATION])

    stored = bentoml_ext.save_model("framework_labels", booster, encoder=small.encoder())

    answer = bentoml_ext.load_model(stored, "onnx").classify(small.APPLICATION)
    expected = booster.predict(xgboost.DMatrix(row))[0]
    assert np.array(answer["prediction"], np.float32).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("objective", "policy"),
    [
        ("reg:squarederror", small.policy()),
        ("binary:logistic", Classes(("a", "b", "c"))),
        ("reg:squarederror", Value(names=("low", "high"))),
    ],
    ids=str,
)
def test_a_policy_that_does_not_fit_is_refused_and_nothing_stored(
    objective: str, policy: Policy
) -> None:
    booster = small.booster(objective=objective)

    with pytest.raises(ConfigError, match=f"of '{objective}' - at the policy. Give Bands for"):
        bentoml_ext.save_model("framework_refused", booster, encoder=small.encoder(), policy=policy)

    with pytest.raises(NotFound):
        bentoml.models.get("framework_refused")


def test_an_estimator_that_lacks_its_best_round_is_not_stored() -> None:
    estimator = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(small.rows(60), [0, 1] * 30)
    estimator.get_booster().set_attr(best_iteration="3")

    with pytest.raises(ExportRefused, match="Expected at least 4 rounds, got 3"):
        bentoml_ext.save_model("framework_refused", estimator, encoder=small.encoder())


@pytest.mark.parametrize("parallel", [1, 3])
def test_of_an_estimator_that_stopped_early_the_trees_that_it_uses_are_stored(
    parallel: int,
) -> None:
    known, label = np.nan_to_num(small.rows(300)), np.arange(300) % 2
    estimator = xgboost.XGBClassifier(
        n_estimators=60, early_stopping_rounds=3, max_depth=2, num_parallel_tree=parallel, n_jobs=1
    )
    estimator.fit(known, label, eval_set=[(small.rows(100, 5), label[:100])], verbose=False)
    rows = small.rows(50, seed=6)

    stored = bentoml_ext.save_model("framework_early", estimator, encoder=small.encoder())

    manifest = bentoml_ext.load_bundle(stored).manifest
    assert manifest.n_trees == (estimator.best_iteration + 1) * parallel
    assert manifest.n_trees < len(estimator.get_booster().get_dump())
    for backend in ("onnx", "xgboost"):
        small.assert_same_bits(
            expected=estimator.predict(rows, output_margin=True)[:, None],
            got=bentoml_ext.load_model(stored, backend).margins(rows),
        )


def test_a_whole_tag_sets_the_version_once() -> None:
    tag = "framework_versions:v1"
    stored = bentoml_ext.save_model(tag, small.booster(), encoder=small.encoder())
    before = (Path(stored.path) / "manifest.json").read_bytes()

    with pytest.raises(BentoMLException, match=f"Expected a new version, got {tag}"):
        bentoml_ext.save_model(tag, small.booster(seed=1), encoder=small.encoder())

    assert str(stored.tag) == tag
    assert (Path(stored.path) / "manifest.json").read_bytes() == before


def test_latest_is_no_version_to_save() -> None:
    with pytest.raises(BentoMLException, match="got framework_latest:latest"):
        bentoml_ext.save_model("framework_latest:latest", small.booster(), encoder=small.encoder())


def test_a_version_that_was_cut_is_refused_when_it_is_loaded() -> None:
    stored = bentoml_ext.save_model("framework_cut", small.booster(), encoder=small.encoder())
    graph = Path(stored.path) / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])

    with pytest.raises(BundleError, match=r"graph\.onnx"):
        bentoml_ext.load_model("framework_cut:latest")


def test_the_public_names_are_those_of_their_modules() -> None:
    assert bentoml_ext.__all__ == sorted(bentoml_ext.__all__)
    for name in bentoml_ext.__all__:
        public: Any = getattr(bentoml_ext, name)
        assert public.__module__.startswith("bentoml_ext.")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bentoml_ext.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prediction": "p"}, "Expected a file of predictions"),
        ({"fields": "fields.json"}, "Expected fields for a Pipeline alone"),
        ({"example": [{"age": 1}]}, "Expected example for a Pipeline alone"),
        ({"metadata": 3}, "Expected a dict, got 3 - at metadata"),
        ({"labels": ["a"]}, r"Expected a dict, got \['a'\] - at labels"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_an_argument_is_used_or_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bentoml_ext.save_model("framework_given", small.booster(), encoder=small.encoder(), **given)
