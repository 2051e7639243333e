"""Backends: found by name, or refused with what to do; the same bits from each."""

from __future__ import annotations

import sys
from pathlib import Path

import bentoml
import numpy as np
import pytest
import xgboost

import bentoml_ext
from bentoml_ext.backends import registry
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.registry import (
    BACKENDS,
    GROUP,
    backend_names,
    form_names,
    get_backend,
    libraries,
    require,
)
from bentoml_ext.errors import BackendError, BackendMissing, ConfigError, UnknownBackend
from bentoml_ext.scoring.opening import open_backend, open_scorer
from bentoml_ext.scoring.self_test import one_by_one
from bentoml_ext.store.bundle import Bundle
from tests.support import packages, small

NAMES = form_names()

MODULE = """
import numpy as np
from bentoml_ext.backends import Backend

class Constant(Backend):
    name = "constant"
    filename = "booster.ubj"

    def __init__(self, path):
        self.read = len(path.read_bytes())

    def margins(self, rows):
        return np.full((len(rows), 1), 2, np.float32)


class Flat(Constant):
    name = "flat"

    def margins(self, rows):
        return np.full(len(rows), 2, np.float32)

NO_BACKEND = 3
"""


@pytest.fixture(scope="module")
def stored() -> bentoml.Model:
    return bentoml_ext.save_model("backends_test", small.booster(), encoder=small.encoder())


@pytest.fixture(scope="module")
def bundle(stored: bentoml.Model) -> Bundle:
    return bentoml_ext.load_bundle(stored)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages on the path, which is forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(site: Path, point: str, module: str = MODULE) -> None:
    """A package that registers the entry point `point`."""
    packages.install(site, "third_party", module, f"[{GROUP}]\n{point}\n")


def test_the_table_names_our_two_backends_and_the_one_made_of_them() -> None:
    assert backend_names() == ["auto", "onnx", "xgboost"]
    assert NAMES == sorted(BACKENDS) == ["onnx", "xgboost"]


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_a_backend_calls_itself_by_the_name_it_is_found_by(name: str) -> None:
    found = get_backend(name)

    assert found.name == name
    assert issubclass(found, Backend)


@pytest.mark.parametrize("name", ["", "ONNX", "onnx ", "tensorflow"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(
        UnknownBackend, match=rf"one of auto, onnx, xgboost, got '{name}' - at BACKEND"
    ):
        get_backend(name)


@pytest.mark.parametrize(("name", "library"), [("onnx", "onnxruntime"), ("xgboost", "xgboost")])
def test_a_missing_library_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    # A cached backend module would hide the missing library.
    monkeypatch.delitem(sys.modules, BACKENDS[name].target.partition(":")[0], raising=False)
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(BackendMissing, match=rf"needs {library}.*'{name}' extra.*\[{name}\]"):
        get_backend(name)


@pytest.mark.parametrize(("name", "library"), [("onnx", "onnxruntime"), ("xgboost", "xgboost")])
def test_a_missing_library_is_told_without_importing_it(
    monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(BackendMissing, match=f"'{name}' extra"):
        require(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_backend_that_is_installed_is_all_that_is_required(name: str) -> None:
    require(name)


@pytest.mark.parametrize(
    ("name", "needed"),
    [("onnx", ["onnxruntime"]), ("xgboost", ["xgboost"]), ("auto", ["onnxruntime", "xgboost"])],
)
def test_the_table_tells_the_libraries_of_a_backend(name: str, needed: list[str]) -> None:
    assert libraries(name) == needed


def test_a_backend_of_another_package_brings_its_own_libraries(site: Path) -> None:
    install(site, "constant = third_party:Constant")

    assert libraries("constant") == []
    assert len(registry.packages("constant")) == 1
    assert registry.packages("onnx") == []
    require("constant")


def test_an_unknown_name_is_not_required() -> None:
    with pytest.raises(UnknownBackend):
        require("tensorflow")


def test_another_missing_module_is_not_mistaken_for_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "bentoml_ext.backends.onnx_runtime", raising=False)
    monkeypatch.setitem(sys.modules, "bentoml_ext.arrays", None)

    with pytest.raises(ModuleNotFoundError, match=r"bentoml_ext\.arrays"):
        get_backend("onnx")


def test_a_backend_of_another_package_scores(site: Path, bundle: Bundle) -> None:
    install(site, "constant = third_party:Constant")

    scorer = open_scorer(bundle, "constant")

    assert backend_names() == ["auto", "constant", "onnx", "xgboost"]
    assert scorer.backend.name == "constant"
    assert scorer.margins(small.rows(3)).tolist() == [[2], [2], [2]]
    assert scorer.classify(small.APPLICATION).status == "DECLINED"
    assert scorer.classify_batch([small.APPLICATION] * 2)[1].margin == 2


def test_margins_of_one_axis_are_refused(site: Path, bundle: Bundle) -> None:
    install(site, "flat = third_party:Flat")

    with pytest.raises(
        BackendError, match=r"Expected margins \(1, n_margins\).* got float32 \(1,\)"
    ):
        open_scorer(bundle, "flat")


@pytest.mark.parametrize("taken", backend_names())
def test_a_taken_name_is_an_error(site: Path, taken: str) -> None:
    install(site, f"{taken} = third_party:Constant")

    with pytest.raises(ConfigError, match=rf"got '{taken}' again .* 'third_party:Constant'"):
        get_backend("onnx")


@pytest.mark.parametrize("attribute", ["NO_BACKEND", "np"])
def test_an_entry_point_that_is_no_backend_is_an_error(site: Path, attribute: str) -> None:
    install(site, f"odd = third_party:{attribute}")

    with pytest.raises(ConfigError, match=r"Expected a Backend, got .* at backend 'odd'"):
        get_backend("odd")


def test_an_entry_point_without_its_class_is_an_error(site: Path) -> None:
    install(site, "odd = third_party:Absent")

    with pytest.raises(ConfigError, match="third_party:Absent"):
        get_backend("odd")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 2, 50, 51, 129, 3000])
def test_margins_are_the_boosters_bits(bundle: Bundle, name: str, n: int) -> None:
    rows = small.rows(n, seed=n)
    expected = small.booster().predict(xgboost.DMatrix(rows), output_margin=True)

    margins = open_backend(bundle, name).margins(rows)

    small.assert_same_bits(expected=expected[:, None], got=margins)


@pytest.mark.parametrize("name", NAMES)
def test_odd_numbers_get_the_boosters_bits(bundle: Bundle, name: str) -> None:
    tiny = np.float32(1e-45)
    odd = np.array([np.nan, np.inf, -np.inf, 0, -0.0, tiny, 3.4e38, -3.4e38], np.float32)
    rows = np.array(np.meshgrid(*[odd] * 4)).reshape(4, -1).T.copy()
    # The booster itself refuses infinity in a DMatrix, and not here.
    expected = small.booster().inplace_predict(rows, predict_type="margin")

    margins = open_backend(bundle, name).margins(rows)

    small.assert_same_bits(expected=expected[:, None], got=margins)


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_give_no_margins(bundle: Bundle, name: str) -> None:
    margins = open_backend(bundle, name).margins(small.rows(0))

    small.assert_same_bits(expected=np.empty((0, 1), np.float32), got=margins)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_left_as_they_are_and_margins_are_the_callers(bundle: Bundle, name: str) -> None:
    backend, rows = open_backend(bundle, name), small.rows(5)
    rows.setflags(write=False)

    first = backend.margins(rows)
    kept = first.copy()
    backend.margins(small.rows(5, seed=9))

    small.assert_same_bits(expected=kept, got=first)
    first[:] = 0
    small.assert_same_bits(expected=kept, got=backend.margins(rows))


@pytest.mark.parametrize("name", NAMES)
def test_one_row_that_is_filled_anew_gets_the_bits_of_margins(bundle: Bundle, name: str) -> None:
    backend, rows = open_backend(bundle, name), small.rows(40, seed=2)

    found = one_by_one(backend, rows)

    small.assert_same_bits(expected=backend.margins(rows), got=found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (4,), (1, 2, 2)], ids=str)
def test_rows_of_another_shape_are_refused(
    bundle: Bundle, name: str, shape: tuple[int, ...]
) -> None:
    with pytest.raises(BackendError, match="Expected rows for this") as caught:
        open_backend(bundle, name).margins(np.zeros(shape, np.float32))

    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("name", NAMES)
def test_an_unreadable_file_is_refused_by_its_path(name: str, tmp_path: Path) -> None:
    backend = get_backend(name)
    path = tmp_path / backend.filename
    path.write_bytes(b"{ not a model")

    with pytest.raises(BackendError, match=f"at .*{backend.filename}"):
        backend(path)


def test_nothing_but_a_whole_backend_can_be_made() -> None:
    class Half(Backend):
        name = "half"
        filename = "booster.ubj"

        def __init__(self, path: Path) -> None: ...

    with pytest.raises(TypeError, match="margins"):
        Half(Path())  # type: ignore[abstract]
