"""Accepting: every row agrees, bit for bit where it can, and what is open is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import xgboost

from bentoml_ext.acceptance import Accepted, Check, accept, blocks, search
from bentoml_ext.decisions.policy import Bands
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import ImportRefused, NotAccepted, UnreadableInput
from tests.acceptance.sources import CHOICES, Trained, filled, trained
from tests.support import small

KNOWN = Reading(absent="zero", null="zero")
ROUNDS = CHOICES | {"rounds": ("best", "all")}


def accepted(
    model: Trained,
    predictions: npt.ArrayLike | None = None,
    reading: Reading = KNOWN,
    choices: dict[str, Any] | None = None,
    policy: Bands | None = None,
) -> Accepted:
    said = model.predictions if predictions is None else predictions
    check = Check.of(model.asked, said)
    return accept(check, model.read, reading, choices or CHOICES, policy or small.policy())


def with_prediction(model: Trained, **changes: Any) -> pd.DataFrame:
    """What a trainer writes: the applications and what the model said."""
    return pd.DataFrame(model.asked).assign(prediction=model.predictions, **changes)


def statuses(probabilities: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.where(
        probabilities > 0.5, "DECLINED", np.where(probabilities > 0.3, "MAYBE", "APPROVED")
    )


@pytest.mark.parametrize(
    ("say", "kind", "agreement", "tolerance"),
    [
        (lambda p, m: p, "probability", "every bit equal", 0),
        (lambda p, m: p.astype(np.float64), "probability", "every bit equal", 0),
        (lambda p, m: [str(one) for one in p], "probability", "every bit equal", 0),
        (lambda p, m: [f"{one:.9g}" for one in p], "probability", "every bit equal", 0),
        (lambda p, m: [f"{one:.17g}" for one in p], "probability", "every bit equal", 0),
        (lambda p, m: np.stack([1 - p, p], 1), "probability", "every bit equal", 0),
        (
            lambda p, m: [str(np.array([1 - one, one])) for one in p],
            "probability",
            "within 1e-06",
            1e-6,
        ),
        (lambda p, m: 1 / (1 + np.exp(-m.astype(float))), "probability", "within 1e-06", 1e-6),
        (lambda p, m: p.round(4), "probability", "rounded to 4 decimals", 5e-5),
        (lambda p, m: p.astype(float).round(10), "probability", "every bit equal", 0),
        (lambda p, m: [f"{one:.3f}" for one in p], "probability", "rounded to 3 decimals", 5e-4),
        (lambda p, m: [f"{one:.4e}" for one in p], "probability", "rounded to 5 digits", 5e-6),
        (lambda p, m: p.astype(np.float16), "probability", "as float16", 2.0**-12),
        (lambda p, m: m, "margin", "every bit equal of log-odds", 0),
        (lambda p, m: m.round(2), "margin", "rounded to 2 decimals of log-odds", 5e-3),
        (lambda p, m: statuses(p), "label", "every label equal", 0),
        (lambda p, m: np.char.lower(statuses(p)), "label", "every label equal but for capitals", 0),
        (lambda p, m: p > 0.5, "label", "every label equal, 1 above a probability of 0.5", 0),
        (lambda p, m: (p > 0.5).astype(int), "label", None, 0),
        (lambda p, m: [str(one > 0.5) for one in p], "label", None, 0),
        (lambda p, m: np.where(p > 0.5, "bad", "good"), "label", None, 0),
    ],
    ids=[
        "float32",
        "float64 of float32",
        "shortest text",
        "nine digits",
        "float64 text",
        "two columns",
        "text of pairs",
        "float64",
        "four decimals",
        "ten decimals",
        "three decimals of text",
        "exponents",
        "float16",
        "log-odds",
        "log-odds of two decimals",
        "statuses",
        "small letters",
        "booleans",
        "integers",
        "text of booleans",
        "two words",
    ],
)
def test_predictions_of_every_kind_are_recognised(
    say: Callable[..., Any], kind: str, agreement: str | None, tolerance: float
) -> None:
    model = trained()

    found = accepted(model, say(model.predictions, model.margins)).acceptance

    assert (found.kind, found.rows) == (kind, len(model.asked))
    assert agreement is None or found.agreement == agreement
    assert found.tolerance == pytest.approx(tolerance)


@pytest.mark.parametrize(
    "say",
    [
        lambda p: np.nextafter(p, np.float32(1)),
        lambda p: p.astype(float) + 3e-6,
        lambda p: p.round(4) + np.float32(1e-4),
        lambda p: [f"{one + 0.001:.3f}" for one in p],
    ],
    ids=["a bit", "float64", "four decimals", "text"],
)
def test_a_difference_beyond_what_the_digits_say_is_refused(say: Callable[..., Any]) -> None:
    model = trained()

    with pytest.raises(NotAccepted, match="300 of 300 rows differ"):
        accepted(model, say(model.predictions))


def test_one_row_of_another_model_is_refused_and_named() -> None:
    model = trained()
    said = model.predictions.copy()
    said[277] = 0.125

    with pytest.raises(NotAccepted, match=r"0\.125, got .* application 277 of .* 1 of 300 rows"):
        accepted(model, said)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("dense_later", [True, False])
def test_what_absent_means_is_found(sparse: bool, dense_later: bool) -> None:
    model = trained(sparse=sparse, dense_later=sparse and dense_later)

    found = accepted(model, reading=Reading())

    assert found.reading.absent == ("missing" if sparse and not dense_later else "zero")
    assert (found.reading.null, found.reading.missing) == ("zero", None)


def test_what_null_means_is_found() -> None:
    model = trained(prepare=with_nan)

    found = accepted(model, reading=Reading())

    assert found.reading.null == "missing"
    assert found.acceptance.note.startswith("The rows showed --absent zero --null missing.")


def with_nan(some: Any) -> list[dict[str, Any]]:
    return [{k: np.nan if v is None else v for k, v in one.items()} for one in some]


@pytest.mark.parametrize("which", ["best", "all"])
def test_the_rounds_that_count_are_found(which: str) -> None:
    model = trained(stop_early=True, rounds=200)
    end = model.booster.best_iteration + 1 if which == "best" else 0
    said = model.booster.predict(xgboost.DMatrix(model.rows), iteration_range=(0, end))

    found = accepted(model, said, Reading(), ROUNDS)

    assert found.reading.rounds == which


def marked(some: Any) -> list[dict[str, Any]]:
    return [{k: -1 if v is None else v for k, v in one.items()} for one in some]


def test_a_marker_for_missing_is_found() -> None:
    model = trained(prepare=marked, missing=-1)
    model = asking(model, asked=marked(model.asked))

    found = accepted(model, reading=Reading())

    assert found.reading.missing == -1


def asking(model: Trained, asked: Any) -> Trained:
    return Trained(model.booster, model.features, model.rows, asked)


def test_a_separator_is_found() -> None:
    model = trained(separator="_")

    found = accepted(model, reading=Reading())

    assert found.reading.separator == "_"


def test_what_no_row_has_stays_refused_and_needs_no_answer() -> None:
    model = trained()
    asked = filled(model.asked)

    found = accepted(asking(model, asked), reading=Reading())

    assert (found.reading.null, found.reading.unknown) == (None, None)


def test_rows_that_cannot_tell_two_readings_apart_ask_which_it_is() -> None:
    # A tree of one split on a number: no row tells what an absent category becomes.
    model = trained(rounds=1)
    stump = xgboost.train(
        {"max_depth": 1, "objective": "binary:logistic", "base_score": 0.5},
        xgboost.DMatrix(model.rows, model.rows[:, model.features.index("age")] > 40),
        1,
    )
    model = Trained(stump, model.features, model.rows, model.asked)

    with pytest.raises(NotAccepted) as refused:
        accepted(model, reading=Reading(null="zero"))

    assert str(refused.value) == (
        "Expected rows that show how the source is to be read, got 300 that agree with "
        "`--absent zero` and with `--absent missing` - at memory. Say which it is, with --absent, "
        "or add rows."
    )


def test_a_switch_that_matters_for_no_application_is_not_asked_for() -> None:
    numbers = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    booster = xgboost.train(
        {"objective": "binary:logistic"}, xgboost.DMatrix(numbers, numbers[:, 0] > 0), 4
    )
    asked = [dict(zip("ab", row, strict=True)) for row in numbers.tolist()]
    model = Trained(booster, ("a", "b"), numbers, asked)

    assert accepted(model, reading=Reading()).acceptance.agreement == "every bit equal"


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson", "json", "arrow"])
def test_a_file_from_pandas_is_accepted_with_its_checksum(tmp_path: Path, form: str) -> None:
    model = trained()
    frame, path = with_prediction(model, customer_id=range(300)), tmp_path / f"check.{form}"
    {
        "parquet": lambda: frame.to_parquet(path),
        # With its index, as people forget to leave it out.
        "csv": lambda: frame.to_csv(path),
        "ndjson": lambda: frame.to_json(path, orient="records", lines=True),
        "json": lambda: frame.to_json(path, orient="records", double_precision=15),
        "arrow": lambda: frame.to_feather(path),
    }[form]()

    found = accept(Check.read(path), model.read, Reading(), CHOICES, small.policy()).acceptance

    assert (found.file, found.column) == (path.name, "prediction")
    assert len(found.sha256) == 64
    assert found.agreement == "every bit equal"


def test_rows_in_several_blocks_are_all_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A block of the product has thousands of rows, whose test would take half a minute.
    monkeypatch.setattr(blocks, "MOST_ROWS", 64)
    monkeypatch.setattr(search, "SAMPLE_ROWS", 16)
    model, path = trained(), tmp_path / "check.parquet"
    frame = with_prediction(model)
    frame.to_parquet(path)

    found = accept(Check.read(path), model.read, KNOWN, CHOICES, small.policy())

    assert (found.acceptance.rows, found.acceptance.agreement) == (300, "every bit equal")
    frame.loc[271, "prediction"] = 0.5
    frame.to_parquet(path)
    with pytest.raises(NotAccepted, match=r"row 271 of .* 1 of 300 rows differ"):
        accept(Check.read(path), model.read, KNOWN, CHOICES, small.policy())


def test_progress_is_told_up_to_the_last_row() -> None:
    model, told = trained(), []
    check = Check.of(model.asked, model.predictions)

    accept(
        check, model.read, KNOWN, CHOICES, small.policy(), on_progress=lambda *at: told.append(at)
    )

    assert told[-1] == (300, 300)


@pytest.mark.parametrize(
    ("count", "say", "note"),
    [
        (5, lambda p: p, "5 rows are few"),
        (300, lambda p: p > 0.5, "Labels show on which side"),
        (300, lambda p: p.round(1), "Such coarse numbers"),
    ],
    ids=["few", "labels", "coarse"],
)
def test_what_the_rows_cannot_tell_is_said(count: int, say: Callable[..., Any], note: str) -> None:
    model = trained()
    few = Trained(model.booster, model.features, model.rows[:count], model.asked[:count])

    assert note in accepted(few, say(few.predictions)).acceptance.note


def test_predictions_that_are_all_the_same_are_accepted_and_said_to_tell_little() -> None:
    model = trained()
    high = np.flatnonzero(model.predictions > 0.5).tolist()
    asked = [model.asked[row] for row in high]

    found = accepted(asking(model, asked), np.ones(len(high)))

    assert "All predictions are the same" in found.acceptance.note


def test_a_source_that_cannot_be_read_says_so_itself() -> None:
    model = trained()

    def refuse(reading: Reading) -> Any:
        raise ImportRefused("Expected another source.")

    with pytest.raises(ImportRefused, match="another source"):
        accept(Check.of(model.asked, model.predictions), refuse, KNOWN, CHOICES, small.policy())


def test_several_margins_for_a_row_are_refused() -> None:
    rows = np.random.default_rng(0).normal(size=(90, 2)).astype(np.float32)
    booster = xgboost.train(
        {"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(rows, np.arange(90) % 3), 2
    )
    asked = [dict(zip("ab", row, strict=True)) for row in rows.tolist()]
    model = Trained(booster, ("a", "b"), rows, asked)

    with pytest.raises(ImportRefused, match="one margin for a row, got 3"):
        accepted(model, np.full(90, 0.5))


@pytest.mark.parametrize("predictions", [[], [0.5]])
def test_as_many_predictions_as_applications_are_needed(predictions: list[float]) -> None:
    with pytest.raises(UnreadableInput, match="a prediction for each application"):
        Check.of([], predictions)
