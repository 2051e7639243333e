"""Exported margins: a stored model as an ONNX file from rows of features to margins.

The file gives the booster's own bits under ONNX Runtime's defaults and is proven before it is
given. The bundle's own graph is faster, and exact on one intra-op thread alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bentoml

from bentoml_ext.boosters.xgb.files import read_booster
from bentoml_ext.distributions import extra_here
from bentoml_ext.errors import BackendMissing
from bentoml_ext.scoring.self_test import load_proof
from bentoml_ext.store.bundle import BOOSTER, Bundle

if TYPE_CHECKING:
    from bentoml_ext.proving.margin_graph import FileProof

__all__ = ["RowsGraph", "make"]


@dataclass(frozen=True)
class RowsGraph:
    """The file and what is known of it.

    Args:
        data: its bytes.
        proof: what was compared.
    """

    data: bytes
    proof: FileProof


def make(bundle: Bundle, tag: bentoml.Tag) -> RowsGraph:
    """Build and prove it.

    Args:
        bundle: of the stored model.
        tag: its tag, for the file's metadata.

    Raises:
        BackendMissing: xgboost or onnx is not installed.
        BundleError: the bundle carries no proof.
        ProofFailed: the graph gives another bit.
    """
    try:
        from bentoml_ext.export import to_onnx
        from bentoml_ext.proving.margin_graph import prove_file
    except ImportError as error:
        raise BackendMissing(
            f"Expected xgboost and onnx, which make and prove this file, got no {error.name} - at "
            f"this environment. Install them with the '{extra_here('convert')}' extra, or add "
            "--one-thread for the stored graph as it is."
        ) from error
    _, sha256 = load_proof(bundle)
    booster = read_booster(bundle.path / BOOSTER)
    model = to_onnx(booster, with_prediction=False)
    entries = {one.key: one for one in model.metadata_props}
    for name, value in {
        "bentoml_ext.features": json.dumps(bundle.manifest.features, ensure_ascii=False),
        "bentoml_ext.model": str(tag),
        "bentoml_ext.proof_sha256": sha256,
        "bentoml_ext.booster_sha256": bundle.manifest.files[BOOSTER].sha256,
    }.items():
        entry = entries.get(name) or model.metadata_props.add(key=name)
        entry.value = value
    return RowsGraph(model.SerializeToString(), prove_file(model, booster))
