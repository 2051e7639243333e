"""Exported application: a stored model as one ONNX file from fields to decision, proven.

See `bentoml_ext.export.graph.application` for its inputs and outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import bentoml

from bentoml_ext.boosters.xgb.files import read_booster
from bentoml_ext.decisions.policy import Bands
from bentoml_ext.errors import ConfigError
from bentoml_ext.scoring.self_test import load_proof
from bentoml_ext.store.bundle import BOOSTER, Bundle

if TYPE_CHECKING:
    from bentoml_ext.proving.application_graph import ApplicationProof

__all__ = ["WholeGraph", "make"]


@dataclass(frozen=True)
class WholeGraph:
    """The file and what is known of it.

    Args:
        data: its bytes.
        inputs: each with its type, in words.
        proof: what was compared.
    """

    data: bytes
    inputs: list[str]
    proof: ApplicationProof


def make(bundle: Bundle, tag: bentoml.Tag) -> WholeGraph:
    """Build and prove it.

    Args:
        bundle: of the stored model.
        tag: its tag, for the file's metadata.

    Raises:
        ConfigError: the margin is not a log-odds.
        BundleError: the bundle carries no proof.
        ProofFailed: the graph gives another bit.
    """
    from onnx import TensorProto

    from bentoml_ext.export.graph.application import INVALID, to_application_onnx
    from bentoml_ext.export.graph.encoder_rows import type_of
    from bentoml_ext.proving.application_graph import prove_application_graph

    _, sha256 = load_proof(bundle)
    if not isinstance(policy := bundle.policy, Bands):
        raise ConfigError(
            f"Expected a policy of bands over a log-odds, got {policy} - at {tag}. Leave "
            "--with-encoder out: the file then takes rows and gives margins."
        )
    booster = read_booster(bundle.path / BOOSTER)
    model = to_application_onnx(
        booster,
        bundle.encoder,
        policy,
        properties={
            "bentoml_ext.model": str(tag),
            "bentoml_ext.policy": policy.to_json().decode(),
            "bentoml_ext.proof_sha256": sha256,
            "bentoml_ext.booster_sha256": bundle.manifest.files[BOOSTER].sha256,
            "bentoml_ext.refused": f"margin and probability NaN, decision {INVALID}",
        },
    )
    proof = prove_application_graph(model, booster, bundle.encoder, policy)
    fields = bundle.encoder.fields
    words: dict[int, str] = {
        TensorProto.STRING: "string",
        TensorProto.FLOAT: "float32",
        TensorProto.DOUBLE: "float64",
    }
    inputs = [f"{one.name} {words[type_of(bundle.encoder, one)]}" for one in fields]
    return WholeGraph(model.SerializeToString(), inputs, proof)
