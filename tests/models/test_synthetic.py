from __future__ import annotations

import hashlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentoml_ext.encoders.encoder import Encoder
from models.fields import FIELDS
from models.synthetic import DEFAULT_ROWS, Portfolio, generate

SEEDS = st.integers(0, 2**32)
NAMES = [field.name for field in FIELDS]


def features() -> list[str]:
    """A vocabulary with every category."""
    return [
        feature
        for field in FIELDS
        for feature in ([f"{field.name}={c}" for c in field.categories] or [field.name])
    ]


def fingerprint(portfolio: Portfolio) -> str:
    digest = hashlib.sha256(portfolio.defaults.tobytes())
    for column in portfolio.columns.values():
        digest.update(column.tobytes())
    return digest.hexdigest()


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, rows=st.integers(0, 600))
def test_every_application_of_every_seed_may_be_scored(seed: int, rows: int) -> None:
    portfolio = generate(rows, seed)
    applications = portfolio.applications()

    Encoder(features(), FIELDS).check_all(applications)
    assert len(applications) == len(portfolio) == len(portfolio.defaults) == rows


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, start=st.integers(0, 5000), rows=st.integers(1, 300))
def test_a_part_of_a_portfolio_is_drawn_as_the_whole_is(seed: int, start: int, rows: int) -> None:
    whole, part = generate(start + rows, seed), generate(rows, seed, start=start)

    assert part.applications() == whole.applications(start)
    assert part.defaults.tolist() == whole.defaults[start:].tolist()


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_every_category_occurs_whatever_the_seed(seed: int) -> None:
    portfolio = generate(DEFAULT_ROWS, seed)

    for field in FIELDS:
        if field.categories:
            assert set(portfolio.columns[field.name]) == set(range(len(field.categories)))


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_about_28_in_100_default_whatever_the_seed(seed: int) -> None:
    # Four standard errors of 4 454 draws.
    assert abs(generate(DEFAULT_ROWS, seed).defaults.mean() - 0.28) < 0.03


def test_the_same_seed_gives_the_same_bytes_on_every_machine() -> None:
    # Written down once: a change of the generator must be meant, for it changes everyone's model.
    assert (
        fingerprint(generate())
        == "cfdf5c834bf902a7d6df636b410ee02d380b10cf75d75e55f35277b6596c53ce"
    )


def test_another_seed_gives_other_applications() -> None:
    assert fingerprint(generate(seed=1)) != fingerprint(generate(seed=2))


def test_amounts_that_were_not_given_are_rare_and_none_in_the_application() -> None:
    portfolio = generate(50_000)
    applications = portfolio.applications()

    for name in ("income", "assets", "debt"):
        missing = sum(application[name] is None for application in applications)
        assert 0.001 < missing / len(portfolio) < 0.02
        assert missing == np.isnan(portfolio.columns[name]).sum()


def test_a_model_is_drawn_no_category_that_it_does_not_know() -> None:
    known = [feature for feature in features() if not feature.endswith("=unk")]
    encoder = Encoder(known, FIELDS)
    portfolio = generate(2000, fields=encoder.fields)

    encoder.check_all(portfolio.applications())
    assert portfolio.fields == encoder.fields
    for name in ("amount", "price", "home"):
        same = portfolio.columns[name] == generate(2000).columns[name]
        assert same.mean() > 0.99


def test_fields_hang_together_as_in_life() -> None:
    portfolio = generate(50_000)
    columns = portfolio.columns
    married = columns["marital"] == 1

    assert (columns["seniority"] <= columns["age"] - 17).all()
    assert columns["age"][married].mean() > columns["age"][~married].mean() + 3
    assert columns["expenses"][married].mean() > columns["expenses"][~married].mean() + 10
    assert np.corrcoef(columns["amount"], columns["price"])[0, 1] > 0.6
    assert columns["time"].max() == 72


def test_applications_survive_json() -> None:
    applications = generate(300).applications()

    assert msgspec.json.decode(msgspec.json.encode(applications)) == applications


def test_arrow_columns_hold_the_same_applications() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    portfolio = generate(3000)
    batch = portfolio.to_arrow()

    assert batch.to_pylist() == portfolio.applications()
    assert batch.schema.names == NAMES
    assert batch.schema.field("home").type == pyarrow.dictionary(pyarrow.int8(), pyarrow.string())
    assert batch.schema.field("income").type == pyarrow.float64()


def test_the_dataset_tells_how_to_make_it_again() -> None:
    assert generate(100, 5).dataset().origin == {"source": "generated", "seed": 5, "rows": 100}
