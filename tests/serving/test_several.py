"""Several models in one process: each has its own backend, paths and name in every answer."""

from __future__ import annotations

import gc
import json
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bentoml
import pyarrow as pa
import pytest

import bentoml_ext
from bentoml_ext.errors import ConfigError
from bentoml_ext.serving.final import check_instance
from tests.support import small, tasks
from tests.support.commands import bentoml_command
from tests.support.homes import store_of
from tests.support.servers import Server, serve

SERVICE = """
import bentoml, bentoml_ext

@bentoml_ext.service(name="both")
class Both(bentoml_ext.Classifier, models={"risk": "risk:latest", "price-list": "prices:latest"}):
    '''Risk and price.'''

    @bentoml.api
    def worth(self, application: dict) -> float:
        return self.served["price-list"].scorer.classify(application)["price"]
"""
BENTOFILE = "service: several:Both\n"
ARROW, NDJSON = "application/vnd.apache.arrow.stream", "application/x-ndjson"
APPLICATIONS: list[dict[str, Any]] = [
    {"age": age, "home": home, "income": income}
    for age in (-1.5, 0, 2)
    for home in ("rent", "owner")
    for income in (-2, 1.25)
]
BACKENDS = {"risk": "onnx", "price-list": "xgboost"}
KINDS = {"risk": "classify", "price-list": "predict"}
NAMES = pytest.mark.parametrize("name", BACKENDS)


@pytest.fixture(scope="module")
def models() -> dict[str, bentoml.Model]:
    """The models by name, in the store of this process."""
    encoder, prices = small.encoder(), tasks.TASKS["prices"].policy
    risk = bentoml_ext.save_model("risk", small.booster(), encoder=encoder, policy=small.policy())
    price = bentoml_ext.save_model(
        "prices", tasks.booster_of("prices"), encoder=encoder, policy=prices
    )
    return {"risk": risk, "price-list": price}


@pytest.fixture(scope="module")
def home(models: dict[str, bentoml.Model], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a bento of both models, and no store of models any more."""
    home = tmp_path_factory.mktemp("home")
    for model in models.values():
        shutil.copytree(Path(model.path).parent, home / "models" / model.tag.name)
    (home / "several.py").write_text(SERVICE)
    (home / "bentofile.yaml").write_text(BENTOFILE)
    built = bentoml_command(home, "build", cwd=home, BACKEND="onnx,price-list=xgboost")
    assert built.returncode == 0, built.stdout + built.stderr
    shutil.rmtree(home / "models")
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    """The bento, served."""
    with serve(home, "both:latest", cwd=home) as server:
        yield server


def body_of(models: dict[str, bentoml.Model], name: str) -> Callable[[Any], bytes]:
    """What a model answers alone."""
    return bentoml_ext.load_model(models[name].tag, BACKENDS[name]).body


@NAMES
@pytest.mark.parametrize("query", ["", "?long=way"], ids=["fast path", "BentoML's path"])
def test_each_model_answers_at_its_own_path_as_it_does_alone(
    server: Server, models: dict[str, bentoml.Model], name: str, query: str
) -> None:
    body = body_of(models, name)

    answers = [
        server.client.post(f"/{name}/{KINDS[name]}{query}", json=one) for one in APPLICATIONS
    ]
    many = server.client.post(f"/{name}/predict_batch{query}", json=APPLICATIONS)

    assert [one.content for one in answers] == [body(one) for one in APPLICATIONS]
    assert many.json() == [json.loads(body(one)) for one in APPLICATIONS]
    for answer in (*answers, many):
        assert answer.headers["x-model-tag"] == str(models[name].tag)
        assert answer.headers["x-backend"] == BACKENDS[name]


@NAMES
def test_streams_are_answered_by_the_model_of_their_path(
    server: Server, models: dict[str, bentoml.Model], name: str
) -> None:
    expected = [json.loads(body_of(models, name)(one)) for one in APPLICATIONS]
    table = pa.Table.from_pylist([one | {"income": float(one["income"])} for one in APPLICATIONS])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    lines = b"\n".join(json.dumps(one).encode() for one in APPLICATIONS)

    said = {
        kind: server.client.post(
            f"/{name}/predict_batch", content=content, headers={"content-type": kind}
        )
        for kind, content in {NDJSON: lines, ARROW: sink.getvalue().to_pybytes()}.items()
    }

    assert [json.loads(line) for line in said[NDJSON].text.splitlines()] == expected
    assert pa.ipc.open_stream(said[ARROW].content).read_all().num_rows == len(expected)
    assert {one.headers["x-model-tag"] for one in said.values()} == {str(models[name].tag)}


def test_the_models_are_listed_and_each_is_described_at_its_path(
    server: Server, models: dict[str, bentoml.Model]
) -> None:
    listed = server.client.get("/models").json()

    assert [one["name"] for one in listed] == list(models)
    for one in listed:
        assert one["tag"] == str(models[one["name"]].tag)
        assert one["backend"] == BACKENDS[one["name"]]
        own = server.client.get(f"/{one['name']}/model").json()
        assert {"name": one["name"], **own} == one
    assert server.client.get("/model").status_code == 404
    assert server.client.post("/predict", json=APPLICATIONS[0]).status_code == 404


def test_a_refusal_names_the_model_and_the_path_that_answers(
    server: Server, models: dict[str, bentoml.Model]
) -> None:
    wrong = server.client.post("/price-list/predict", json=APPLICATIONS[0] | {"age": "old"})
    decision = server.client.post("/price-list/classify", json=APPLICATIONS[0])

    assert (wrong.status_code, wrong.json()["field"]) == (400, "age")
    assert wrong.headers["x-model-tag"] == str(models["price-list"].tag)
    assert decision.status_code == 404
    assert decision.json()["error"].endswith("at /price-list/classify. Ask /price-list/predict.")


def test_a_method_of_the_class_asks_a_model_by_its_name(
    server: Server, models: dict[str, bentoml.Model]
) -> None:
    answer = server.client.post("/worth", json={"application": APPLICATIONS[0]})

    assert answer.json() == json.loads(body_of(models, "price-list")(APPLICATIONS[0]))["price"]


def test_metrics_and_document_have_each_models_paths(server: Server) -> None:
    metrics = server.client.get("/metrics").text
    document = server.client.get("/docs.json").json()

    counted = set(re.findall(r'bentoml_service_request_total{endpoint="([^"]+)"', metrics))
    assert counted >= {"/risk/classify", "/price-list/predict"}
    assert {"/risk/classify", "/price-list/predict", "/risk/model", "/models"} <= set(
        document["paths"]
    )
    assert "/price-list/classify" not in document["paths"]
    operations = [one["post"]["operationId"] for one in document["paths"].values() if "post" in one]
    assert len(set(operations)) == len(operations)
    assert "## risk" in document["info"]["description"]


def test_bentomls_client_has_a_method_for_each_model(server: Server) -> None:
    with bentoml.SyncHTTPClient(server.url) as client:
        assert client.risk_classify(APPLICATIONS[0])["Status"]
        assert client.price_list_predict(application=APPLICATIONS[0])["price"]
    # It leaves its folder to the garbage collector, which would say so in another test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del client
        gc.collect()


def test_the_bento_installs_both_backends_and_names_both_models(
    home: Path, models: dict[str, bentoml.Model]
) -> None:
    folder = next(path.parent for path in (home / "bentos" / "both").glob("*/bento.yaml"))

    required = (folder / "env" / "python" / "requirements.txt").read_text()
    assert re.search("^onnxruntime==", required, re.MULTILINE)
    assert re.search("^xgboost(-cpu)?==", required, re.MULTILINE)
    said = (folder / "bento.yaml").read_text()
    assert all(str(model.tag) in said for model in models.values())


def test_a_service_is_made_of_tags_alone(models: dict[str, bentoml.Model]) -> None:
    service = bentoml_ext.get_service(["risk:latest", models["price-list"].tag])

    instance = service()

    check_instance(instance, bentoml_ext.Classifier)
    assert list(instance.served) == ["risk", "prices"]
    assert instance.risk_classify_batch(APPLICATIONS[:1])[0]["Status"]
    with pytest.raises(AttributeError, match=r"one of risk, prices.*self\.served\[NAME\]\.scorer"):
        _ = instance.scorer


def test_a_derived_class_has_places_of_its_own(models: dict[str, bentoml.Model]) -> None:
    class Parent(bentoml_ext.Classifier, models=["risk:latest", "prices:latest"]):
        """Two models."""

    class Child(Parent, example={"risk": APPLICATIONS[0]}):
        """The same."""

    assert list(Child.slots) == ["risk", "prices"]
    assert Child.slots["risk"].example == APPLICATIONS[0]
    assert Child.slots["risk"].model is not Parent.slots["risk"].model


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"models": ["risk:a", "risk:b"]}, "a name of its own, got 'risk' - at model risk:b"),
        ({"models": {"a-b": "risk", "a.b": "risk"}}, "Expected a name of its own, got 'a.b'"),
        ({"models": {"a:1": "risk"}}, "Expected a name without a version, got 'a:1'"),
        ({"models": []}, "Expected tags of models, got none"),
        ({"model": "risk", "models": ["risk"]}, "Expected model= or models=, got both"),
        ({"models": ["risk"], "example": {"price": {}}}, "Expected one of risk, got 'price'"),
    ],
)  # fmt: skip
def test_what_names_no_models_is_refused_when_the_class_is_made(
    how: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        type("Own", (bentoml_ext.Classifier,), {}, **how)


def test_a_method_in_the_place_of_a_models_is_refused() -> None:
    members = {"risk_predict": lambda _: None}

    with pytest.raises(ConfigError, match="Expected no 'risk_predict' of its own"):
        type("Own", (bentoml_ext.Classifier,), members, models=["risk", "prices"])


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"BACKEND": "onnx,prize=xgboost"}, "got 'prize' - at BACKEND"),
        ({"MODEL": "risk:latest"}, "Expected a model that one place of the service has"),
    ],
)
@pytest.mark.slow
def test_a_setting_that_means_no_one_model_stops_the_start(
    models: dict[str, bentoml.Model], tmp_path: Path, environ: dict[str, str], message: str
) -> None:
    with store_of(tmp_path):
        bentoml_ext.save_model("risk", small.booster(), encoder=small.encoder())
    (tmp_path / "twice.py").write_text(
        "import bentoml_ext\n"
        'svc = bentoml_ext.get_service({"now": "risk:latest", "then": "risk:latest"})\n'
    )

    ended = bentoml_command(tmp_path, "serve", "twice:svc", cwd=tmp_path, **environ)

    assert ended.returncode != 0
    assert message in ended.stdout + ended.stderr
