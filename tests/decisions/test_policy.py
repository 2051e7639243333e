"""A policy is bands in falling order, each with an answer of its own, or it is refused."""

from __future__ import annotations

import enum
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.policy import Band, Bands, Classes, ValueBands, policy_from_json
from bentoml_ext.decisions.policy_file import read_policy
from bentoml_ext.decisions.presets import of_threshold
from bentoml_ext.errors import BundleError, ConfigError
from bentoml_ext.formats.answers import Answers
from tests.support import small

WORDS = st.text(min_size=1, max_size=8)
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.binary(max_size=3)
)


def test_the_default_policy_is_the_courses() -> None:
    policy = small.policy()

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
        small.policy(bands=bands)


@pytest.mark.parametrize("bound", [1e-50, 1 - 1e-12], ids=str)
def test_a_band_that_float32_rounds_to_nothing_is_refused(bound: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        small.policy(bands=(Band(bound, "NO"),))


def test_a_band_that_nothing_is_below_is_refused() -> None:
    # No float32 margin has a probability below 2.9e-39.
    with pytest.raises(ConfigError, match="'APPROVED' is never answered"):
        small.policy(bands=(Band(0.5, "NO"), Band(2e-39, "MAYBE")))


def test_two_bands_that_float32_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(ConfigError, match="falling order"):
        small.policy(bands=(Band(0.5 + 1e-12, "NO"), Band(0.5, "MAYBE")))


@pytest.mark.parametrize("answers", [("A", "A", "B"), ("A", "B", "A"), ("A", "B", "B")])
def test_one_answer_for_two_bands_is_refused(answers: tuple[str, str, str]) -> None:
    high, low, otherwise = answers

    with pytest.raises(ConfigError, match="Expected every answer once"):
        small.policy(bands=(Band(0.5, high), Band(0.3, low)), otherwise=otherwise)


def test_a_policy_survives_its_file() -> None:
    policy = small.policy("Ergebnis", (Band(0.9, "nein"), Band(0.1, 'a "quoted" one, €')), "ja")

    assert policy_from_json(policy.to_json()) == policy


def test_a_policy_without_bands_gives_one_answer() -> None:
    assert small.policy(bands=(), otherwise="SEEN").answers == ("SEEN",)


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
        policy_from_json(data)


@pytest.mark.parametrize(
    "above", ["0.5", True, None, b"0.5", Decimal("0.5"), 1j, [0.5], 10**400], ids=str
)
def test_a_bound_that_is_no_number_is_refused_where_it_is_made(above: Any) -> None:
    with pytest.raises(ConfigError, match=r"Expected a number.* - at a band's bound"):
        Band(above, "NO")


@pytest.mark.parametrize(
    "text", [1.5, True, 2**60, None, b"NO", "", "  ", "a\0b", "\ud800", ["NO"]], ids=repr
)
def test_what_is_no_text_is_refused_where_it_is_made(text: Any) -> None:
    with pytest.raises(ConfigError, match="at a band's answer"):
        Band(0.5, text)
    with pytest.raises(ConfigError, match="at the policy's 'otherwise'"):
        small.policy(otherwise=text)
    with pytest.raises(ConfigError, match="at the policy's 'key'"):
        small.policy(key=text)


@pytest.mark.parametrize(
    "key", ["probability", "Probability", "margin", "MARGIN", "model", "error", " probability "]
)
def test_a_key_that_an_answer_has_already_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=r"Expected a key other than error, margin, model"):
        small.policy(key=key)


@pytest.mark.parametrize(
    "bands", [None, "DECLINED", [(0.5, "NO")], ({"above": 0.5, "answer": "NO"},), {}, 0.5], ids=repr
)
def test_bands_that_are_none_are_refused(bands: Any) -> None:
    with pytest.raises(ConfigError, match="at the policy's 'bands'"):
        small.policy(bands=bands)


def test_more_answers_than_arrows_codes_can_tell_are_refused() -> None:
    bands = [Band(above, str(above)) for above in np.linspace(0.9, 0.1, 128)]

    most = small.policy(bands=tuple(bands[1:]))

    batch = Answers(BandDecider(most)).batch(small.column(*np.linspace(-3, 3, 2000)))
    assert set(batch.column(0).to_pylist()) == set(most.answers)
    with pytest.raises(ConfigError, match="Expected at most 128 answers, got 129"):
        small.policy(bands=tuple(bands))


class Word(enum.StrEnum):
    """A text of a class of its own."""

    NO = "refused"


def test_numbers_of_numpy_and_subclasses_of_text_are_kept_as_what_they_are() -> None:
    quarter: Any = np.float32(0.25)
    bands: Any = [Band(np.float64(0.5), Word.NO), Band(quarter, "MAYBE")]

    policy = small.policy(bands=bands)

    assert policy == small.policy(bands=(Band(0.5, "refused"), Band(0.25, "MAYBE")))
    assert policy_from_json(policy.to_json()) == policy
    assert b'"refused"' in BandDecider(policy).body(small.column(9.0))


@given(
    key=WORDS | ANYTHING,
    bands=st.lists(st.tuples(st.floats(0, 1) | ANYTHING, WORDS | ANYTHING), max_size=3),
    otherwise=WORDS | ANYTHING,
)
def test_whatever_can_be_made_survives_its_file_and_answers(
    key: Any, bands: list[tuple[Any, Any]], otherwise: Any
) -> None:
    try:
        policy = small.policy(key, tuple(Band(*band) for band in bands), otherwise)
    except ConfigError:
        return

    assert policy_from_json(policy.to_json()) == policy
    assert list(json.loads(BandDecider(policy).body(small.column(0.25)))) == [
        policy.key,
        "probability",
    ]
    names = Answers(BandDecider(policy), "model:1").schema.names
    assert len({name.casefold() for name in names}) == 4


@pytest.mark.parametrize("name", ["band", "Key", "version"])
def test_a_file_with_a_word_of_no_meaning_is_refused(name: str) -> None:
    with pytest.raises(BundleError, match=name):
        policy_from_json(msgspec.json.encode({name: "x"}))


def test_one_threshold_declines_above_it() -> None:
    policy = of_threshold(0.25, key="churn")

    assert policy == small.policy("churn", (Band(0.25, "DECLINED"),), "APPROVED")
    with pytest.raises(ConfigError, match="between 0 and 1"):
        of_threshold(25)


SHORT = '{"MAYBE": 0.3, "DECLINED": 0.5, "otherwise": "APPROVED"}'
CHURN = small.policy("churn", (Band(0.25, "yes"),), "no")


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        (SHORT, small.policy()),
        ("\ufeff" + SHORT, small.policy()),
        ('{"key": "churn", "yes": 0.25, "otherwise": "no"}', CHURN),
        ('{"otherwise": "SEEN"}', small.policy(bands=(), otherwise="SEEN")),
        (CHURN.to_json().decode(), CHURN),
        ('{"bands": 0.5, "otherwise": "y"}', small.policy("Status", (Band(0.5, "bands"),), "y")),
    ],
)  # fmt: skip
def test_a_policys_file_is_read_in_both_forms(text: str, policy: Bands, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(text, encoding="utf-8")

    assert read_policy(tmp_path / "policy.json") == policy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ("[]", "got list"),
        ("{}", "no 'otherwise'"),
        ('{"DECLINED": 0.5}', "no 'otherwise'"),
        ('{"bands": []}', "no 'otherwise'"),
        ('{"DECLINED": 0.5, "DECLINED": 0.4, "otherwise": "x"}', "'DECLINED' twice"),
        ('{"DECLINED": "0.5", "otherwise": "x"}', "Expected a number"),
        ('{"DECLINED": true, "otherwise": "x"}', "Expected a number"),
        ('{"DECLINED": 50, "otherwise": "x"}', "between 0 and 1"),
        ('{"DECLINED": NaN, "otherwise": "x"}', "between 0 and 1"),
        ('{"a": 0.5, "b": 0.5, "otherwise": "x"}', "falling order"),
        ('{"key": "probability", "a": 0.5, "otherwise": "x"}', "Expected a key"),
        ('{"key": 3, "a": 0.5, "otherwise": "x"}', r"at .\$\.key"),
        ('{"bands": [], "otherwise": "x", "spare": 1}', "unknown field `spare`"),
        ('{"bands": [{"above": 0.5}], "otherwise": "x"}', "missing required field `answer`"),
        ('{"bands": [[0.5, "NO"]], "otherwise": "x"}', "got `array`"),
    ],
)  # fmt: skip
def test_a_file_that_somebody_wrote_wrongly_is_refused_by_its_name(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.json").write_text(text)

    with pytest.raises(ConfigError, match=rf"(?s){message}.*mine\.json"):
        read_policy(tmp_path / "mine.json")


@pytest.mark.parametrize("name", ["none.json", "."])
def test_a_policys_file_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Expected a policy's file, got"):
        read_policy(tmp_path / name)


def test_texts_and_whole_numbers_are_not_mixed() -> None:
    with pytest.raises(ConfigError, match="Expected texts or whole numbers, got both"):
        Classes(("no", 1))
    with pytest.raises(ConfigError, match="Expected texts or whole numbers, got both"):
        Bands("Status", (Band(0.5, "NO"),), 0)


def test_labels_that_were_stored_as_texts_stay_texts() -> None:
    stored = b'{"kind": "classes", "labels": ["0", "1"], "key": "prediction"}'

    assert policy_from_json(stored) == Classes(("0", "1"))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"bands": (Band(1, "low"), Band(2, "high"))}, "Expected bands in falling order"),
        ({"bands": (Band(1e39, "high"),)}, "Expected bands in falling order, finite"),
        ({"bands": (Band(2, "other"),)}, "Expected every answer once"),
        ({"value": "Class"}, "Expected two names, got 'class' twice"),
        ({"value": "margin"}, "Expected a key other than"),
    ],
)
def test_bands_over_a_value_that_mean_nothing_are_refused(
    how: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"key": "class", "bands": (Band(2, "high"),), "otherwise": "other"}

    with pytest.raises(ConfigError, match=message):
        ValueBands(**given | how)
