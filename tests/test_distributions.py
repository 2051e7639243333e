"""A module is told by the true name of the distribution that provides it."""

from __future__ import annotations

import base64
import hashlib
import importlib
import sys
from pathlib import Path

import pytest

import bentoml_ext
from bentoml_ext.distributions import Installed, extra_here, installed, the_extra
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.proof.environment import libraries
from bentoml_ext.serving.bento.wheel import write_wheel


def test_a_library_under_its_own_name_is_its_version() -> None:
    numpy = importlib.import_module("numpy")

    found = installed("numpy")

    assert found == Installed("numpy", "numpy", numpy.__version__)
    assert (str(found), found.requirement) == (numpy.__version__, f"numpy=={numpy.__version__}")


def test_bundles_graphs_and_bentos_name_the_version_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a build of a later day leaves it beside the source of an editable installation.
    stale = tmp_path / "bentoml_ext.egg-info"
    stale.mkdir()
    (stale / "PKG-INFO").write_text("Metadata-Version: 2.4\nName: bentoml-ext\nVersion: 9.9\n")
    version = bentoml_ext.__version__
    monkeypatch.syspath_prepend(str(tmp_path))

    graph = GraphBuilder().to_model("nothing", inputs=[], outputs=[], properties={})

    assert version != "9.9"
    assert bentoml_ext.__version__ == version
    assert libraries(["bentoml_ext"]) == {"bentoml_ext": version}
    assert graph.producer_version == version
    assert write_wheel(tmp_path / "wheels").startswith(f"bentoml-ext=={version}+sha")


def test_what_is_not_installed_is_nothing() -> None:
    assert installed("no_such_module") is None
    assert libraries(["no_such_module"]) == {}


@pytest.mark.parametrize("last", ["engine_cpu", "engine_cuda"])
def test_of_two_in_one_folder_the_one_whose_files_are_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    # As pip leaves it: the later one writes over the earlier one's files, and both stay listed.
    for name in sorted(["engine_cpu", "engine_cuda"], key=lambda name: name == last):
        install(tmp_path, name)
    monkeypatch.syspath_prepend(str(tmp_path))

    found = installed("engine")

    true_name = last.replace("_", "-")
    assert found == Installed("engine", true_name, "1.2.3")
    assert found.requirement == f"{true_name}==1.2.3"
    assert libraries(["engine"]) == {"engine": f"1.2.3 ({true_name})"}


def test_a_distribution_that_lost_its_files_to_another_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "engine", "2.0")
    install(tmp_path, "engine_cpu")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert installed("engine") == Installed("engine", "engine-cpu", "1.2.3")


def test_the_extra_without_gpu_is_offered_and_the_only_one_where_xgboost_cpu_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert the_extra("bulk") == "the 'bulk' extra: pip install 'bentoml-ext[bulk]'"
    assert the_extra("auto").startswith("the 'auto' extra: pip install 'bentoml-ext[auto]', or ")
    assert "'bentoml-ext[auto-cpu]'" in the_extra("auto")

    install(tmp_path, "xgboost_cpu", module="xgboost")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "xgboost", raising=False)

    assert extra_here("auto") == "auto-cpu"
    assert the_extra("auto") == "the 'auto-cpu' extra: pip install 'bentoml-ext[auto-cpu]'"
    assert extra_here("bulk") == "bulk"


def install(folder: Path, name: str, version: str = "1.2.3", module: str = "engine") -> None:
    """What an installer leaves of a distribution, whose one file differs by its name."""
    (folder / module).mkdir(exist_ok=True)
    code = f"NAME = {name!r}\n".encode()
    (folder / module / "__init__.py").write_bytes(code)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    true_name = name.replace("_", "-")
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {true_name}\nVersion: {version}\n"
    )
    digest = base64.urlsafe_b64encode(hashlib.sha256(code).digest()).rstrip(b"=").decode()
    (info / "RECORD").write_text(f"{module}/__init__.py,sha256={digest},{len(code)}\n")
