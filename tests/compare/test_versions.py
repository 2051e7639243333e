"""Two versions: who gets another answer, which ranks better, and what no file can say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

import bentoml_ext
from bentoml_ext.compare.paired import InStep
from bentoml_ext.errors import UnreadableInput
from tests.support import small
from tests.support.commands import ext_command

ROWS = 400


@pytest.fixture(scope="module")
def champion() -> bentoml.Model:
    return bentoml_ext.save_model("compare_champion", small.booster(), encoder=small.encoder())


@pytest.fixture(scope="module")
def challenger() -> bentoml.Model:
    worse = small.booster(seed=7, rounds=1, max_depth=1)
    return bentoml_ext.save_model("compare_challenger", worse, encoder=small.encoder())


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Applications with the outcome that `small.booster` learns; the last is unknown."""
    random = np.random.default_rng(3)
    age, income = random.normal(size=ROWS), random.normal(size=ROWS)
    bad = (age + income > 0.2).astype(np.int8)
    homes = random.choice(["owner", "rent"], ROWS)
    outcome = pa.array(bad, mask=np.arange(ROWS) == ROWS - 1)
    return pa.table({"age": age, "home": homes, "income": income, "bad": outcome})


@pytest.fixture(scope="module")
def data(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "june.parquet"
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def some(table: pa.Table, data: Path) -> dict[str, Path]:
    """Files of a few applications, and of bad ones alone."""
    bad = table.filter(pc.equal(table.column("bad"), 1))
    paths = {kind: data.with_name(f"{kind}.parquet") for kind in ("few", "bad")}
    for path, part in zip(paths.values(), (table.slice(0, 12), bad), strict=True):
        pq.write_table(part, path)
    return paths


def compared(
    champion: bentoml.Model, challenger: bentoml.Model, data: Path, *options: str | Path
) -> tuple[dict[str, Any], str]:
    """What `compare --with` writes as JSON, and prints."""
    path = data.with_suffix(".json")
    words = ["compare", champion.tag, "--with", challenger.tag, "--data", data, "--json", path]
    ended = ext_command(*map(str, words), *options)
    assert ended.returncode == 0, ended.stderr
    return json.loads(path.read_bytes()), ended.stdout


def test_a_worse_challenger_is_said_to_rank_worse(
    champion: bentoml.Model, challenger: bentoml.Model, data: Path
) -> None:
    report, printed = compared(champion, challenger, data, "--outcome", "bad")

    assert "the challenger ranks worse: Gini -" in printed.splitlines()[0]
    assert sum(cell["group"]["count"] for cell in report["swap_set"]) == report["rows"] == ROWS
    flips = [c["group"]["count"] for c in report["swap_set"] if c["champion"] != c["challenger"]]
    assert sum(flips) == report["flips"]
    assert [trade["same"] for trade in report["trades"]] == ["approval rate"]
    assert "At no cut-off is the challenger's bad rate as low as the champion's." in printed
    assert "The outcome is known of 399 of 400 applications." in printed
    assert len(report["movers"]) == 10


def test_a_version_against_itself_changes_nothing(champion: bentoml.Model, data: Path) -> None:
    report, printed = compared(champion, champion, data, "--outcome", "bad")

    assert printed.startswith("0 of 400 decisions change (0.0%), 400 do not; ")
    assert "neither better nor worse beyond chance: Gini +0.000 (+0.000 to +0.000)" in printed
    assert report["psi"]["psi"] == 0
    assert report["movers"] == []
    assert [trade["same"] for trade in report["trades"]] == ["approval rate", "bad rate"]
    assert {trade["swapped_in"]["count"] for trade in report["trades"]} == {0}


def test_without_an_outcome_nothing_is_said_of_ranking(
    champion: bentoml.Model, challenger: bentoml.Model, data: Path
) -> None:
    report, printed = compared(champion, challenger, data)

    assert report["ranking"] is None
    assert [trade["same"] for trade in report["trades"]] == ["approval rate"]
    assert "No outcome was named: nothing says which version ranks better." in printed


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("few", "are few: the intervals are wide, and rough."),
        ("bad", "Every known outcome is bad: nothing can be ranked."),
    ],
)
def test_what_a_small_or_one_sided_file_cannot_say_is_said(
    champion: bentoml.Model,
    challenger: bentoml.Model,
    some: dict[str, Path],
    kind: str,
    words: str,
) -> None:
    path = some[kind]

    _, printed = compared(champion, challenger, path, "--outcome", "bad")

    assert words in printed


def test_the_scores_are_those_that_the_service_gives(
    champion: bentoml.Model, challenger: bentoml.Model, table: pa.Table, tmp_path: Path
) -> None:
    path, scores = tmp_path / "june.csv", tmp_path / "scores.parquet"
    odd = table.set_column(1, "home", pa.array(["tent", *table.column("home").to_pylist()[1:]]))
    csv.write_csv(odd, path)

    _, printed = compared(champion, challenger, path, "--outcome", "bad", "--scores", scores)

    found = pq.read_table(scores)
    assert found.column("row").to_pylist() == list(range(1, ROWS))
    assert "Left out: 1 of 400 applications of june.csv that compare_champion:" in printed
    alone = bentoml_ext.load_model(challenger)
    some = [{k: v for k, v in one.items() if k != "bad"} for one in table.slice(1, 50).to_pylist()]
    expected = [answer.margin for answer in alone.classify_batch(some)]
    assert found.column("challenger_margin").to_pylist()[:50] == expected
    assert found.column("outcome").to_pylist()[-1] is None


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--with", "x"], 2, "--with needs --data"),
        (["--outcome", "bad"], 2, "--outcome is for --with and --with-data"),
        (["--amount", "bad"], 2, "--amount is for --with"),
        (["--reference", "rent"], 2, "--reference is for --impact"),
        (["--json", "nowhere/report.json"], 2, "Expected a folder for nowhere/report.json"),
        (["--with", "compare_challenger", "--data", "DATA", "--impact", "hom"], 1, "at --impact"),
        (["--with", "compare_challenger", "--data", "DATA", "--group", "home"], 1, "an order"),
        (["--with", "compare_challenger", "--data", "DATA", "--outcome", "age"], 1, "'age' of"),
        (["--with", "compare_challenger", "--data", "DATA", "--outcome", "bda"], 1, "got 'bda'"),
        (["--with", "compare_challenger", "--data", "DATA", "--backends", "onnx"], 2, "--backends"),
    ],
)
@pytest.mark.usefixtures("challenger")
def test_wrong_words_are_refused(
    champion: bentoml.Model, data: Path, options: list[str], code: int, words: str
) -> None:
    given = [str(data) if one == "DATA" else one for one in options]

    ended = ext_command("compare", str(champion.tag), *given)

    assert ended.returncode == code
    assert words in ended.stderr


def test_a_file_without_an_answer_is_refused(
    champion: bentoml.Model, challenger: bentoml.Model, tmp_path: Path
) -> None:
    path = tmp_path / "tents.parquet"
    pq.write_table(pa.table({"age": [1.0], "home": ["tent"], "income": [1.0]}), path)

    ended = ext_command(
        "compare", str(champion.tag), "--with", str(challenger.tag), "--data", str(path)
    )

    assert ended.returncode == 1
    assert "Expected an application that both versions answer, got 1 without one" in ended.stderr


def test_a_missing_library_names_the_extra_of_reports(
    champion: bentoml.Model, challenger: bentoml.Model, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    ended = ext_command(
        "compare", str(champion.tag), "--with", str(challenger.tag), "--data", str(data)
    )

    assert ended.returncode == 1
    assert "This needs sklearn. Install it with the 'report' extra" in ended.stderr


def test_the_second_reader_is_cut_as_the_first_one_reads() -> None:
    rows = InStep(np.split(np.arange(10, dtype=np.float32), [3, 4]).__iter__())

    assert rows.take(2).tolist() == [0, 1]
    assert rows.take(5).tolist() == [2, 3, 4, 5, 6]
    with pytest.raises(UnreadableInput, match="The file changed"):
        rows.take(4)
