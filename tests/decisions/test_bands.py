"""A margin's answer is what comparing the float32 probability would give, in exact bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from bentoml_ext.arrays import Floats, Margins
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.base import Decider, array_of
from bentoml_ext.decisions.policy import Band, Bands
from bentoml_ext.objectives.logistic import first_margin_above, probabilities
from tests.support import small

BOUNDS = st.floats(1e-30, 1 - 1e-6)
MARGINS = st.floats(width=32, allow_nan=False)
POLICIES = (
    small.policy(),
    small.policy("x", (), "the only answer"),
    small.policy("clé", (Band(0.9, "🙅 " * 20), Band(0.1, 'n"\n\\0'), Band(1e-9, "\1")), "-"),
)
KINDS: dict[str, Callable[[np.random.Generator], Floats]] = {
    "usual": lambda random: random.normal(-1.5, 2, 50_000).astype(np.float32),
    "wide": lambda random: random.uniform(-110, 30, 50_000).astype(np.float32),
    "any bits": lambda random: np.nan_to_num(
        random.integers(-(2**31), 2**31, 50_000).astype(np.int32).view(np.float32), nan=0.25
    ),
    "odd": lambda random: random.choice(
        np.array([0, -0.0, 1e-45, 17, -9.21034, -88.7, -104, np.inf, -np.inf, np.nan], np.float32),
        1000,
    ),
}


def directly(policy: Bands, margins: Margins) -> list[str | int]:
    """The status by its definition: the first band that the float32 probability is above."""
    return [
        next(
            (band.answer for band in policy.bands if probability > np.float32(band.above)),
            policy.otherwise,
        )
        for probability in probabilities(margins[:, 0])
    ]


def around(bound: float, steps: int = 40) -> Margins:
    """The float32 margins on both sides of the crossing of `bound`, in rising order."""
    crossing = np.float32(first_margin_above(bound))
    below, above = [crossing], [crossing]
    for _ in range(steps):
        below.append(np.nextafter(below[-1], np.float32(-np.inf)))
        above.append(np.nextafter(above[-1], np.float32(np.inf)))
    return small.column(*below[:0:-1], *above)


@pytest.mark.parametrize("band", [0, 1])
def test_statuses_change_exactly_where_the_float32_probability_does(band: int) -> None:
    policy = small.policy()
    margins = around(policy.bands[band].above)

    statuses = [answer.status for answer in BandDecider(policy).answers(margins)]

    assert statuses == directly(policy, margins)
    assert set(statuses) == set(policy.answers[band : band + 2])


@given(st.lists(BOUNDS, max_size=4, unique_by=np.float32), st.lists(MARGINS, max_size=20))
def test_any_policy_answers_as_the_probability_says(
    bounds: list[float], given_margins: list[float]
) -> None:
    falling = sorted(bounds, reverse=True)
    policy = small.policy(bands=tuple(Band(bound, f"above {bound}") for bound in falling))
    parts = [small.column(*given_margins), *(around(bound, 3) for bound in falling)]
    margins = np.concatenate(parts)

    statuses = [answer.status for answer in BandDecider(policy).answers(margins)]

    assert statuses == directly(policy, margins)


def test_the_two_crossings_of_the_courses_policy_are_those_that_were_measured() -> None:
    # 0.3 is compared as float32(0.3), and a margin above zero is not yet a probability above 1/2.
    assert first_margin_above(0.3) == float.fromhex("-0x1.b1d102p-1")
    assert first_margin_above(0.5) == float.fromhex("0x1.800002p-24")


def test_what_is_no_number_is_above_no_bound() -> None:
    decider = BandDecider(small.policy())

    assert decider.bands(small.column(np.nan)).tolist() == [0]
    assert decider.answer(small.column(math.nan)).status == "APPROVED"


def test_answers_carry_the_boosters_own_probability_and_margin() -> None:
    booster, rows = small.booster(), small.rows(500, seed=3)
    margins = booster.inplace_predict(rows, predict_type="margin")

    answers = BandDecider(small.policy()).answers(margins[:, None])

    small.assert_same_bits(
        expected=booster.predict(xgboost.DMatrix(rows)),
        got=np.array([answer.probability for answer in answers], np.float32),
    )
    assert [answer.margin for answer in answers] == margins.tolist()


@given(st.lists(MARGINS, max_size=20))
def test_one_margin_and_many_get_the_same_answers(margins: list[float]) -> None:
    decider = BandDecider(small.policy())

    assert decider.answers(small.column(*margins)) == [
        decider.answer(small.column(margin)) for margin in margins
    ]


@given(MARGINS)
def test_the_body_has_the_fewest_digits_that_tell_the_probability(margin: float) -> None:
    (number,) = probabilities(np.array([margin], np.float32))

    text = (
        BandDecider(small.policy())
        .body(small.column(margin))
        .partition(b'"probability": ')[2]
        .removesuffix(b"}")
    )

    assert text == str(number).encode()
    assert np.float32(float(text)) == number
    digits = len(text.split(b"e")[0].replace(b".", b"").strip(b"0"))
    assert digits <= 1 or np.float32(f"{number:.{digits - 2}e}") != number


@given(MARGINS)
def test_every_body_is_json_with_status_and_probability(margin: float) -> None:
    decider = BandDecider(small.policy())
    answer = decider.answer(small.column(margin))

    body = json.loads(decider.body(small.column(margin)))

    assert list(body) == ["Status", "probability"]
    assert body["Status"] == answer.status
    assert np.float32(body["probability"]) == np.float32(answer.probability)
    assert answer.shortest == str(np.float32(body["probability"]))


def test_a_body_is_these_bytes() -> None:
    decider = BandDecider(small.policy())

    assert decider.body(small.column(0.0)) == b'{"Status": "MAYBE", "probability": 0.5}'
    assert (
        decider.body(small.column(-20.0)) == b'{"Status": "APPROVED", "probability": 2.0611537e-09}'
    )
    assert decider.body(small.column(99.0)) == b'{"Status": "DECLINED", "probability": 1.0}'


@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_answers_of_one_iteration_are_the_bodies(count: int) -> None:
    decider = BandDecider(small.policy())
    margins = np.linspace(-9, 9, count, dtype=np.float32)[:, None]

    assert decider.each(margins) == [decider.body(one) for one in margins[:, None]]
    assert Decider.each(decider, margins) == decider.each(margins)


def test_key_and_answers_are_escaped_as_json() -> None:
    policy = small.policy('the "key"\n', (Band(0.5, 'no "€"\\'),), "ja\t%b")
    decider = BandDecider(policy)

    bodies = [json.loads(decider.body(small.column(margin))) for margin in (-5.0, 5.0)]

    assert [body[policy.key] for body in bodies] == ["ja\t%b", 'no "€"\\']


@given(st.lists(MARGINS | st.just(math.nan), max_size=60))
def test_a_batch_is_the_array_of_its_bodies(margins: list[float]) -> None:
    decider = BandDecider(small.policy())

    body = array_of(decider, small.column(*margins))

    assert (
        body == b"[" + b", ".join(decider.body(small.column(margin)) for margin in margins) + b"]"
    )


@pytest.mark.parametrize("size", [0, 1, 2, 20, 30, 10_000])
def test_a_batch_of_any_size_is_json(size: int) -> None:
    margins = small.column(*np.linspace(-120, 120, size))

    body = array_of(BandDecider(small.policy()), margins)

    assert len(msgspec.json.decode(body)) == size


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_lines_of_many_are_the_bodies_of_each(policy: Bands, kind: str) -> None:
    decider = BandDecider(policy)
    margins = KINDS[kind](np.random.default_rng(0))[:, None]

    lines = decider.bodies(margins, b"\n").splitlines(keepends=True)

    assert lines == [decider.body(margin) + b"\n" for margin in margins]
