"""Fixtures: a BentoML home of the tests' own, models in it, and real servers.

BentoML reads BENTOML_HOME when it is imported, so it is set before anything imports it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="bentoml_ext-tests-"))
os.environ["BENTOML_HOME"] = str(HOME)
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
# XGBoost's threads otherwise wait by spinning, and two test processes take the cores from each
# other: test_matrix.py then takes four times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Where it is set, every server and command compiles BentoML anew: a second of processor each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
for name in (
    "ACCESS_LOG",
    "BACKEND",
    "CROSSOVER",
    "DRAIN_SECONDS",
    "FASTPATH",
    "MAX_BULK_BYTES",
    "MAX_BULK_ROWS",
    "MODEL",
    "REPORT",
    "UI",
):
    os.environ.pop(name, None)

import bentoml
import pytest
import xgboost
from hypothesis import HealthCheck, settings

import bentoml_ext
from bentoml_ext.encoders.encoder import Application
from bentoml_ext.proving import every_form
from models.course_csv import load
from models.dataset import Dataset
from models.fields import EXAMPLE
from models.split import split
from models.synthetic import generate
from models.training import Trained, train
from tests.support.homes import home_of
from tests.support.servers import Server, serve
from tests.support.starters import starts_a_process

# No test asserts on time: a busy machine is slow to draw examples. CI draws the same each time.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

CSV = Path(__file__).parents[2] / "shared" / "data" / "CreditScoring.csv"
COURSE_ROWS = 4454


# Hundreds of tests store a model, and 100 000 random rows take half a second of each proof.
# Commands draw them all, and so does tests/proving.
(every_form.prove.__kwdefaults__ or {})["random_rows"] = 5_000

NEED_DATA = frozenset({"csv", "course_csv", "dataset"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they use, and run the files with slow tests first.

    `make test` gives each worker whole files: a long file at the end would keep one worker waiting.
    """
    for item in items:
        if NEED_DATA & set(getattr(item, "fixturenames", ())):
            item.add_marker("data")
        if starts_a_process(item):
            item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_sessionfinish() -> None:
    """Leave no home behind."""
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def home() -> Path:
    """BENTOML_HOME of this test process."""
    return HOME


@pytest.fixture(scope="session")
def csv() -> Path:
    """The course's data."""
    if not CSV.is_file():
        pytest.skip("the course's CreditScoring.csv is not part of the project")
    return CSV


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """The course's data; where it is missing, as many generated applications."""
    return load(CSV) if CSV.is_file() else generate(COURSE_ROWS).dataset()


@pytest.fixture(scope="session")
def held_out(dataset: Dataset) -> list[Application]:
    """The 891 test applications: real ones where the course's data is."""
    return list(split(dataset)[1].applications)


@pytest.fixture(scope="session")
def trained(dataset: Dataset) -> Trained:
    """The model of the course's recipe."""
    return train(dataset)


@pytest.fixture(scope="session")
def credit_model(trained: Trained, held_out: list[Application]) -> bentoml.Model:
    """That model in the store."""
    return bentoml_ext.save_model(
        "credit_risk_model",
        trained.booster,
        encoder=trained.encoder,
        policy=trained.policy,
        applications=held_out[:100],
    )


@pytest.fixture(scope="session")
def onnx_server(home: Path, credit_model: bentoml.Model) -> Iterator[Server]:
    """The credit service on ONNX Runtime."""
    with serve(home, BACKEND="onnx") as server:
        yield server


@pytest.fixture(scope="session")
def xgboost_server(home: Path, credit_model: bentoml.Model) -> Iterator[Server]:
    """The credit service on XGBoost."""
    with serve(home, BACKEND="xgboost") as server:
        yield server


@pytest.fixture(scope="session")
def long_server(home: Path, credit_model: bentoml.Model) -> Iterator[Server]:
    """The credit service on ONNX Runtime, without the fast path."""
    with serve(home, BACKEND="onnx", FASTPATH="off") as server:
        yield server


@pytest.fixture(scope="session")
def example_answer(trained: Trained) -> bytes:
    """What the service answers to the course's example, made of XGBoost's own prediction."""
    rows = xgboost.DMatrix(trained.encoder.rows([EXAMPLE]))
    (probability,) = trained.booster.predict(rows)
    status = "DECLINED" if probability > 0.5 else "MAYBE" if probability > 0.3 else "APPROVED"
    return f'{{"Status": "{status}", "probability": {probability!s}}}'.encode()


@pytest.fixture
def own_home(credit_model: bentoml.Model, tmp_path: Path) -> Path:
    """A home for one server: another that starts in it would clear the series of the first."""
    return home_of(credit_model, tmp_path / "home")
