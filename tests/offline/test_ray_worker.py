"""What a cluster's workers are given and do, without a cluster."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import bentoml
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bentoml_ext
from bentoml_ext.errors import BundleError, UnreadableInput
from bentoml_ext.offline import row_groups as pieces_module
from bentoml_ext.offline.file_job import Job
from bentoml_ext.offline.ray_worker import PartScorer, WorkerPayload, packed
from bentoml_ext.offline.row_groups import pieces
from bentoml_ext.offline.staging import Staging
from bentoml_ext.offline.summary import Summary
from models.synthetic import generate
from tests.support.commands import bentoml_command, ext_command, python_code

ROWS = 300

WITHOUT_RAY = """
sys.modules["ray"] = None
from bentoml_ext.cli import ext
ext(["score", *sys.argv[1:]])
"""


@pytest.fixture
def source(credit_model: bentoml.Model, tmp_path: Path) -> Path:
    """A Parquet file with three row groups."""
    fields = bentoml_ext.load_bundle(credit_model).encoder.fields
    table = pa.Table.from_batches([generate(ROWS, fields=fields).to_arrow()])
    pq.write_table(table, tmp_path / "book.parquet", row_group_size=ROWS // 3)
    return tmp_path / "book.parquet"


def job_of(source: Path) -> Job:
    folder = source.parent
    return Job(source, "parquet", folder / "out.parquet", "parquet", folder / "bad.parquet")


def work_of(model: bentoml.Model, *jobs: Job) -> WorkerPayload:
    return WorkerPayload(
        packed(bentoml_ext.load_bundle(model)), "xgboost", None, str(model.tag), jobs
    )


@pytest.mark.parametrize(
    ("least", "cuts"), [(1, [0, 1, 2, 3]), (101, [0, 2, 3]), (200, [0, 2, 3]), (300, [])]
)
def test_pieces_are_whole_row_groups_and_leave_none_out(
    least: int, cuts: list[int], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces_module, "PIECE_ROWS", least)
    job = job_of(source)

    made = list(pieces(job))

    if not cuts:
        assert made == [job]
        return
    assert [piece.groups for piece in made] == [
        range(start, stop) for start, stop in pairwise(cuts)
    ]
    assert [piece.first for piece in made] == [start * ROWS // 3 for start in cuts[:-1]]
    assert [piece.output for piece in made] == [
        source.with_name(f"out-{number:05}.parquet") for number in range(len(made))
    ]
    assert len({piece.rejected for piece in made}) == len(made)


def test_what_is_no_parquet_is_not_cut(tmp_path: Path) -> None:
    (tmp_path / "book.parquet").write_bytes(b"a,b\n")

    with pytest.raises(UnreadableInput, match=r"Expected parquet, got: .*book"):
        list(pieces(job_of(tmp_path / "book.parquet")))


def test_the_model_travels_as_files_and_an_error_as_a_value(
    credit_model: bentoml.Model, source: Path
) -> None:
    work = work_of(credit_model, job_of(source), job_of(source.with_name("none.parquet")))
    scorer = PartScorer(partial(pickle.loads, pickle.dumps(work)))

    told = scorer({"item": np.arange(2)})

    # Ray sends it back in a pickle.
    summary, error = pickle.loads(pickle.dumps(told["outcome"]))  # noqa: S301
    assert isinstance(summary, Summary)
    assert (summary.rows, summary.scored, summary.parts) == (ROWS, ROWS, 1)
    assert isinstance(error, FileNotFoundError)
    assert error.filename == str(source.with_name("none.parquet"))


def test_a_model_that_was_changed_on_its_way_scores_nothing(
    credit_model: bentoml.Model, source: Path
) -> None:
    work = work_of(credit_model, job_of(source))
    cut = {**work.files, "booster.ubj": work.files["booster.ubj"][:-1]}

    told = PartScorer(lambda: replace(work, files=cut))({"item": np.arange(1)})

    assert isinstance(told["outcome"][0], BundleError)
    assert list(source.parent.iterdir()) == [source]


def test_staging_leaves_what_is_in_place_and_nothing_else(source: Path) -> None:
    first, second = job_of(source), Job(source, "parquet", source.with_name("b.parquet"), "parquet")
    before = set(source.parent.iterdir())

    with Staging([first, second]) as staging:
        for job in staging.jobs:
            for path in (job.output, job.rejected):
                if path is not None:
                    path.touch()
                    path.with_name(f".{path.name}-half").touch()
        staging.place(0)

    assert set(source.parent.iterdir()) - before == {first.output, first.rejected}


@pytest.mark.parametrize("options", [("-",), (".", "-o", "-")])
def test_ray_takes_no_pipe(options: tuple[str, ...], credit_model: bentoml.Model) -> None:
    ended = ext_command("score", str(credit_model.tag), *options, "--engine=ray")

    assert ended.returncode == 1
    assert "Error: Expected files for --engine ray, got '-'." in ended.stderr


@pytest.mark.parametrize(
    ("address", "told"),
    [("127.0.0.1:9", "Connection refused"), ("nowhere", "neither auto nor HOST:PORT")],
)
def test_an_address_without_a_cluster_is_named_and_nothing_is_written(
    address: str, told: str, home: Path, credit_model: bentoml.Model, source: Path
) -> None:
    tag, options = str(credit_model.tag), ("--engine=ray", f"--address={address}")

    ended = bentoml_command(home, "ext", "score", tag, source, *options)

    assert ended.returncode == 1
    assert "Error: Expected a running Ray cluster, got: " in ended.stderr
    assert told in ended.stderr
    assert ended.stderr.rstrip().endswith(f"at --address {address}.")
    assert list(source.parent.iterdir()) == [source]


def test_an_address_is_for_ray_only() -> None:
    ended = ext_command("score", "a:1", "b.parquet", "--address", "auto")

    assert ended.returncode == 2
    assert "--address is for --engine ray." in ended.stderr


def test_a_missing_ray_names_the_extra(home: Path, source: Path) -> None:
    ended = python_code(f"import sys\n{WITHOUT_RAY}", home, "a:1", source, "--engine=ray")

    assert ended.returncode == 1
    assert "This needs ray. Install it with the 'ray' extra" in ended.stderr
