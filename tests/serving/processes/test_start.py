"""What the operator gives is honoured or refused, and a server that cannot serve ends."""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bentoml
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer

import bentoml_ext
from bentoml_ext.errors import ConfigError
from bentoml_ext.internals.command_line import command_line_arguments
from bentoml_ext.serving.bento.image import EmbeddedModel
from bentoml_ext.serving.given import check_arguments
from bentoml_ext.store.bundle import GRAPH
from models.fields import EXAMPLE
from models.training import Trained
from tests.support import small
from tests.support.homes import store_of
from tests.support.selftests import forged
from tests.support.servers import START_S, Server, eventually, serve
from tests.support.spied import workers_of

SERVICE = """
import bentoml_ext

svc = bentoml_ext.get_service("start_test:latest", workers={workers})
"""


@pytest.fixture(scope="module")
def versions(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A home with two versions of the credit model, the older one first, and another key each."""
    home = tmp_path_factory.mktemp("home")
    with store_of(home):
        tags = [
            bentoml_ext.save_model(
                f"credit_risk_model:{version}",
                trained.booster,
                encoder=trained.encoder,
                policy=small.policy(key=version),
            ).tag
            for version in ("v1", "v2")
        ]
    return home, [str(tag) for tag in tags]


def answered_by(server: Server) -> set[str]:
    """The tags that the routes and GET /model name."""
    one = server.client.post("/classify", json=EXAMPLE)
    assert list(one.json()) == [one.headers["x-model-tag"].partition(":")[2], "probability"]
    return {one.headers["x-model-tag"], server.client.get("/model").json()["tag"]}


@pytest.mark.parametrize("way", ["argument", "variable"])
def test_an_older_version_answers_where_it_is_asked_for(
    versions: tuple[Path, list[str]], way: str
) -> None:
    home, (older, newer) = versions
    # The command line goes before the environment.
    asked, variable = (["--arg", f"model={older}"], newer) if way == "argument" else ([], older)

    with serve(home, ".", *asked, MODEL=variable) as server:
        assert answered_by(server) == {older}


def test_a_runners_processes_have_the_arguments_of_the_command_line(
    versions: tuple[Path, list[str]],
) -> None:
    home, (older, _) = versions

    with serve(home, "services.runner:svc", "--arg", f"model={older}") as server:
        answer = server.client.post("/classify", json=EXAMPLE).json()

    assert list(answer) == ["v1", "probability"]


def test_a_version_that_is_not_there_stops_the_start_by_name(
    versions: tuple[Path, list[str]],
) -> None:
    home, _ = versions

    with serve(home, ".", "--arg", "model=credit_risk_model:v9", wait=None) as server:
        assert server.process.wait(START_S) == 1
        assert "Expected model 'credit_risk_model:v9', got only v1, v2" in server.log


def test_an_unknown_argument_stops_the_start_with_the_known_ones(
    versions: tuple[Path, list[str]],
) -> None:
    home, _ = versions

    with serve(home, ".", "--arg", "modle=credit_risk_model:v1", wait=None) as server:
        assert server.process.wait(START_S) == 1
        assert (
            "Expected one of access_log, backend, crossover, drain_seconds, fastpath" in server.log
        )
        assert "got 'modle' - at --arg modle=credit_risk_model:v1" in server.log
        assert "Traceback" not in server.log


@pytest.fixture
def given() -> Iterator[dict[str, Any]]:
    """BentoML's arguments of this process."""
    arguments: dict[str, Any] = {}
    BentoMLContainer.bento_arguments.set(arguments)
    yield arguments
    BentoMLContainer.bento_arguments.reset()


DECLARED = """
import bentoml
from pydantic import BaseModel, Field

class Args(BaseModel{extra}):
    threshold: float = 0.5
    colour: str = Field("red", alias="color")

class User:
    args = bentoml.use_TAKEN({call})
""".replace("TAKEN", "arguments")
# Else this module, too, would look like one that takes whatever comes.


@contextmanager
def user_of(folder: Path, source: str) -> Iterator[type]:
    """A service class in a module of a user's own."""
    name = f"declared_{folder.name}"
    (folder / f"{name}.py").write_text(source)
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module.User
    del sys.modules[name]


@pytest.mark.parametrize(
    ("extra", "call", "name"),
    [
        ("", "Args", "threshold"),
        ("", "model=Args", "color"),
        (', extra="allow"', "Args", "treshold"),
        ("", "", "treshold"),
    ],
)
def test_an_argument_that_the_users_service_may_take_is_left_to_it(
    given: dict[str, Any], tmp_path: Path, extra: str, call: str, name: str
) -> None:
    with user_of(tmp_path, DECLARED.format(extra=extra, call=call)) as user:
        given |= {"backend": "onnx", name: "1"}

        check_arguments(user)


def test_an_argument_that_the_users_service_does_not_declare_is_refused(
    given: dict[str, Any], tmp_path: Path
) -> None:
    with user_of(tmp_path, DECLARED.format(extra="", call="Args")) as user:
        given |= {"threshold": "1", "treshold": "1"}

        with pytest.raises(
            ConfigError, match=r"one of .*model, report, threshold, ui, got 'treshold'"
        ):
            check_arguments(user)


def test_the_arguments_of_a_bentoml_command_line_are_read(tmp_path: Path) -> None:
    (tmp_path / "arguments.yaml").write_text("fastpath: off\nbackend: onnx\n")
    words = ["serve", ".", "--arg", "model=a:b", "--arg=backend=xgboost"]
    words += ["--arg-file", str(tmp_path / "arguments.yaml"), "--port", "1"]

    for program in ("/venv/bin/bentoml", "/venv/lib/bentoml/__main__.py"):
        assert command_line_arguments([program, *words]) == {
            "model": "a:b",
            "backend": "xgboost",
            "fastpath": False,
        }
    assert command_line_arguments(["/bin/other", *words]) == {}


def test_with_several_services_a_model_is_for_the_one_whose_name_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credit, fraud = EmbeddedModel("credit:latest"), EmbeddedModel("fraud:latest")
    monkeypatch.setattr(EmbeddedModel, "served", [credit, fraud])

    for model in (credit, fraud):
        model.choose(bentoml.Tag("credit", "v1"))
    assert (str(credit.tag), str(fraud.tag)) == ("credit:v1", "fraud:latest")
    credit.choose(bentoml.Tag("third", "v1"))
    with pytest.raises(ConfigError, match="a version of credit or fraud, got third:v1"):
        _ = credit.tag


def stopped(home: Path, folder: Path, tag: str, workers: int = 1) -> list[str]:
    """The lines of a server's log that say why it ended."""
    (folder / "start_service.py").write_text(SERVICE.format(workers=workers))
    with serve(home, "start_service:svc", "--arg", f"model={tag}", cwd=folder, wait=None) as server:
        assert server.process.wait(START_S) == 1
        assert "Traceback" not in server.log
        return [line for line in server.log.splitlines() if "Expected" in line]


def test_a_failed_self_test_ends_the_server_with_one_line(home: Path, tmp_path: Path) -> None:
    stored = bentoml_ext.save_model("start_test", small.booster(), encoder=small.encoder())
    other = bentoml_ext.save_model("start_test", small.booster(1), encoder=small.encoder())
    forged(Path(stored.path), GRAPH, (Path(other.path) / GRAPH).read_bytes())

    (line,) = stopped(home, tmp_path, str(stored.tag))

    assert "Self-test failed: Expected margin" in line


def test_a_worker_that_was_killed_is_replaced_and_serves_the_same_version(
    own_home: Path, credit_model: bentoml.Model, trained: Trained
) -> None:
    with serve(own_home) as server:
        with store_of(own_home):
            bentoml_ext.save_model(
                "credit_risk_model:later", trained.booster, encoder=trained.encoder
            )
        (first,) = workers_of(server)
        first.send_signal(signal.SIGKILL)
        first.wait(START_S)
        eventually(lambda: workers_of(server) and server.is_ready(), START_S)

        assert server.client.get("/model").json()["tag"] == str(credit_model.tag)
