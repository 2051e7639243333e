"""The course's model against one without `age` and `marital`: every figure by plain counting."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import bentoml
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bentoml_ext
from models.dataset import Dataset
from models.split import split
from models.training import train
from tests.compare import independent
from tests.support.commands import ext_command

pytestmark = pytest.mark.slow

BANDS = ("APPROVED", "MAYBE", "DECLINED")


@dataclass
class Course:
    """Both versions on the held-out applications.

    Args:
        report: the comparison as JSON.
        before, after: probabilities of both.
        is_bad: the real outcomes.
    """

    report: dict[str, Any]
    before: list[float]
    after: list[float]
    is_bad: list[bool]


@pytest.fixture(scope="module")
def course(
    dataset: Dataset, credit_model: bentoml.Model, tmp_path_factory: pytest.TempPathFactory
) -> Course:
    made = train(dataset, without=("age", "marital"))
    challenger = bentoml_ext.save_model(
        "course_challenger", made.booster, encoder=made.encoder, policy=made.policy
    )
    _, test = split(dataset)
    folder = tmp_path_factory.mktemp("course")
    table = pa.Table.from_pylist(list(test.applications))
    bads = pa.array([int(one) for one in test.defaults])
    pq.write_table(table.append_column("defaulted", bads), folder / "test.parquet")
    ended = ext_command(
        *("compare", str(credit_model.tag), "--with", str(challenger.tag)),
        *("--data", folder / "test.parquet", "--outcome", "defaulted"),
        *("--json", folder / "report.json", "--scores", folder / "scores.parquet"),
    )
    assert ended.returncode == 0, ended.stderr
    scores = pq.read_table(folder / "scores.parquet").to_pydict()
    return Course(
        json.loads((folder / "report.json").read_bytes()),
        scores["champion_probability"],
        scores["challenger_probability"],
        [one == 1 for one in scores["outcome"]],
    )


def band(probability: float) -> int:
    """The policy of the course: DECLINED above 0.5, MAYBE above 0.3."""
    return (probability > 0.5) + (probability > 0.3)


def test_the_swap_set_and_its_bad_rates(course: Course) -> None:
    expected = independent.swap_counts(course.before, course.after, course.is_bad, band)

    for cell in course.report["swap_set"]:
        pair = BANDS.index(cell["champion"]), BANDS.index(cell["challenger"])
        count, bads = expected.get(pair, (0, 0))
        found = cell["group"]
        assert (found["count"], found["bads"]) == (count, bads)
        if count:
            ends = independent.wilson(bads, count)
            rate = found["bad_rate"]
            assert (rate["low"], rate["high"]) == pytest.approx(ends)


def test_gini_ks_and_auc_with_the_paired_interval(course: Course) -> None:
    ranking = course.report["ranking"]

    for side, score in (("champion", course.before), ("challenger", course.after)):
        area = independent.auc(score, course.is_bad)
        assert ranking["auc"][side]["value"] == pytest.approx(area)
        assert ranking["gini"][side]["value"] == pytest.approx(2 * area - 1)
        assert ranking["ks"][side]["value"] == pytest.approx(independent.ks(score, course.is_bad))
    gap = independent.delong_gap(course.before, course.after, course.is_bad)
    found = ranking["auc"]["difference"]
    assert (found["value"], found["low"], found["high"]) == pytest.approx(gap)


def test_the_strategy_curves(course: Course) -> None:
    for side, score in (("champion", course.before), ("challenger", course.after)):
        found = course.report[side]["curve"]
        rising = sorted(score)
        for rate, bad_rate in zip(found["approval_rates"], found["bad_rates"], strict=True):
            cut = rising[round(rate * len(rising)) - 1]
            expected = independent.curve(score, course.is_bad, cut)
            # Two margins may have one probability: then a few more have it.
            assert expected == pytest.approx((rate, bad_rate), abs=0.003)


def test_the_trade_at_the_same_approval_rate(course: Course) -> None:
    limit = max(one for one in course.before if band(one) == 0)
    expected = independent.same_approval_rate(course.before, course.after, course.is_bad, limit)

    trade = next(one for one in course.report["trades"] if one["same"] == "approval rate")
    assert (
        trade["swapped_in"]["count"],
        trade["swapped_out"]["count"],
        trade["challenger_group"]["bads"],
    ) == expected


def test_the_stability_index_and_its_critical_value(course: Course) -> None:
    index, critical = independent.psi_of_tenths(course.before, course.after)

    found = course.report["psi"]
    assert (found["psi"], found["critical"]) == pytest.approx((index, critical), rel=1e-6)
