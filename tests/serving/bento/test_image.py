"""A bento carries its model and the libraries of its backend, and serves from any folder."""

from __future__ import annotations

import json
import math
import shutil
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bentoml
import msgspec
import pytest

import bentoml_ext
from bentoml_ext.encoders.encoder import Application
from models.fields import EXAMPLE
from models.training import Trained
from tests.support import small
from tests.support.commands import ROOT, bentoml_command
from tests.support.homes import store_of
from tests.support.servers import START_S, Server, serve

pytestmark = pytest.mark.slow

BENTO = "credit_risk_classifier:latest"
BACKENDS = ("onnx", "xgboost")
ALWAYS = ("bentoml-ext", "bentoml", "numpy", "msgspec", "uvicorn", "uvloop", "httptools")
ALWAYS_BUT_BENTOML = tuple(name for name in ALWAYS if name != "bentoml")
CROSSOVER = "onnx:1,xgboost:80"


@dataclass
class Packed:
    """A home that holds a bento, and no model any more.

    Args:
        home: BENTOML_HOME.
        model: tag of the model that was packed.
        backend: that it was packed for.
    """

    home: Path
    model: bentoml.Tag
    backend: str

    @property
    def folder(self) -> Path:
        """The bento."""
        bentos = self.home / "bentos" / "credit_risk_classifier"
        return bentos / (bentos / "latest").read_text()

    @property
    def libraries(self) -> set[str]:
        """What it requires."""
        lines = (self.folder / "env" / "python" / "requirements.txt").read_text().splitlines()
        assert all("==" in line for line in lines if line and not line.startswith("--"))
        return {line.partition("==")[0] for line in lines if line and not line.startswith("--")}


@pytest.fixture(scope="module", params=BACKENDS)
def packed(
    request: pytest.FixtureRequest,
    credit_model: bentoml.Model,
    tmp_path_factory: pytest.TempPathFactory,
) -> Packed:
    return pack(credit_model, tmp_path_factory.mktemp("home"), request.param)


def pack(model: bentoml.Model, home: Path, backend: str, crossover: str = "") -> Packed:
    """Build a bento in a home of its own."""
    shutil.copytree(Path(model.path).parent, home / "models" / "credit_risk_model")
    built = bentoml_command(home, "build", BACKEND=backend, CROSSOVER=crossover)
    assert built.returncode == 0, built.stdout + built.stderr
    shutil.rmtree(home / "models")
    return Packed(home, model.tag, backend)


def answers(server: Server, applications: list[Application]) -> tuple[str, str, bytes]:
    """Who answers, and what."""
    one = server.client.post("/classify", json=EXAMPLE)
    many = server.client.post("/classify_batch", json=applications)
    assert (one.status_code, many.status_code) == (200, 200), server.log
    return one.headers["x-backend"], one.headers["x-model-tag"], one.content + many.content


@pytest.fixture(scope="module")
def expected(onnx_server: Server, held_out: list[Application]) -> bytes:
    """What the service answers that was never packed."""
    return answers(onnx_server, held_out[:200])[2]


def test_its_requirements_name_what_its_backend_needs_and_no_more(packed: Packed) -> None:
    library = {"onnx": "onnxruntime", "xgboost": "xgboost"}[packed.backend]

    assert packed.libraries == {*ALWAYS, library}


def test_it_holds_the_model_and_what_serves_and_nothing_that_trains(packed: Packed) -> None:
    source = packed.folder / "src"

    assert {path.name for path in source.iterdir()} == {
        "bentofile.yaml",
        "models",
        "services",
        "model_store",
    }
    assert {path.name for path in (source / "models").iterdir()} == {"__init__.py", "fields.py"}
    wheel = next((packed.folder / "env" / "python" / "wheels").iterdir())
    with zipfile.ZipFile(wheel) as archive:
        assert "bentoml_ext/serving/service.py" in archive.namelist()
    store = source / "model_store" / packed.model.name
    assert (store / "latest").read_text() == packed.model.version
    assert (store / str(packed.model.version) / "manifest.json").is_file()


def test_it_serves_with_two_workers_after_it_was_exported_and_imported(
    packed: Packed, tmp_path: Path, expected: bytes, held_out: list[Application]
) -> None:
    home, archive = tmp_path / "home", tmp_path / "packed.bento"
    for command in (
        bentoml_command(packed.home, "export", BENTO, archive),
        bentoml_command(home, "import", archive),
    ):
        assert command.returncode == 0, command.stdout + command.stderr

    with serve(home, BENTO, "--api-workers", "2", cwd=tmp_path) as server:
        found = [answers(server, held_out[:200]) for _ in range(6)]
        told = server.client.get("/model").json()

    assert set(found) == {(packed.backend, str(packed.model), expected)}
    assert (told["backend"], told["tag"]) == (packed.backend, str(packed.model))


def test_its_backend_is_swapped_by_one_word_from_another_folder_with_the_model_store_emptied(
    packed: Packed, tmp_path: Path, expected: bytes, held_out: list[Application]
) -> None:
    other = next(backend for backend in BACKENDS if backend != packed.backend)

    with serve(packed.home, BENTO, cwd=tmp_path, BACKEND=other) as server:
        backend, tag, found = answers(server, held_out[:200])

    assert (backend, tag) == (other, str(packed.model))
    assert found == expected


@pytest.mark.parametrize("packed", ["onnx"], indirect=True)
def test_the_command_line_goes_before_what_it_brings(packed: Packed, tmp_path: Path) -> None:
    other = next(backend for backend in BACKENDS if backend != packed.backend)

    with serve(packed.home, BENTO, "--arg", f"backend={other}", cwd=tmp_path) as server:
        assert server.client.post("/classify", json=EXAMPLE).headers["x-backend"] == other


def test_a_version_that_it_does_not_carry_is_refused_by_name(
    packed: Packed, tmp_path: Path
) -> None:
    tag = "credit_risk_model:v9"
    # By argument and by variable: no backend is loaded yet, so one of each shows both.
    options = ("--arg", f"model={tag}") if packed.backend == "onnx" else ()

    with serve(
        packed.home, BENTO, *options, cwd=tmp_path, wait=None, MODEL="" if options else tag
    ) as server:
        assert server.process.wait(START_S) == 1
        assert f"Expected model '{tag}', got only {packed.model.version}" in server.log


def test_its_manifest_says_what_it_was_packed_for(packed: Packed) -> None:
    manifest = msgspec.yaml.decode((packed.folder / "bento.yaml").read_bytes())

    assert {"name": "BACKEND", "value": packed.backend}.items() <= manifest["envs"][0].items()
    assert manifest["labels"]["project"] == "bentoml-ext"
    assert str(ROOT) not in json.dumps(manifest)


def test_a_bento_for_auto_requires_the_libraries_of_all_and_carries_its_crossover(
    credit_model: bentoml.Model, tmp_path: Path
) -> None:
    packed = pack(credit_model, tmp_path / "home", "auto", CROSSOVER)

    with serve(packed.home, BENTO, cwd=tmp_path) as server:
        told = server.client.get("/model").json()

    assert packed.libraries == {*ALWAYS, "onnxruntime", "xgboost"}
    assert told["backend"] == "auto"
    assert told["crossover"]["found"] == "set"
    assert [step["from_rows"] for step in told["crossover"]["steps"]] == [1, 80]


def test_an_argument_that_nobody_declares_stops_a_build(
    credit_model: bentoml.Model, tmp_path: Path
) -> None:
    shutil.copytree(Path(credit_model.path).parent, tmp_path / "models" / "credit_risk_model")

    built = bentoml_command(tmp_path, "build", "--arg", "colour=red")

    assert built.returncode == 1
    assert "got 'colour' - at --arg colour=red" in built.stdout + built.stderr


def test_a_version_that_is_named_at_the_build_is_packed_and_served(
    credit_model: bentoml.Model, trained: Trained, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(Path(credit_model.path).parent, home / "models" / "credit_risk_model")
    with store_of(home):
        bentoml_ext.save_model("credit_risk_model", trained.booster, encoder=trained.encoder)
    built = bentoml_command(home, "build", "--arg", f"model={credit_model.tag}")
    assert built.returncode == 0, built.stdout + built.stderr

    with serve(home, BENTO, cwd=tmp_path) as server:
        assert server.client.get("/model").json()["tag"] == str(credit_model.tag)


def test_a_bento_of_get_service_answers_as_built_whatever_the_store_has_learned_since(
    tmp_path: Path,
) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    project.mkdir()
    (project / "service.py").write_text(
        'import bentoml_ext\nsvc = bentoml_ext.get_service("small:latest", name="small_service")\n'
    )
    with store_of(home):
        first = bentoml_ext.save_model("small", small.booster(), encoder=small.encoder())
    built = bentoml_command(home, "build", "service:svc", cwd=project)
    assert built.returncode == 0, built.stdout + built.stderr
    renamed = [name.replace("age", "years") for name in small.encoder().features]
    with store_of(home):
        encoder = bentoml_ext.Encoder(renamed, missing=math.nan)
        bentoml_ext.save_model("small", small.booster(), encoder=encoder)

    with serve(home, "small_service:latest", cwd=tmp_path) as server:
        reply = server.client.post("/classify", json={"age": 30, "home": "rent", "income": 2})
        told = server.client.get("/docs.json").json()["components"]["schemas"]["Application"]

    assert (reply.status_code, reply.headers["x-model-tag"]) == (200, str(first.tag))
    assert "age" in told["properties"]


PLAIN = """
from typing import Any
import bentoml
import bentoml_ext

Inner = bentoml_ext.get_service("small:latest", name="inner")


@bentoml.service(name="outer", labels={"team": "credit"})
class Outer:
    inner = bentoml.depends(Inner)

    @bentoml.api
    async def ask(self, application: dict[str, Any]) -> dict[str, Any]:
        return await self.inner.to_async.classify(application)
"""
RUNNER = """
from typing import Any
import bentoml
import bentoml_ext

model = bentoml.models.get("small:latest")
encoder = bentoml_ext.load_bundle(model).encoder
runner = model.to_runner()
svc = bentoml.legacy.Service("legacy", runners=[runner])


@svc.api(input=bentoml.io.JSON(), output=bentoml.io.JSON())
async def ask(application: Any) -> Any:
    margins = await runner.predict.async_run(encoder.rows([application]))
    return {"probability": float(margins[0])}
"""
SMALL = {"age": 30, "home": "rent", "income": 2}


def small_project(folder: Path, source: str, *names: str) -> Path:
    """A home with a small model, and beside it the project of a user, in a folder with a space."""
    project = folder / "my project"
    project.mkdir()
    (project / "service.py").write_text(source)
    for name in names or ("small",):
        with store_of(folder / "home"):
            bentoml_ext.save_model(name, small.booster(), encoder=small.encoder())
    return project


def required(bento: Path) -> list[str]:
    """The names that a bento's requirements have, in their order."""
    lines = (bento / "env" / "python" / "requirements.txt").read_text().splitlines()
    return [line.partition("==")[0] for line in lines if line.strip()]


def test_a_bento_of_a_plain_service_that_depends_on_ours_carries_what_ours_needs(
    tmp_path: Path,
) -> None:
    home, project = tmp_path / "home", small_project(tmp_path, PLAIN)
    built = bentoml_command(home, "build", "service:Outer", cwd=project, BACKEND="xgboost")
    assert built.returncode == 0, built.stdout + built.stderr
    shutil.rmtree(home / "models")
    bento = home / "bentos" / "outer"
    bento /= (bento / "latest").read_text()

    told = msgspec.yaml.decode((bento / "bento.yaml").read_bytes())
    assert required(bento) == ["--find-links wheels", *ALWAYS_BUT_BENTOML, "xgboost", "bentoml"]
    assert told["labels"]["team"] == "credit"
    assert told["labels"]["bentoml_ext.model"].startswith("small:")
    assert {"name": "BACKEND", "value": "xgboost"}.items() <= told["envs"][0].items()
    # Two services, one after the other.
    patient = partial(Server.wait, limit_s=2 * START_S)
    with serve(home, "outer:latest", cwd=tmp_path, wait=patient) as server:
        reply = server.client.post("/ask", json={"application": SMALL})
        assert reply.status_code == 200, server.log
        assert "on backend xgboost" in server.log


def test_a_missing_model_of_a_service_that_another_depends_on_stops_the_start(
    tmp_path: Path,
) -> None:
    project = small_project(tmp_path, PLAIN, "other")

    with serve(tmp_path / "home", "service:Outer", cwd=project, wait=None) as server:
        assert server.process.wait(START_S) == 1
        assert "Expected model 'small:latest', got none of that name" in server.log


def test_a_bento_of_a_runner_installs_this_package_and_its_model_is_verified(
    tmp_path: Path,
) -> None:
    home, project = tmp_path / "home", small_project(tmp_path, RUNNER)
    (project / "requirements.txt").write_text("-r more.txt\nmsgspec>=0.19\n")
    (project / "more.txt").write_text("packaging\n")
    (project / "bentofile.yaml").write_text(
        "service: service:svc\npython: {requirements_txt: requirements.txt, lock_packages: false}\n"
    )
    built = bentoml_command(home, "build", cwd=project)
    assert built.returncode == 0, built.stdout + built.stderr
    bento = home / "bentos" / "legacy"
    bento /= (bento / "latest").read_text()

    ours = [name for name in ALWAYS_BUT_BENTOML if name != "msgspec"]
    own = ["packaging", "msgspec>=0.19"]
    assert required(bento) == ["--find-links wheels", *ours, "onnxruntime", *own, "bentoml"]
    assert len(list((bento / "env" / "python" / "wheels").glob("bentoml_ext-*.whl"))) == 1
    verified = bentoml_command(home, "ext", "inspect", "legacy:latest", cwd=tmp_path)
    assert "small:" in verified.stdout, verified.stderr
