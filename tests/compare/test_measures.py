"""Measures: each against an example worked by hand, and intervals against an independent script."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy.stats.contingency import relative_risk  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score

from bentoml_ext.arrays import Bools, Floats
from bentoml_ext.compare.beside import Beside, Named, Reading
from bentoml_ext.compare.calibration import calibration
from bentoml_ext.compare.impact import impact, ratio
from bentoml_ext.compare.interval import wilson
from bentoml_ext.compare.movers import Movers
from bentoml_ext.compare.outcomes import outcomes
from bentoml_ext.compare.ranking import ranking
from bentoml_ext.compare.sample import Sample
from bentoml_ext.compare.scored import Scored
from bentoml_ext.compare.side import amounts_said
from bentoml_ext.compare.stability import field_shifts, of_counts, of_values
from bentoml_ext.compare.strategy import curve
from bentoml_ext.compare.swap_set import same_approval_rate, same_bad_rate, swap_set
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.errors import ConfigError
from tests.support import small

BOOTSTRAPS = 2_000
NEAR = 0.006
"""Between the ends of two intervals of 0.1 width: a bootstrap of 2 000 draws varies as much."""


def scored(margins: list[float], known: str) -> Scored:
    """Applications with these margins, and outcomes as b(ad), g(ood) and ?."""
    codes = {"b": 1, "g": 0, "?": -1}
    return Scored(
        np.array(margins, np.float32),
        Beside(np.array([codes[one] for one in known], np.int8)),
        BandDecider(small.policy()),
    )


def test_auc_gini_and_ks_of_four_applications() -> None:
    # Of the four pairs of a bad and a good one, three are in order: 0.35 is below 0.4.
    score = np.array([0.1, 0.4, 0.35, 0.8], np.float32)
    is_bad = np.array([False, False, True, True])

    found = ranking(score, -score, is_bad)

    assert found is not None
    assert (found.auc.champion.value, found.auc.challenger.value) == (0.75, 0.25)
    assert (found.gini.champion.value, found.gini.difference.value) == (0.5, -1.0)
    # From 0.8 on: half of the bads and no good.
    assert found.ks.champion.value == 0.5


def test_the_variance_of_delong_by_hand() -> None:
    # Each bad is above 1/2 and 2/2 of the goods, each good below 2/2 and 1/2 of the bads. Both
    # variances are 1/8, so that of the AUC is 1/8/2 + 1/8/2 = 1/8.
    score = np.array([0.1, 0.4, 0.35, 0.8], np.float32)

    found = ranking(score, score, np.array([False, False, True, True]))

    assert found is not None
    assert found.auc.champion.low == pytest.approx(0.75 - 1.959964 * math.sqrt(1 / 8))
    assert found.auc.difference.low == found.auc.difference.high == 0


def ks(score: Floats, is_bad: Bools) -> float:
    """By counting at every score."""
    return max(
        float((score[is_bad] >= cut).mean() - (score[~is_bad] >= cut).mean()) for cut in score
    )


@pytest.mark.slow
def test_the_intervals_agree_with_a_stratified_bootstrap() -> None:
    random = np.random.default_rng(0)
    is_bad = random.random(600) < 0.3
    one = (random.normal(size=600) + is_bad).astype(np.float32)
    other = (one + random.normal(size=600) * 0.7).astype(np.float32)
    found = ranking(one, other, is_bad)
    bads, goods = np.flatnonzero(is_bad), np.flatnonzero(~is_bad)

    gaps = []
    for _ in range(BOOTSTRAPS):
        rows = np.concatenate([random.choice(bads, len(bads)), random.choice(goods, len(goods))])
        drawn = is_bad[rows]
        gaps.append(roc_auc_score(drawn, other[rows]) - roc_auc_score(drawn, one[rows]))

    assert found is not None
    low, high = np.quantile(gaps, [0.025, 0.975])
    assert found.auc.difference.low == pytest.approx(low, abs=NEAR)
    assert found.auc.difference.high == pytest.approx(high, abs=NEAR)
    assert found.ks.champion.value == pytest.approx(ks(one, is_bad))


@pytest.mark.parametrize("is_bad", [[True] * 4, [False] * 4, [True, False, False, False]])
def test_nothing_is_ranked_without_two_of_each(is_bad: list[bool]) -> None:
    score = np.arange(4, dtype=np.float32)

    assert ranking(score, score, np.array(is_bad)) is None


def test_wilsons_interval_of_one_in_ten() -> None:
    # Centre (0.1 + 3.8415/20) / (1 + 3.8415/10), half-width by Wilson's formula.
    found = wilson(1, 10)

    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.01788, 0.40415), abs=1e-5)
    assert wilson(0, 0) is None


def test_the_stability_index_of_two_bins() -> None:
    found = of_counts(np.array([50, 50]), np.array([60, 40]))

    assert found is not None
    # 0.1 ln 1.2 - 0.1 ln 0.8; the 95th percentile of chi-squared with 1 degree is 3.8415.
    assert found.psi == pytest.approx(0.1 * math.log(1.2) - 0.1 * math.log(0.8))
    assert found.critical == pytest.approx(3.841459 * (1 / 100 + 1 / 100))
    assert (found.n, found.m, found.bins, found.is_clear) == (100, 100, 2, False)


def test_an_empty_bin_counts_as_half_an_application() -> None:
    found = of_counts(np.array([10, 0, 0]), np.array([5, 5, 0]))

    assert found is not None
    assert found.bins == 2
    assert found.psi == pytest.approx(-0.5 * math.log(0.5) + 0.45 * math.log(0.5 / 0.05))


def test_the_critical_value_is_exceeded_by_a_twentieth_of_equal_samples() -> None:
    random = np.random.default_rng(1)
    clear = 0
    for _ in range(1_000):
        found = of_values(random.normal(size=2_000), random.normal(size=500))
        assert found is not None
        clear += found.is_clear

    assert 25 <= clear <= 80


def test_a_missing_number_has_a_bin_of_its_own() -> None:
    found = of_values(np.array([1.0, 2.0, np.nan]), np.array([1.0, 2.0, 2.0]))

    assert found is not None
    assert found.first == [1, 1, 1]
    assert found.second == [1, 2, 0]
    assert of_values(np.array([1.0]), np.zeros(0)) is None


def test_the_field_that_shifts_stands_first() -> None:
    first, second = small.rows(500), small.rows(500, seed=1)
    second[:, 3] += 3

    found = field_shifts(small.encoder(), first, second)

    assert found[0].field == "income"
    assert found[0].csi.is_clear
    assert {one.field for one in found} == {"age", "home", "income"}


def test_the_swap_set_counts_every_application_once() -> None:
    before = scored([-2, -0.5, 1, 1, -2], "ggbb?")
    after = scored([-2, 1, 1, -2, -2], "ggbb?")

    cells = {(one.champion, one.challenger): one.group for one in swap_set(before, after)}

    assert len(cells) == 9
    assert sum(group.count for group in cells.values()) == 5
    approved = cells["APPROVED", "APPROVED"]
    assert (approved.count, approved.known, approved.bads) == (2, 1, 0)
    assert cells["MAYBE", "DECLINED"].count == 1
    moved = cells["DECLINED", "APPROVED"].bad_rate
    assert moved is not None
    assert moved.value == 1.0
    assert cells["MAYBE", "MAYBE"].bad_rate is None


def test_amounts_are_added_up_and_those_that_are_not_given_are_nothing() -> None:
    amounts = np.array([10, 20, np.nan, 40])
    beside = Beside(np.array([1, 0, 0, -1], np.int8), amounts)
    some = Scored(np.full(4, -2, np.float32), beside, BandDecider(small.policy()))

    (cell,) = [one.group for one in swap_set(some, some) if one.group.count]

    assert (cell.count, cell.amount, cell.bad_amount) == (4, 70, 10)
    assert "1 are not given" in amounts_said(Named(amount="sum"), some)[0]


def test_an_impact_ratio_by_hand_and_by_scipy() -> None:
    # 20 of 50 against 60 of 100: the ratio of 0.4 and 0.6, its logarithm with a variance of
    # 1/20 - 1/50 + 1/60 - 1/100.
    found = ratio(20, 50, 60, 100)

    assert found is not None
    half = 1.959964 * math.sqrt(1 / 20 - 1 / 50 + 1 / 60 - 1 / 100)
    assert found.value == pytest.approx(2 / 3)
    assert (found.low, found.high) == pytest.approx(
        (2 / 3 * math.exp(-half), 2 / 3 * math.exp(half))
    )
    theirs = relative_risk(20, 50, 60, 100).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert ratio(1, 2, 0, 5) is None
    nobody = ratio(0, 50, 60, 100)
    assert nobody is not None
    assert nobody.low == nobody.value == 0 < nobody.high


def test_the_largest_group_is_the_reference_unless_one_is_named() -> None:
    reading = Reading(Named(impact="sex"))
    reading.read({"sex": pa.array(["f", "m", None, "m"])}, 4)
    reading.read({"sex": pa.array(["f", "m"])}, 2)
    beside = reading.whole()
    approved = np.array([True, True, False, True, False, True])

    found = impact("sex", "", (beside, approved), (beside, ~approved))
    named = impact("sex", "f", (beside, approved), (beside, approved))

    assert found is not None
    assert named is not None
    assert (found.reference, named.reference) == ("m", "f")
    assert [one.group for one in found.groups] == ["m", "f", "(not given)"]
    assert [one.first.approved for one in found.groups] == [3, 1, 0]
    assert [one.second.approved for one in found.groups] == [0, 1, 1]
    assert found.groups[0].first.ratio is None
    with pytest.raises(
        ConfigError, match=r"Expected a group of m, f, .* got 'x' - at --impact sex"
    ):
        impact("sex", "x", (beside, approved), (beside, approved))


def test_a_number_is_no_column_of_groups() -> None:
    with pytest.raises(ConfigError, match=r"at most 20 groups, got '0', '1', '2' and more"):
        Reading(Named(impact="age")).read({"age": pa.array([float(n) for n in range(30)])}, 30)


def test_the_same_approval_rate_moves_the_challengers_cutoff() -> None:
    # The champion approves the first two; the challenger's two lowest are the second and third.
    before, after = scored([-3, -2, 0, 1], "gbgb"), scored([0.5, -1, -0.9, 2], "gbgb")

    found = same_approval_rate(before, after)

    assert found is not None
    assert (found.champion_rate, found.challenger_rate) == (0.5, 0.5)
    assert found.cutoff == pytest.approx(1 / (1 + math.exp(0.9)), abs=1e-6)
    assert (found.swapped_in.count, found.swapped_in.bads) == (1, 0)
    assert (found.swapped_out.count, found.both.count, found.neither.count) == (1, 1, 1)


def test_equal_scores_are_approved_together() -> None:
    before, after = scored([-3, -2, 0, 1], "gggg"), scored([-1, -1, -1, 2], "gggg")

    found = same_approval_rate(before, after)

    assert found is not None
    assert found.challenger_rate == 0.75


def test_the_same_bad_rate_approves_as_many_as_it_allows() -> None:
    # The champion's best band has 1 bad of 4. The challenger's first four have none, the first
    # eight have two: the longest start with at most a quarter.
    before = scored([-3, -3, -3, -3, 1, 1, 1, 1, 1, 1], "gggbgggbbb")
    after = scored([1, 2, 3, 9, 4, 5, 6, 7, 8, 10], "gggbgggbbb")

    found = same_bad_rate(before, after)

    assert found is not None
    assert found.challenger_group.count == 8
    rate = found.challenger_group.bad_rate
    assert rate is not None
    assert rate.value == 0.25
    assert same_bad_rate(scored([-3], "?"), scored([-3], "?")) is None


def test_the_strategy_curve_of_four_applications() -> None:
    found = curve(scored([1, 2, 3, 3, -9], "gbgb?"))

    assert found is not None
    assert found.approval_rates == [0.25, 0.5, 1.0]
    assert found.bad_rates == [0, 0.5, 0.5]
    assert curve(scored([1], "?")) is None


def test_calibration_compares_the_mean_probability_with_the_bad_rate() -> None:
    approved, maybe, declined = calibration(scored([-30.0] * 40 + [0.5], "b" * 20 + "g" * 20 + "?"))

    assert approved.answer == "APPROVED"
    assert (approved.known, approved.holds) == (40, False)
    assert approved.observed is not None
    assert approved.observed.value == 0.5
    assert (declined.known, declined.observed, declined.holds) == (0, None, True)
    assert maybe.expected is None


def test_outcomes_are_read_in_every_spelling_and_never_guessed() -> None:
    assert outcomes(pa.array([1, 0, None]), "bad").tolist() == [1, 0, -1]
    assert outcomes(pa.array([1.0, 0.0]), "bad").tolist() == [1, 0]
    assert outcomes(pa.array([True, False]), "bad").tolist() == [1, 0]
    assert outcomes(pa.array(["1", "0", ""]), "bad").tolist() == [1, 0, -1]
    with pytest.raises(ConfigError, match=r"got '2' - at the outcome 'status'"):
        outcomes(pa.array([1, 2]), "status")


def test_the_movers_are_the_largest_of_all_blocks() -> None:
    movers, decider = Movers(), BandDecider(small.policy())
    unknown = np.full(60, -1, np.int8)
    for start in (0, 30):
        before = np.zeros(30, np.float32)
        after = (np.arange(start, start + 30) / 100).astype(np.float32)
        after[3] = np.nan
        texts = lambda places, start=start: [f'{{"at": {start + one}}}' for one in places]  # noqa: E731
        movers.see(before, after, texts)

    found = movers.found(decider, decider, unknown)

    assert [one.row for one in found] == list(range(59, 49, -1))
    assert [one.fields["at"] for one in found] == [one.row for one in found]
    assert (found[0].champion_answer, found[0].outcome) == ("MAYBE", None)


def test_a_sample_keeps_all_of_few_rows_and_some_of_all_parts_of_many() -> None:
    few, many = Sample(4), Sample(2**18)
    few.add(np.ones((5, 4), np.float32), np.arange(5))
    places: npt.NDArray[np.int64]
    for places in np.split(np.arange(80), 8):
        many.add(np.zeros((10, 2**18), np.float32), places)

    assert few.places.tolist() == [0, 1, 2, 3, 4]
    assert len(many.rows) == many.most == 16
    assert many.places.min() < 40 <= many.places.max()
