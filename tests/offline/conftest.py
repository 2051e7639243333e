"""Fixtures: one portfolio, and the answers to it."""

from __future__ import annotations

from typing import Any

import bentoml
import numpy as np
import pyarrow as pa
import pytest

import bentoml_ext
from models.synthetic import generate
from tests.offline.portfolios import ROWS


@pytest.fixture(scope="package")
def portfolio(credit_model: bentoml.Model) -> pa.Table:
    """Applications with a number, and with columns that are nothing to the model."""
    fields = bentoml_ext.load_bundle(credit_model).encoder.fields
    batch = generate(ROWS, fields=fields).to_arrow()
    numbers = pa.array(np.arange(ROWS))
    columns = {name: _plain(batch.column(name)) for name in batch.schema.names}
    return pa.table({"id": numbers, **columns, "note": pa.array(["seen"] * ROWS)})


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


@pytest.fixture(scope="package")
def expected(portfolio: pa.Table, credit_model: bentoml.Model) -> list[Any]:
    """The answers of the scorer that /classify uses, to one application after the other."""
    scorer = bentoml_ext.load_model(credit_model, "xgboost")
    applications = portfolio.drop_columns(["id", "note"]).to_pylist()
    return scorer.classify_batch(applications)
