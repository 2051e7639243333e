"""Exported application: a stored model as one ONNX file from fields to decision, proven.

See `bentoml_ext.export.graph.application` for its inputs and outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import bentoml

from bentoml_ext.boosters.xgb.files import read_booster
from bentoml_ext.decisions.base import Decider
from bentoml_ext.scoring.self_test import load_proof
from bentoml_ext.store.bundle import BOOSTER, Bundle

if TYPE_CHECKING:
    from bentoml_ext.proving.application_graph import ApplicationProof

__all__ = ["WholeGraph", "make"]

SINGLE: Final = " (n, 1)"


@dataclass(frozen=True)
class WholeGraph:
    """The file and what is known of it.

    Args:
        data: its bytes.
        inputs, outputs: each with its type, in words.
        proof: what was compared.
    """

    data: bytes
    inputs: list[str]
    outputs: dict[str, str]
    proof: ApplicationProof

    @property
    def outputs_said(self) -> str:
        """The outputs in a sentence."""
        if all(kind.endswith(SINGLE) for kind in self.outputs.values()):
            each = [f"{name} {kind.removesuffix(SINGLE)}" for name, kind in self.outputs.items()]
            return f"Outputs, each{SINGLE}: {', '.join(each)}."
        return f"Outputs: {', '.join(f'{name} {kind}' for name, kind in self.outputs.items())}."

    @property
    def names_said(self) -> str:
        """The names of the outputs, as the beginning of a sentence."""
        *names, last = self.outputs
        said = f"{', '.join(names)} and {last}"
        return said[:1].upper() + said[1:]


def make(bundle: Bundle, tag: bentoml.Tag) -> WholeGraph:
    """Build and prove it.

    Args:
        bundle: of the stored model.
        tag: its tag, for the file's metadata.

    Raises:
        ConfigError: a decision is called "INVALID", or a field as an output.
        BundleError: the bundle carries no proof.
        ProofFailed: the graph gives another bit.
    """
    from onnx import TensorProto

    from bentoml_ext.export.graph.application import outputs_of, to_application_onnx
    from bentoml_ext.export.graph.encoder_rows import type_of
    from bentoml_ext.proving.application_graph import prove_application_graph

    _, sha256 = load_proof(bundle)
    policy = bundle.policy
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
            "bentoml_ext.refused": _refused(bundle.decider),
        },
    )
    proof = prove_application_graph(model, booster, bundle.encoder, policy)
    fields = bundle.encoder.fields
    words: dict[int, str] = {
        TensorProto.STRING: "string",
        TensorProto.FLOAT: "float32",
        TensorProto.INT64: "int64",
        TensorProto.DOUBLE: "float64",
    }
    inputs = [f"{one.name} {words[type_of(bundle.encoder, one)]}" for one in fields]
    outputs = {
        name: f"{words[kind]} (n, {width})"
        for name, (kind, width) in outputs_of(bundle.decider).items()
    }
    return WholeGraph(model.SerializeToString(), inputs, outputs, proof)


def _refused(decider: Decider) -> str:
    """What a refused application gets, in words."""
    from bentoml_ext.export.graph.application import outputs_of, refused_of

    *numbers, last = outputs_of(decider)
    if (text := decider.schema.text) is None:
        return f"{' and '.join([*numbers, last])} NaN"
    return f"{' and '.join(numbers)} NaN, {last} {refused_of(text)}"
