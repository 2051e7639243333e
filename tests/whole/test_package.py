"""A user of the wheel builds a bento, and it serves where its requirements alone are installed.

No file of this checkout is on any path there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bentoml
import msgspec
import pytest

from bentoml_ext.encoders.encoder import Application
from tests.support.installs import bento_of, build_wheel, environment, packages, run, uv
from tests.support.servers import Server, serve

pytestmark = pytest.mark.slow

NAME = "credit_risk_model"
"""Of the model, and so of the bento that `get_service` makes."""

BENTO = f"{NAME}:latest"
NEEDED = (
    "bentoml-ext", "bentoml", "numpy", "msgspec", "uvicorn", "uvloop", "httptools", "onnxruntime",
)  # fmt: skip
SERVICE = f"""
import bentoml_ext
svc = bentoml_ext.get_service("{NAME}:latest")
"""


@dataclass
class Moved:
    """A bento on another machine.

    Args:
        home: BENTOML_HOME there, with the bento and no model.
        python: of an environment with the bento's requirements alone.
        builder: of the environment that built it.
    """

    home: Path
    python: Path
    builder: Path

    @property
    def folder(self) -> Path:
        """The bento."""
        return bento_of(self.home, NAME)

    @property
    def requirements(self) -> list[str]:
        """The lines of its requirements."""
        return (self.folder / "env" / "python" / "requirements.txt").read_text().splitlines()

    def ext(self, *arguments: str, cwd: Path | None = None, **variables: str) -> tuple[int, str]:
        """Exit code and output of `bentoml ext ...`, where no store has a model."""
        nowhere = self.home.parent / "empty"
        ended = run(self.python, nowhere, cwd or self.folder, "ext", *arguments, **variables)
        return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def moved(
    wheel: Path, credit_model: bentoml.Model, tmp_path_factory: pytest.TempPathFactory
) -> Moved:
    return move(wheel, "", credit_model, tmp_path_factory.mktemp("moved"))


def move(wheel: Path, extra: str, model: bentoml.Model, folder: Path, **variables: str) -> Moved:
    """Build, export and import a bento as a user of the wheel does."""
    # BentoML asks for uv when it builds.
    builder = environment(folder / "builder", f"bentoml-ext{extra} @ file://{wheel}", "uv")
    project, home, there = folder / "project", folder / "home", folder / "there"
    project.mkdir()
    (project / "service.py").write_text(SERVICE)
    shutil.copytree(Path(model.path).parent, home / "models" / NAME)
    archive = folder / "exported.bento"
    for where, command in (
        (home, ("build", "service:svc")),
        (home, ("export", BENTO, archive)),
        (there, ("import", archive)),
    ):
        ended = run(builder, where, project, *command, **variables)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    shutil.rmtree(home)
    shutil.rmtree(project)
    requirements = bento_of(there, NAME) / "env" / "python" / "requirements.txt"
    return Moved(there, environment(folder / "only", "-r", requirements), builder)


@pytest.fixture(scope="module")
def server(moved: Moved, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with serve(moved.home, BENTO, python=str(moved.python), cwd=elsewhere) as server:
        yield server


def test_its_wheel_has_the_files_of_the_page(server: Server) -> None:
    names = ("", "/page.css", "/page.js", "/form.js", "/icon.svg", "/model")

    assert {server.client.get(f"/ui{name}").status_code for name in names} == {200}


def test_it_serves_the_model_that_it_carries(
    server: Server,
    onnx_server: Server,
    credit_model: bentoml.Model,
    held_out: list[Application],
) -> None:
    reply = server.client.post("/classify_batch", json=held_out)
    single = server.client.post("/classify", json=held_out[0])

    assert reply.headers["x-model-tag"] == str(credit_model.tag)
    assert reply.content == onnx_server.client.post("/classify_batch", json=held_out).content
    assert single.content == onnx_server.client.post("/classify", json=held_out[0]).content


def test_every_requirement_is_pinned_to_what_built_it(moved: Moved) -> None:
    lines = moved.requirements
    names = [line.partition("==")[0] for line in lines[1:]]

    assert lines[0] == "--find-links wheels"
    assert sorted(names) == sorted(NEEDED)
    built, found = packages(moved.builder), packages(moved.python)
    assert {name: found[name] for name in names[1:]} == {name: built[name] for name in names[1:]}
    # No index may publish a version with a local part.
    assert "+sha" in found["bentoml-ext"]
    assert "xgboost" not in found
    assert uv("pip", "check", "--python", moved.python) == ""


def test_its_document_tells_of_no_arrow_because_it_has_no_pyarrow(
    moved: Moved, server: Server
) -> None:
    built = msgspec.yaml.decode((moved.folder / "apis" / "openapi.yaml").read_bytes())
    served = server.client.get("/docs.json").json()

    for told in (built, served):
        content = told["paths"]["/classify_batch"]["post"]["requestBody"]["content"]
        assert content.keys() == {"application/json", "application/x-ndjson"}


def test_its_container_installs_the_same(moved: Moved, tmp_path: Path) -> None:
    # The steps of its Dockerfile: this folder is copied, and nothing of ./src before the install.
    told = (moved.folder / "env" / "docker" / "Dockerfile").read_text()
    assert "./env/python ./env/python/" in told
    assert "COPY --chown=bentoml:bentoml ./src/" not in told
    shutil.copytree(moved.folder / "env" / "python", tmp_path / "env" / "python")
    install = ("--directory", tmp_path / "env" / "python", "pip", "install", "--quiet")

    uv("venv", "--quiet", "--python", moved.python, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    uv(*install, "--python", python, "-r", tmp_path / "env" / "python" / "requirements.txt")

    assert packages(python) == packages(moved.python)


def test_its_labels_tell_model_proof_and_backend(moved: Moved, credit_model: bentoml.Model) -> None:
    ended = run(moved.python, moved.home, moved.home, "get", BENTO, "-o", "json")

    manifest = json.loads((Path(credit_model.path) / "manifest.json").read_bytes())
    assert json.loads(ended.stdout)["labels"] == {
        "bentoml_ext.model": str(credit_model.tag),
        "bentoml_ext.proof": f"sha256:{manifest['files']['proof.json']['sha256']}",
        "bentoml_ext.backend": "onnx",
    }


@pytest.mark.parametrize("where", ["in its folder", "by its folder", "by its tag", "container"])
def test_it_is_verified_in_place(moved: Moved, tmp_path: Path, where: str) -> None:
    if where == "container":
        code, told = moved.ext("verify", BENTO, cwd=tmp_path, BENTO_PATH=str(moved.folder))
    elif where == "by its folder":
        code, told = moved.ext("verify", str(moved.folder), cwd=tmp_path)
    elif where == "by its tag":
        ended = run(moved.python, moved.home, tmp_path, "ext", "verify", BENTO)
        code, told = ended.returncode, ended.stdout
    else:
        code, told = moved.ext("verify", BENTO, cwd=moved.folder / "src")

    assert code == 0, told
    assert "rows stored with the proof were compared: not installed here are xgboost, onnx" in told
    assert "Every bit is equal." in told


def test_it_is_inspected_in_place(moved: Moved, credit_model: bentoml.Model) -> None:
    _, told = moved.ext("inspect", ".")
    code, refused = moved.ext("inspect", "no_such_model:latest")

    assert str(credit_model.tag) in told
    assert code == 1
    assert "no_such_model" in refused


def test_a_damaged_model_of_a_bento_is_found_in_place(moved: Moved, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(moved.folder, copy)
    graph = next(copy.glob("src/model_store/*/*/graph.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")

    code, told = moved.ext("verify", ".", cwd=copy)

    assert code == 1
    assert "graph.onnx" in told


def test_a_bento_of_xgboost_cpu_pins_it_and_serves_with_it(
    wheel: Path, credit_model: bentoml.Model, held_out: list[Application], tmp_path: Path
) -> None:
    moved = move(wheel, "[auto-cpu]", credit_model, tmp_path, BACKEND="auto")

    names = packages(moved.python)
    assert "xgboost-cpu" in names
    assert not {"xgboost", "nvidia-nccl-cu12"} & names.keys()
    assert f"xgboost-cpu=={names['xgboost-cpu']}" in moved.requirements
    with serve(moved.home, BENTO, python=str(moved.python), cwd=tmp_path) as server:
        told = server.client.get("/model").json()
        reply = server.client.post("/classify_batch", json=held_out)
    assert reply.status_code == 200, server.log
    assert told["xgboost"]["serving_with"] == f"{names['xgboost-cpu']} (xgboost-cpu)"
    code, said = moved.ext("verify", BENTO)
    assert code == 0, said
    assert "'convert-cpu' extra" in said
