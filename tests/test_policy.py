"""A policy is bands in falling order, each with an answer of its own, or it is refused."""

from __future__ import annotations

import pytest

from bentoml_ext.errors import BundleError, ConfigError
from bentoml_ext.policy import Band, Policy


def test_the_default_policy_is_the_courses() -> None:
    policy = Policy()

    assert policy.key == "Status"
    assert policy.bands == (Band(0.5, "DECLINED"), Band(0.3, "MAYBE"))
    assert policy.answers == ("DECLINED", "MAYBE", "APPROVED")


@pytest.mark.parametrize(
    "above",
    [(0.3, 0.5), (0.5, 0.5), (0.0,), (1.0,), (-0.1,), (1.5, 0.5), (float("nan"),), (float("inf"),)],
    ids=str,
)
def test_bands_out_of_order_or_range_are_refused(above: tuple[float, ...]) -> None:
    bands = tuple(Band(bound, f"ANSWER {bound} {i}") for i, bound in enumerate(above))

    with pytest.raises(ConfigError, match="in falling order between 0 and 1 in float32"):
        Policy(bands=bands)


@pytest.mark.parametrize("bound", [1e-50, 1 - 1e-12], ids=str)
def test_a_band_that_float32_rounds_to_nothing_is_refused(bound: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Policy(bands=(Band(bound, "NO"),))


def test_two_bands_that_float32_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(ConfigError, match="falling order"):
        Policy(bands=(Band(0.5 + 1e-12, "NO"), Band(0.5, "MAYBE")))


@pytest.mark.parametrize("answers", [("A", "A", "B"), ("A", "B", "A"), ("A", "B", "B")])
def test_one_answer_for_two_bands_is_refused(answers: tuple[str, str, str]) -> None:
    high, low, otherwise = answers

    with pytest.raises(ConfigError, match="Expected every answer once"):
        Policy(bands=(Band(0.5, high), Band(0.3, low)), otherwise=otherwise)


def test_a_policy_survives_its_file() -> None:
    policy = Policy("Ergebnis", (Band(0.9, "nein"), Band(0.1, 'a "quoted" one, €')), "ja")

    assert Policy.from_json(policy.to_json()) == policy


def test_a_policy_without_bands_gives_one_answer() -> None:
    assert Policy(bands=(), otherwise="SEEN").answers == ("SEEN",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"key": 3}',
        b'{"key": "\xff"}',
        b'{"bands": [{"above": "0.5", "answer": "NO"}]}',
        b'{"bands": [{"above": 0.3, "answer": "NO"}, {"above": 0.5, "answer": "MAYBE"}]}',
        b'{"bands": [{"above": 1e999, "answer": "NO"}]}',
    ],
    ids=repr,
)
def test_a_file_that_is_no_policy_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"at policy\.json"):
        Policy.from_json(data)
