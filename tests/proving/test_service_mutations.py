"""Whatever the service gets wrong before or after the margin, the proof finds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bentoml_ext import export
from bentoml_ext.boosters.xgb.sigmoid import is_shared
from bentoml_ext.errors import ProofFailed
from bentoml_ext.proof.record import Proof
from bentoml_ext.proving.every_form import prove
from bentoml_ext.proving.proven import Proven
from bentoml_ext.store.bundle import BOOSTER, GRAPH
from tests.support import small
from tests.support.sabotage import COLUMNS, FAULTS, LINES, Patch


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    graph = export.to_onnx(small.booster(), with_prediction=False)
    return {BOOSTER: bytes(small.booster().save_raw("ubj")), GRAPH: graph.SerializeToString()}


def proven(files: dict[str, bytes]) -> Proven:
    return prove(
        small.booster(), files, encoder=small.encoder(), policy=small.policy(), random_rows=500
    )


def failed(proof: Proof) -> set[str]:
    return {part.name for part in proof.parts if not part.holds}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_wrong_answer_is_found_by_the_proof(
    fault: Callable[[Patch], None], files: dict[str, bytes], monkeypatch: Patch
) -> None:
    is_shared()
    fault(monkeypatch)

    found = proven(files)

    assert failed(found.proof) & {"answers", "crossings", "requests"}
    with pytest.raises(ProofFailed, match="Nothing was written"):
        found.files({})


@pytest.mark.parametrize(
    ("part", "fault"),
    [("columns", fault) for fault in COLUMNS] + [("lines", fault) for fault in LINES],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_a_wrong_row_of_a_portfolio_is_found_by_the_proof(
    part: str, fault: Callable[[Patch], None], files: dict[str, bytes], monkeypatch: Patch
) -> None:
    fault(monkeypatch)

    found = proven(files)

    assert failed(found.proof) == {part}
    with pytest.raises(ProofFailed, match=f"{part} part of 'service'"):
        found.files({})


def test_without_a_fault_nothing_is_found(files: dict[str, bytes]) -> None:
    assert failed(proven(files).proof) == set()
