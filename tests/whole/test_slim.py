"""The plain install serves ONNX without any library of training, and says what xgboost needs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import bentoml
import pytest

from bentoml_ext.encoders.encoder import Application
from tests.support.commands import ROOT, environment
from tests.support.installs import build_wheel, packages
from tests.support.installs import environment as environment_of
from tests.support.servers import START_S, Server, serve

pytestmark = pytest.mark.slow

ABSENT = {"xgboost", "scikit-learn", "scipy", "pandas", "onnx", "skl2onnx", "onnxmltools"}


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the plain install, at the development set's pins."""
    wheel = build_wheel(tmp_path_factory.mktemp("release"))
    pins = ("--constraint", ROOT / "requirements.lock")
    return environment_of(tmp_path_factory.mktemp("slim") / "venv", wheel, *pins)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The services without the plugin's source, so that the installed one is used."""
    folder = tmp_path_factory.mktemp("services")
    for name in ("models", "services"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "bentofile.yaml", folder)
    return folder


def ext(
    slim: Path, home: Path, folder: Path, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """`bentoml ext ...` of the plain install."""
    command = [slim, "-m", "bentoml", "ext", *arguments]
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_no_library_of_training_is_installed(slim: Path) -> None:
    # A package from a file is listed as "name @ address".
    names = {name.partition(" ")[0].lower() for name in packages(slim)}

    assert names >= {"bentoml-ext", "bentoml", "onnxruntime", "msgspec", "uvloop", "httptools"}
    assert not names & ABSENT


def test_onnx_is_served_with_the_same_bytes(
    slim: Path, folder: Path, home: Path, onnx_server: Server, held_out: list[Application]
) -> None:
    with serve(home, python=str(slim), cwd=folder, BACKEND="onnx") as server:
        reply = server.client.post("/classify_batch", json=held_out)
        single = server.client.post("/classify", json=held_out[0])

    assert reply.headers["x-backend"] == "onnx"
    assert reply.content == onnx_server.client.post("/classify_batch", json=held_out).content
    assert single.content == onnx_server.client.post("/classify", json=held_out[0]).content


def test_auto_serves_with_what_is_installed(
    slim: Path, folder: Path, home: Path, credit_model: bentoml.Model
) -> None:
    with serve(home, python=str(slim), cwd=folder, BACKEND="auto") as server:
        told = server.client.get("/model").json()

    assert told["backend"] == "auto"
    assert told["crossover"]["steps"] == [{"from_rows": 1, "backend": "onnx"}]


def test_xgboost_stops_the_start_and_names_the_extra(
    slim: Path, folder: Path, home: Path, credit_model: bentoml.Model
) -> None:
    with serve(home, python=str(slim), cwd=folder, wait=None, BACKEND="xgboost") as server:
        code = server.process.wait(START_S)

        assert code != 0
        assert "Backend 'xgboost' needs xgboost. Install it with the 'xgboost' extra" in server.log


def test_a_bundle_is_inspected_and_its_graph_written(
    slim: Path, folder: Path, home: Path, credit_model: bentoml.Model, tmp_path: Path
) -> None:
    shown = ext(slim, home, folder, "inspect", str(credit_model.tag))
    wanted = ("export", str(credit_model.tag), "-o", tmp_path / "out.onnx")
    refused = ext(slim, home, folder, *wanted)
    written = ext(slim, home, folder, *wanted, "--one-thread")

    assert refused.returncode == 1
    assert "Install them with the 'convert' extra, or add --one-thread" in refused.stderr
    assert (shown.returncode, written.returncode) == (0, 0), shown.stderr + written.stderr
    assert "binary:logistic" in shown.stdout
    stored = Path(credit_model.path) / "graph.onnx"
    assert (tmp_path / "out.onnx").read_bytes() == stored.read_bytes()


def test_an_import_says_in_one_line_what_to_install(
    slim: Path, folder: Path, home: Path, credit_model: bentoml.Model, tmp_path: Path
) -> None:
    model = tmp_path / "model.ubj"
    shutil.copy(Path(credit_model.path) / "booster.ubj", model)
    (tmp_path / "features").write_text("age\n")

    ended = ext(
        *(slim, home, folder, "import", model, "--features", tmp_path / "features"),
        *("--name", "slim_refused"),
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: This needs ")
    assert "'convert' extra" in ended.stderr
    assert ended.stderr.count("\n") == 1
