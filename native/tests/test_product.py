"""Product: with the package installed, a model is stored, proven, served and scored by it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bentoml
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bentoml_ext
import bentoml_ext_simd.kernel
from bentoml_ext.backends.registry import packages
from bentoml_ext.errors import BundleError
from bentoml_ext.export.forms import FormLeftOut
from bentoml_ext.serving.bento.other_package import requirement
from models.fields import EXAMPLE
from models.synthetic import generate
from tests.support import small
from tests.support.commands import ROOT, ext_command
from tests.support.servers import serve

# The plain sum of numpy's and the product's own modules: neither of the libraries of models.
ALONE = """
import sys
sys.modules["xgboost"] = sys.modules["onnxruntime"] = None
from pathlib import Path
import numpy as np
from bentoml_ext.backends.registry import get_backend
backend = get_backend("simd")(Path(sys.argv[1]))
print(backend.margins(np.zeros((3, 4), np.float32)).tobytes().hex())
"""


def test_a_stored_model_is_proven_and_scored_with() -> None:
    stored = bentoml_ext.save_model("simd_test", small.booster(), encoder=small.encoder())

    bundle, rows = bentoml_ext.load_bundle(stored), small.rows(200)
    assert "trees.simd" in bundle.manifest.files
    assert "simd" in bundle.proof.summary().subjects
    small.assert_same_bits(
        expected=bentoml_ext.load_model(stored, "xgboost").margins(rows),
        got=bentoml_ext.load_model(stored, "simd").margins(rows),
    )


def test_scoring_needs_neither_xgboost_nor_onnxruntime(tmp_path: Path) -> None:
    from bentoml_ext_simd.form import TreesForm

    path = tmp_path / "trees.simd"
    path.write_bytes(TreesForm().write(small.booster()))
    command = [sys.executable, "-c", ALONE, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)

    rows = np.zeros((3, 4), np.float32)
    native = small.booster().inplace_predict(rows, predict_type="margin")
    assert ran.stdout.strip() == native.tobytes().hex()


@pytest.mark.slow
def test_the_service_answers_with_it(
    home: Path, credit_model: bentoml.Model, example_answer: bytes
) -> None:
    with serve(home, BACKEND="simd") as server:
        answer = server.client.post("/classify", json={"application": EXAMPLE})

    assert answer.content == example_answer
    assert answer.headers["x-backend"] == "simd"


def test_a_portfolio_has_the_same_answers(credit_model: bentoml.Model, tmp_path: Path) -> None:
    fields = bentoml_ext.load_bundle(credit_model).encoder.fields
    book = tmp_path / "book.parquet"
    pq.write_table(pa.table(generate(3000, fields=fields).to_arrow()), book)
    for backend in ("xgboost", "simd"):
        out = tmp_path / f"{backend}.csv"
        ended = ext_command("score", str(credit_model.tag), book, "-o", out, "--backend", backend)
        assert ended.returncode == 0, ended.stderr

    assert (tmp_path / "simd.csv").read_bytes() == (tmp_path / "xgboost.csv").read_bytes()


def test_a_model_of_weights_is_stored_without_the_form() -> None:
    booster = small.booster(booster="gblinear", verbosity=0)

    with pytest.warns(FormLeftOut, match=r"without trees\.simd: Expected trees, got the weights"):
        stored = bentoml_ext.save_model("simd_linear", booster, encoder=small.encoder())

    with pytest.raises(BundleError, match="without this form: Expected trees, got the weights"):
        bentoml_ext.load_model(stored, "simd")
    bentoml_ext.load_model(stored, "auto").margins(small.rows(3))


def test_a_bento_carries_the_kernel_as_it_is_installed(tmp_path: Path) -> None:
    assert packages("simd") == ["bentoml-ext-simd"]
    named = requirement("bentoml-ext-simd", tmp_path)

    (wheel,) = tmp_path.iterdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(tmp_path / "site"), str(wheel)], check=True)
    kernel = tmp_path / "site" / "bentoml_ext_simd" / "kernel.abi3.so"
    assert kernel.read_bytes() == Path(bentoml_ext_simd.kernel.__file__ or "").read_bytes()
    assert named.startswith("bentoml-ext-simd==") and "+sha" in named
