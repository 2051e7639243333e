"""`bentoml ext verify`: the bits are judged again, of stored models and of anybody's ONNX files."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import bentoml
import msgspec
import numpy as np
import onnx
import pytest
import xgboost
from click.testing import CliRunner, Result

import bentoml_ext
from bentoml_ext import export
from bentoml_ext.cli import ext
from bentoml_ext.proving.verify import verify_bundle, verify_file
from bentoml_ext.store.bundle import GRAPH, Bundle
from tests.proving.mutations import MUTATIONS, mutated
from tests.support import small
from tests.support.commands import bentoml_command, ext_command, python_code
from tests.support.selftests import forged

HIDDEN = """
import importlib.util, sys
find = importlib.util.find_spec
hidden = ("xgboost", "onnx", "sklearn")
importlib.util.find_spec = lambda name, *rest: None if name in hidden else find(name, *rest)
sys.modules.update(dict.fromkeys(hidden))
sys.argv = ["bentoml", "ext", "verify", sys.argv[1]]
from bentoml_cli.cli import cli
cli()
"""
"""The command on a machine that only serves ONNX."""


@pytest.fixture(scope="module")
def stored() -> bentoml.Model:
    return bentoml_ext.save_model("verify_test", small.booster(), encoder=small.encoder())


def called(*arguments: str | Path) -> Result:
    """`bentoml ext ARGUMENTS` in this process."""
    return CliRunner().invoke(ext, list(map(str, arguments)), prog_name="bentoml ext")


def saved(booster: xgboost.Booster, folder: Path) -> Path:
    path = folder / "booster.ubj"
    booster.save_model(path)
    return path


def of_onnxmltools(booster: xgboost.Booster, path: Path) -> Path:
    """What the stock converter makes of a booster."""
    with warnings.catch_warnings(action="ignore"):
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        kinds = [("input", FloatTensorType([None, len(small.FEATURES)]))]
        onnx.save(convert_xgboost(booster, initial_types=kinds), path)
    return path


def test_a_stored_model_is_verified(home: Path, stored: bentoml.Model, tmp_path: Path) -> None:
    report = tmp_path / "proof.json"

    done = bentoml_command(
        home, "ext", "verify", str(stored.tag), "--rows", "500", "--json", report
    )

    assert done.returncode == 0, done.stderr
    assert "Every bit is equal." in done.stdout
    assert done.stderr == ""
    told = msgspec.json.decode(report.read_bytes())
    assert told["holds"] is True
    assert {part["name"] for part in told["parts"]} >= {"structure", "boundary", "random", "stored"}
    assert {p["checked"] for p in told["parts"] if p["name"] == "random"} == {500}


def test_where_xgboost_is_missing_the_stored_answers_are_the_measure(
    home: Path, stored: bentoml.Model
) -> None:
    done = python_code(HIDDEN, home, str(stored.tag))

    assert done.returncode == 0, done.stderr
    assert "the stored answers of Booster.inplace_predict" in done.stdout
    assert done.stdout.count("stored  ") == 1


def test_a_stored_model_with_another_graph_differs(stored: bentoml.Model, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stored.path, tmp_path / "bundle"))
    other = export.to_onnx(
        small.booster(seed=1), deterministic_threads=False, with_prediction=False
    )
    forged(folder, GRAPH, other.SerializeToString())

    proof = verify_bundle(Bundle(folder), random_rows=100)

    assert not proof.holds
    assert {part.subject for part in proof.parts if not part.holds} == {"onnx"}
    assert {part.name for part in proof.parts if not part.holds} >= {"structure", "stored"}


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [False, True])
def test_a_model_of_several_margins_is_compared_with_its_stored_answers(
    hidden: bool, home: Path
) -> None:
    booster = small.booster(objective="multi:softprob", num_class=3)
    stored = bentoml_ext.save_model("verify_three", booster, encoder=small.encoder())

    if hidden:
        done = python_code(HIDDEN, home, str(stored.tag))
    else:
        done = ext_command("verify", str(stored.tag), "--rows", "100")

    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("stored ")]
    # Of 320 rows in a batch and one by one: three margins, three probabilities, bodies.
    assert [line.split()[1:4] for line in lines] == [["onnx", "320", "5,122"]] + [
        ["xgboost", "320", "5,122"]
    ] * (not hidden)


def test_our_own_file_holds_in_margin_and_prediction(tmp_path: Path) -> None:
    onnx.save(export.to_onnx(small.booster()), tmp_path / "ours.onnx")

    proof = verify_file(tmp_path / "ours.onnx", saved(small.booster(), tmp_path), random_rows=1000)

    assert proof.holds
    assert {part.subject for part in proof.parts} == {"margin", "prediction"}
    assert set(proof.files) == {"ours.onnx", "booster.ubj"}


def test_a_file_of_onnxmltools_with_permuted_names_is_wrong(home: Path, tmp_path: Path) -> None:
    # It takes a name like 'f3' for a position, so that every column is another one.
    booster = small.booster()
    booster.feature_names = ["f3", "f2", "f1", "f0"]
    file = of_onnxmltools(booster, tmp_path / "stock.onnx")

    done = bentoml_command(
        home, "ext", "verify", file, "--booster", saved(booster, tmp_path), "--rows", "1000"
    )

    assert done.returncode == 1
    assert "output 'probabilities' with the booster's prediction" in done.stdout
    assert "Different. Expected prediction 0x" in done.stdout
    assert re.search(r"at row 0, tree \d+, boundary part", done.stdout)
    assert "That row: f3=" in done.stdout


def test_a_file_of_onnxmltools_is_near_and_not_equal(tmp_path: Path) -> None:
    file = of_onnxmltools(small.booster(), tmp_path / "stock.onnx")

    proof = verify_file(file, saved(small.booster(), tmp_path), random_rows=1000)

    assert not proof.holds
    assert all(0 < part.share < 1 for part in proof.parts)
    assert all((part.largest_gap_ulp or 0) < 1000 for part in proof.parts)
    # The trees are the same: only their sum and the sigmoid are not.
    assert proof.difference is not None
    assert proof.difference.tree is None


@pytest.mark.parametrize("name", ["threshold", "leaf", "base"])
def test_a_file_that_is_wrong_by_one_float32_is_found(name: str, tmp_path: Path) -> None:
    graph = export.to_onnx(small.booster(), with_prediction=False)
    onnx.save(mutated(graph, MUTATIONS[name][0]), tmp_path / "wrong.onnx")

    proof = verify_file(
        tmp_path / "wrong.onnx", saved(small.booster(), tmp_path), random_rows=20_000
    )

    assert not proof.holds


def test_an_output_by_another_name_is_judged(tmp_path: Path) -> None:
    booster = small.booster(objective="reg:squarederror")
    graph = export.to_onnx(booster, with_prediction=False)
    graph.graph.output[0].name = "score"
    graph.graph.node[-1].output[0] = "score"
    onnx.save(graph, tmp_path / "named.onnx")

    proof = verify_file(tmp_path / "named.onnx", saved(booster, tmp_path), random_rows=100)

    assert proof.holds
    assert {part.subject for part in proof.parts} == {"score"}


def test_a_file_of_no_told_width_is_judged(tmp_path: Path) -> None:
    graph = export.to_onnx(small.booster())
    graph.graph.input[0].type.tensor_type.shape.dim[1].Clear()
    onnx.save(graph, tmp_path / "wide.onnx")

    proof = verify_file(tmp_path / "wide.onnx", saved(small.booster(), tmp_path), random_rows=100)

    assert proof.holds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.onnx"], "Expected an ONNX file, got none - at no.onnx"),
        (["no.onnx", "--booster", "booster.ubj"], "Expected an ONNX file, got none - at no.onnx"),
        (["booster.ubj", "--booster", "booster.ubj"], "Expected an ONNX file, got"),
        (["wide.onnx", "--booster", "booster.ubj"], "Expected rows of 4 features, got 5"),
        (["wide.onnx", "--booster", "wide.onnx"], "Expected a booster, got"),
        (["no_such_model:latest"], "no_such_model"),
    ],
)
def test_what_cannot_be_judged_is_said_in_one_line(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    saved(small.booster(), tmp_path)
    wide = np.zeros((50, 5), np.float32)
    matrix = xgboost.DMatrix(wide, label=np.arange(50) % 2)
    onnx.save(export.to_onnx(xgboost.train({}, matrix, 1)), tmp_path / "wide.onnx")

    done = ext_command("verify", *arguments, cwd=tmp_path)

    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_export_and_inspect_tell_of_the_proof(stored: bentoml.Model, tmp_path: Path) -> None:
    exported = ext_command("export", str(stored.tag), "-o", tmp_path / "g.onnx")
    inspected = ext_command("inspect", str(stored.tag))

    for told in (exported.stdout, " ".join(inspected.stdout.split())):
        assert "every bit equal" in " ".join(told.split())
        assert "0 decisions flipped" in " ".join(told.split())


def test_the_proof_as_json_names_the_tag(stored: bentoml.Model, tmp_path: Path) -> None:
    report = tmp_path / "proof.json"

    ended = called("verify", "verify_test:latest", "--rows", "100", "--json", report)

    assert ended.exit_code == 0, ended.stderr
    assert msgspec.json.decode(report.read_bytes())["tag"] == str(stored.tag)


@pytest.mark.parametrize("how", [(), ("--with-encoder",)], ids=["rows", "fields"])
def test_an_exported_file_is_judged_by_the_model_that_it_names(
    stored: bentoml.Model, tmp_path: Path, how: tuple[str, ...]
) -> None:
    file, report = tmp_path / "model.onnx", tmp_path / "proof.json"
    assert called("export", str(stored.tag), *how, "-o", file).exit_code == 0

    ended = called("verify", file, "--rows", "1000", "--json", report)

    assert ended.exit_code == 0, ended.stdout + ended.stderr
    assert "Every bit is equal." in ended.stdout
    assert str(stored.tag) in ended.stdout
    assert "2 threads" in ended.stdout
    assert msgspec.json.decode(report.read_bytes())["tag"] == str(stored.tag)


@pytest.mark.parametrize("how", [(), ("--with-encoder",)], ids=["rows", "fields"])
def test_a_file_of_another_model_differs(
    stored: bentoml.Model, tmp_path: Path, how: tuple[str, ...]
) -> None:
    other = bentoml_ext.save_model("verify_other", small.booster(seed=3), encoder=small.encoder())
    file = tmp_path / "model.onnx"
    assert called("export", str(other.tag), *how, "-o", file).exit_code == 0

    ended = called("verify", file, "--model", str(stored.tag), "--rows", "1000")

    assert ended.exit_code == 1
    assert "Different. Expected margin" in ended.stdout


def test_an_exported_file_that_was_changed_differs(stored: bentoml.Model, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    assert called("export", str(stored.tag), "--with-encoder", "-o", file).exit_code == 0
    onnx.save(mutated(onnx.load(file), MUTATIONS["leaf"][0]), file)

    ended = called("verify", file)

    assert ended.exit_code == 1
    assert "Different. Expected" in ended.stdout


def stopped_early() -> tuple[xgboost.XGBClassifier, np.ndarray]:
    """An estimator whose best round is not its last, and rows."""
    rows = small.rows(400)
    label = (np.nan_to_num(rows[:, 0]) + np.random.default_rng(1).normal(size=400) > 0).astype(int)
    model = xgboost.XGBClassifier(n_estimators=40, early_stopping_rounds=5, n_jobs=1)
    model.fit(rows[:200], label[:200], eval_set=[(rows[200:], label[200:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    return model, rows


def test_an_estimators_file_is_judged_as_the_estimator_predicts(tmp_path: Path) -> None:
    model, _ = stopped_early()
    model.save_model(tmp_path / "model.ubj")
    onnx.save(export.to_onnx(model), tmp_path / "best.onnx")
    onnx.save(export.to_onnx(model.get_booster()), tmp_path / "all.onnx")

    best = verify_file(tmp_path / "best.onnx", tmp_path / "model.ubj", random_rows=500)
    every = verify_file(tmp_path / "all.onnx", tmp_path / "model.ubj", random_rows=500)

    assert best.holds
    assert not every.holds


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file of an estimator to which 0 was missing, and two graphs."""
    folder = tmp_path_factory.mktemp("marked")
    rows = np.where(np.isnan(found := small.rows(400)), np.float32(0), found)
    model = xgboost.XGBClassifier(n_estimators=10, max_depth=3, missing=0, n_jobs=1)
    # What is missing goes right of a split that 0 is left of.
    model.fit(rows, (rows[:, 0] > 0.1) | (rows[:, 0] == 0))
    model.save_model(folder / "model.ubj")
    onnx.save(export.to_onnx(model), folder / "zero.onnx")
    onnx.save(export.to_onnx(model.get_booster()), folder / "none.onnx")
    return folder


@pytest.mark.parametrize(
    ("graph", "options", "code"),
    [
        ("zero", ("--missing", "0"), 0),
        ("none", ("--missing", "0"), 1),
        ("zero", (), 1),
        ("none", (), 0),
        ("none", ("--missing", "nan"), 0),
    ],
)
def test_the_marker_for_missing_is_part_of_the_measure(
    graph: str, options: tuple[str, ...], code: int, marked: Path
) -> None:
    file, booster = marked / f"{graph}.onnx", marked / "model.ubj"

    ended = called("verify", file, "--booster", booster, "--rows", "500", *options)

    assert ended.exit_code == code, ended.output
    said = "NaN and 0 missing" if "0" in options else "NaN alone missing (--missing NUMBER)"
    assert (said in " ".join(ended.output.split())) is ("nan" not in options)


def test_a_marker_that_a_file_keeps_is_part_of_the_measure(marked: Path, tmp_path: Path) -> None:
    booster = xgboost.Booster(model_file=marked / "model.ubj")
    # As estimators of XGBoost 1.7 wrote their parameters.
    booster.set_attr(scikit_learn='{"missing": 0}')
    booster.save_model(tmp_path / "model.ubj")

    assert verify_file(marked / "zero.onnx", tmp_path / "model.ubj", random_rows=100).holds
    assert not verify_file(marked / "none.onnx", tmp_path / "model.ubj", random_rows=100).holds


def test_of_a_booster_that_stopped_early_the_rounds_are_asked_for(tmp_path: Path) -> None:
    model, _ = stopped_early()
    booster = model.get_booster()
    booster.set_attr(scikit_learn=None)
    booster.save_model(tmp_path / "model.ubj")
    onnx.save(export.to_onnx(booster), tmp_path / "all.onnx")
    asked = ("verify", tmp_path / "all.onnx", "--booster", tmp_path / "model.ubj", "--rows", "500")

    neither = called(*asked)

    assert neither.exit_code == 1
    assert "Expected --rounds best or --rounds all, got neither" in neither.stderr
    assert called(*asked, "--rounds", "all").exit_code == 0
    assert called(*asked, "--rounds", "best").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x:y", "--rounds", "best"], "--rounds is for --booster"),
        (["x:y", "--missing", "0"], "--missing is for --booster"),
        (["x:y", "--allow-pickle"], "--allow-pickle is for --pipeline"),
        (["x.onnx", "--rows", "-1"], "-1 is not in the range"),
    ],
)
def test_an_option_that_has_nothing_to_do_is_wrong_usage(
    arguments: list[str], message: str
) -> None:
    ended = called(*arguments[:0], "verify", *arguments)

    assert ended.exit_code == 2
    assert message in ended.stderr


def test_the_dart_of_an_estimator_is_judged_by_the_estimators_own_sum(tmp_path: Path) -> None:
    rows = small.rows(300)
    label = np.nan_to_num(rows[:, 0] + rows[:, 3]) > 0.2
    model = xgboost.XGBClassifier(n_estimators=20, booster="dart", rate_drop=0.3, n_jobs=1)
    model.fit(rows, label).save_model(tmp_path / "model.ubj")
    (tmp_path / "model.onnx").write_bytes(export.to_onnx(model).SerializeToString())

    proof = verify_file(tmp_path / "model.onnx", tmp_path / "model.ubj", random_rows=2_000)

    assert proof.holds
    assert proof.oracle.startswith("Booster.inplace_predict")
