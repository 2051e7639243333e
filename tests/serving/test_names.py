"""Names at the server: what MODEL@champion meant at the start is served until the end."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import bentoml
import pytest

from bentoml_ext.releases.moving import entry_of
from bentoml_ext.settings import Settings
from bentoml_ext.store.history import History
from models.fields import EXAMPLE
from tests.support.commands import bentoml_command
from tests.support.homes import store_of
from tests.support.servers import START_S, eventually, serve
from tests.support.spied import worker_of, workers_of

NAME = "credit_risk_model@champion"


@pytest.fixture
def champions(own_home: Path, credit_model: bentoml.Model) -> Path:
    """A home with the versions v1 and v2, of which v1 is champion and v2 the latest."""
    versions = own_home / "models" / credit_model.tag.name
    stored = str(credit_model.tag.version)
    for version in ("v1", "v2"):
        shutil.copytree(versions / stored, versions / version)
        description = versions / version / "model.yaml"
        said = re.sub("^version: .*$", f"version: {version}", description.read_text(), flags=re.M)
        description.write_text(said)
    (versions / "latest").write_text("v2")
    promoted(own_home, "v1")
    return own_home


def promoted(home: Path, version: str) -> None:
    with store_of(home):
        history = History.read("credit_risk_model")
        stored = bentoml.models.get(f"credit_risk_model:{version}")
        history.append(entry_of("promote", "champion", stored, history.now("champion")))


def test_a_name_is_a_setting_and_keeps_its_word() -> None:
    settings = Settings.read({}, {"MODEL": "Credit_risk_model@Champion"})

    assert str(settings.model) == NAME


@pytest.mark.slow
def test_a_server_serves_what_the_name_meant_at_its_start(champions: Path) -> None:
    with serve(champions, BACKEND="onnx", MODEL=NAME) as server:
        promoted(champions, "v2")
        worker = worker_of(server)
        worker.kill()
        worker.wait(START_S)
        eventually(lambda: workers_of(server) and server.is_ready(), START_S)

        described = server.client.get("/model").json()
        assert (described["asked"], described["tag"]) == (NAME, "credit_risk_model:v1")
        answer = server.client.post("/classify", json=EXAMPLE)
        assert answer.headers["X-Model-Tag"] == "credit_risk_model:v1"

        deleted = bentoml_command(champions, "models", "delete", "-y", "credit_risk_model:v1")
        assert deleted.returncode == 0, deleted.stderr
        assert server.client.post("/classify", json=EXAMPLE).content == answer.content


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["deleted", "changed"])
def test_a_name_that_leads_to_nothing_sound_is_one_line(champions: Path, fault: str) -> None:
    if fault == "deleted":
        shutil.rmtree(champions / "models" / "credit_risk_model" / "v1")
    else:
        history = champions / "releases" / "credit_risk_model.jsonl"
        history.write_text(history.read_text().replace(":v1", ":v2"))

    ended = bentoml_command(champions, "serve", "--host", "127.0.0.1", MODEL=NAME)

    said = {
        "deleted": "got a deleted version",
        "changed": "Expected entry 1 as it was sealed, got a changed one",
    }
    assert ended.returncode == 1
    assert said[fault] in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_bento_brings_the_version_and_the_history_of_its_name(
    champions: Path, tmp_path: Path
) -> None:
    built = bentoml_command(champions, "build", BACKEND="onnx", MODEL=NAME)
    assert built.returncode == 0, built.stderr
    (folder,) = (champions / "bentos" / "credit_risk_classifier").glob("*/")
    (empty := tmp_path / "empty").mkdir()

    inspected = bentoml_command(empty, "ext", "inspect", NAME, cwd=folder)

    assert "credit_risk_model:v1" in inspected.stdout, inspected.stderr
    with serve(empty, str(folder), cwd=tmp_path) as server:
        described = server.client.get("/model").json()
        assert (described["asked"], described["tag"]) == (NAME, "credit_risk_model:v1")
