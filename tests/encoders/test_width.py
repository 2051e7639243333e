"""A model of thousands of columns takes the memory of a narrow one: its blocks have fewer rows."""

from __future__ import annotations

import tracemalloc
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xgboost

from bentoml_ext.arrays import BLOCK_CELLS, block_rows
from bentoml_ext.backends.xgboost_native import XGBoostBackend
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.formats.sources import open_source
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.serving.streaming.codec import CODECS, format_of
from tests.offline.portfolios import WRITERS
from tests.support import small
from tests.support.bulk_bodies import arrow_of, ndjson_of
from tests.support.small import assert_same_bits, column

SHOPS = [f"shop {number:05}" for number in range(13_000)]
ROWS = 2000


@pytest.fixture(scope="module")
def wide() -> Encoder:
    return Encoder(["amount", *(f"shop={shop}" for shop in SHOPS)])


@pytest.fixture(scope="module")
def table() -> pa.Table:
    random = np.random.default_rng(0)
    shops = [SHOPS[at] for at in random.integers(0, len(SHOPS), ROWS)]
    return pa.table({"amount": random.normal(size=ROWS), "shop": shops})


@pytest.fixture(scope="module")
def scorer(wide: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    path = tmp_path_factory.mktemp("wide") / "booster.ubj"
    matrix = xgboost.DMatrix(np.eye(40, wide.n_features), label=np.arange(40) % 2)
    xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 3).save_model(path)
    return Scorer(wide, XGBoostBackend(path), BandDecider(small.policy()))


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_block_of_a_file_has_as_many_cells_as_a_narrow_one(
    suffix: str, wide: Encoder, table: pa.Table, tmp_path: Path
) -> None:
    path = tmp_path / f"book.{suffix}"
    WRITERS[suffix](path, table)
    form = {"arrows": "arrow"}.get(suffix, suffix)

    with open_source(path, form, wide, ()) as source:
        blocks = source.kind(wide, source.kept, first_only=False)
        # The rows of a block are written over by the next one.
        found = [np.array(blocks.encode(block)[0].rows) for block in source.blocks]

    assert max(rows.size for rows in found) <= BLOCK_CELLS
    assert_same_bits(expected=wide.rows(table.to_pylist()), got=np.concatenate(found))


@pytest.mark.parametrize("media_type", CODECS)
def test_a_block_of_a_request_has_as_many_cells_as_a_narrow_one(
    media_type: str, wide: Encoder, scorer: Scorer, table: pa.Table
) -> None:
    applications = table.to_pylist()
    body = ndjson_of(applications) if "ndjson" in media_type else arrow_of(applications)
    found = [
        np.array(encoded.rows)
        for encoded in format_of(media_type, scorer).encoded(BytesIO(body), 10**9)
    ]

    assert max(rows.size for rows in found) <= BLOCK_CELLS
    assert_same_bits(expected=wide.rows(applications), got=np.concatenate(found))


def test_a_batch_takes_the_memory_of_a_block(scorer: Scorer, table: pa.Table) -> None:
    applications = table.to_pylist()
    one_by_one = [scorer.classify(one).margin for one in applications[:50]]
    tracemalloc.start()

    margins = scorer.margins_of(applications)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # In float64 before float32.
    assert peak < 4 * BLOCK_CELLS * 4
    assert len(margins) == ROWS
    assert_same_bits(expected=column(*one_by_one), got=margins[:50])


def test_a_narrow_block_is_as_long_as_before() -> None:
    assert block_rows(29, 32_768) == 32_768
    assert block_rows(0, 32_768) == 32_768
    assert block_rows(10**9, 32_768) == 1
