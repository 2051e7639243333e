"""A machine whose C library has another expf trains, proves and serves; what differs is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import bentoml
import pytest

import bentoml_ext
from bentoml_ext.proving.verify import verify_bundle
from bentoml_ext.store.bundle import Bundle
from tests.support import small
from tests.support.commands import python_code

# Right to a float32 or two, as those of other systems; half of all results are moved.
EXPF = """
#include <math.h>
float expf(float x) {
    float near = (float)exp((double)x);
    unsigned bits;
    __builtin_memcpy(&bits, &near, 4);
    return bits & 1 ? nextafterf(near, 0) : near;
}
"""
STORE = """
import json, sys
from click.testing import CliRunner
import bentoml_ext
from bentoml_ext.store.bundle import Bundle
from bentoml_ext.cli import ext
from bentoml_ext.scoring.opening import open_backend
from bentoml_ext.scoring.self_test import self_test
from pathlib import Path
from tests.support import small

stored = bentoml_ext.save_model(sys.argv[1], small.booster(), encoder=small.encoder())
bundle, here = Bundle(Path(stored.path)), bentoml_ext.load_bundle(sys.argv[2])
told = {"tag": str(stored.tag), "caveat": bundle.proof.caveat, "rows": []}
for tested in (bundle, here):
    for backend in ("onnx", "xgboost"):
        told["rows"].append(self_test(tested, open_backend(tested, backend)).rows)
for words in (["verify", "--rows", "1000"], ["inspect"]):
    ended = CliRunner().invoke(ext, [*words, sys.argv[2]])
    told[words[0]] = [ended.exit_code, ended.output]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def expf(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that gives another expf to whatever loads after it."""
    if sys.platform != "linux":
        pytest.skip("LD_PRELOAD is Linux's")
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("no C compiler to make another expf with")
    folder = tmp_path_factory.mktemp("expf")
    (folder / "expf.c").write_text(EXPF)
    options = ("-O2", "-fno-builtin", "-shared", "-fPIC", "-o", folder / "expf.so")
    subprocess.run([compiler, *options, folder / "expf.c", "-lm"], check=True)
    return str(folder / "expf.so")


@pytest.fixture(scope="module")
def here() -> bentoml.Model:
    """A model, stored on this machine."""
    return bentoml_ext.save_model("expf_here", small.booster(), encoder=small.encoder())


@pytest.fixture(scope="module")
def there(home: Path, expf: str, here: bentoml.Model) -> dict[str, Any]:
    """The report of such a machine: it trains, proves and stores the same model, and tests both."""
    done = python_code(STORE, home, "expf_there", str(here.tag), LD_PRELOAD=expf)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_model_is_stored_there_and_the_difference_is_told(there: dict[str, Any]) -> None:
    proof = bentoml_ext.load_bundle(there["tag"]).proof

    assert proof.holds
    (fact,) = [part for part in proof.parts if part.bound_ulp is not None]
    assert (fact.name, fact.subject) == ("expf", "XGBoost")
    assert 0 < fact.equal < fact.compared
    assert 1 <= (fact.largest_gap_ulp or 0) <= (fact.bound_ulp or 0)
    assert there["caveat"].startswith("XGBoost's own probabilities on this machine")
    assert proof.summary().largest_gap_ulp == 0
    assert proof.summary().equal == proof.summary().compared


def test_a_model_that_was_proven_there_holds_here(there: dict[str, Any]) -> None:
    # Its probabilities were stored as they are served, which no machine changes.
    proof = verify_bundle(bentoml_ext.load_bundle(there["tag"]), random_rows=1000)

    assert proof.holds, proof.reason
    assert proof.caveat == ""
    assert "stored" in {part.name for part in proof.parts}


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_verify_and_inspect_there_tell_of_the_difference_and_succeed(
    command: str, there: dict[str, Any]
) -> None:
    code, output = there[command]

    assert code == 0, output
    assert ("XGBoost's own probabilities on this machine" in output) == (command == "verify")


def test_models_that_were_proven_there_and_here_pass_their_self_test_there(
    there: dict[str, Any],
) -> None:
    assert there["rows"] == [320, 320, 320, 320]


def test_here_nothing_is_told_of_the_machine(here: bentoml.Model) -> None:
    proof = Bundle(Path(here.path)).proof

    assert proof.caveat == ""
    assert {part.bound_ulp for part in proof.parts} == {None}
