"""What a bento installs: this package as a wheel, and each library as it is here."""

from __future__ import annotations

import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import bentoml
import pytest
from bentoml.images import Image

import bentoml_ext
from bentoml_ext.distributions import Installed, installed
from bentoml_ext.serving.bento.image import PackedImage
from bentoml_ext.serving.bento.requirements import requirements
from bentoml_ext.serving.bento.wheel import write_wheel
from tests.support import packages
from tests.support.commands import ROOT


def test_the_wheel_is_what_is_installed_and_the_same_each_time(tmp_path: Path) -> None:
    first, again = write_wheel(tmp_path / "first"), write_wheel(tmp_path / "again")

    assert first == again
    (wheel,) = (tmp_path / "first").iterdir()
    assert wheel.read_bytes() == (tmp_path / "again" / wheel.name).read_bytes()
    number = first.removeprefix("bentoml-ext==")
    assert wheel.name == f"bentoml_ext-{number}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"bentoml_ext-{number}.dist-info/METADATA").decode()
        points = archive.read(f"bentoml_ext-{number}.dist-info/entry_points.txt").decode()
        licence = archive.read(f"bentoml_ext-{number}.dist-info/licenses/LICENSE")
        code = archive.read("bentoml_ext/serving/bento/wheel.py")
    package = ROOT / "bentoml_ext"
    kinds = (".css", ".html", ".js", ".py", ".svg")
    files = {str(one.relative_to(ROOT)) for one in package.rglob("*") if one.suffix in kinds}
    assert {name for name in names if name.startswith("bentoml_ext/")} == {
        *files,
        "bentoml_ext/py.typed",
    }
    assert {f"bentoml_ext/serving/ui/page.{kind}" for kind in ("css", "html", "js")} <= names
    assert code == (package / "serving" / "bento" / "wheel.py").read_bytes()
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert "bentoml_ext.cli:ext" in points
    assert f"Version: {number}\n" in metadata


def test_the_wheel_leaves_the_libraries_of_backends_to_the_bento(tmp_path: Path) -> None:
    write_wheel(tmp_path)
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("METADATA"))
        lines = archive.read(name).decode().splitlines()

    needed = [line for line in lines if line.startswith("Requires-Dist") and "extra" not in line]
    assert not [line for line in needed if "onnxruntime" in line]
    assert [line for line in needed if "uvicorn" in line and "<" in line]
    assert (
        len(needed) == len([one for one in requires("bentoml-ext") or () if "extra" not in one]) - 1
    )


def test_each_library_is_pinned_by_its_true_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_gpu(name: str) -> Installed | None:
        gpu = Installed(name, "onnxruntime-gpu", "1.2")
        return gpu if name == "onnxruntime" else installed(name)

    monkeypatch.setattr("bentoml_ext.serving.bento.requirements.installed", with_gpu)

    lines = list(requirements("", ["onnxruntime"], tmp_path))

    assert lines[0] == "--find-links wheels"
    assert lines[-1] == "onnxruntime-gpu==1.2"
    assert f"uvicorn=={version('uvicorn')}" in lines


def test_a_library_that_is_not_here_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bentoml_ext.serving.bento.requirements.installed", lambda _: None)

    assert "uvicorn<0.55,>=0.30" in list(requirements("", [], tmp_path))


def install_engine(site: Path, url: str) -> None:
    """A package of another hand that pip noted as installed from a place."""
    packages.install(site, "engine", "SPEED = 9\n", "[bentoml_ext.backends]\nfast = engine:E\n")
    info = site / "engine-1.0.dist-info"
    (info / "direct_url.json").write_text(f'{{"url": "{url}"}}')
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-abi3-linux_x86_64\n")
    (info / "RECORD").write_text("engine.py,,\nengine-1.0.dist-info/METADATA,,\n__a.pyc,,\n")


def test_a_package_that_no_index_has_is_carried_as_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    install_engine(tmp_path, "file:///home/me/engine")

    lines = list(requirements("bentoml-ext @ file:///x", [], tmp_path, ["engine"]))

    assert lines[0] == "--find-links wheels"
    assert lines[1].startswith("engine==1.0+sha")
    (wheel,) = (tmp_path / "wheels").iterdir()
    assert wheel.name == f"{lines[1].replace('==', '-')}-cp311-abi3-linux_x86_64.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("engine.py") == b"SPEED = 9\n"
        assert {name.partition("/")[2] for name in archive.namelist()} == {
            "", "METADATA", "WHEEL", "entry_points.txt", "RECORD",
        }  # fmt: skip


def test_a_package_of_an_index_is_pinned_and_one_of_the_users_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    install_engine(tmp_path, "https://pypi.org/engine")

    assert "engine==1.0" in list(requirements("", [], tmp_path, ["engine"]))
    lines = list(requirements("engine>=1", [], tmp_path, ["engine"]))
    assert not [line for line in lines if line.startswith("engine")]


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        ("numpy==2.1.0", "numpy"),
        ("xgboost-cpu==3.2.0  # small", "xgboost"),
        ("XGBoost>=3", "xgboost"),
    ],
)
def test_what_the_user_names_is_left_to_the_user(tmp_path: Path, given: str, left_out: str) -> None:
    lines = list(requirements(f"pandas\n{given}\n", ["xgboost"], tmp_path))

    assert not [line for line in lines if line.startswith(left_out)]
    assert [line for line in lines if line.startswith("msgspec==")]


@pytest.mark.parametrize(
    ("given", "is_carried"),
    [
        ("bentoml-ext[bulk]", True),
        ("# bentoml-ext", True),
        ("bentoml_ext @ git+https://example.com/bentoml-ext", False),
        ("./vendor/bentoml_ext-0.1.0-py3-none-any.whl", False),
    ],
)
def test_a_package_that_the_user_brings_is_not_carried_twice(
    tmp_path: Path, given: str, is_carried: bool
) -> None:
    lines = list(requirements(given, [], tmp_path))

    assert ("--find-links wheels" in lines, bool(list(tmp_path.iterdir()))) == (is_carried,) * 2


def test_an_image_of_the_users_own_is_kept_and_carries_the_model() -> None:
    own = Image(base_image="python:3.11-slim", lock_python_packages=False)
    own.system_packages("libgomp1").python_packages("pandas==2.2.3").run("echo done")
    commands = list(own.commands)

    image = bentoml_ext.get_service("some_model:latest", name="imaged", image=own).image

    assert isinstance(image, PackedImage)
    assert [model.own for model in image.models] == [bentoml.Tag("some_model", "latest")]
    assert image.base_image == "python:3.11-slim"
    assert image.commands == commands
    assert image.post_commands == ["echo done"]
    assert image.python_requirements == "pandas==2.2.3\n"
    assert image.lock_python_packages is False


def test_a_bento_carries_the_models_of_the_services_that_it_depends_on() -> None:
    inner = bentoml_ext.get_service("inner_model:latest", name="inner_service")

    class Outer(bentoml_ext.Classifier, model="outer_model:latest"):
        """Asks another one."""

        other = bentoml.depends(inner)

    image = bentoml_ext.service(name="outer_service")(Outer).image

    assert [model.own.name for model in image.models] == ["outer_model", "inner_model"]
