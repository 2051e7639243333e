"""Introduction: what the OpenAPI document says first, of the model, its policy and its proof."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bentoml_ext.serving.routes import path_of

if TYPE_CHECKING:
    from bentoml_ext.decisions.policy import Policy
    from bentoml_ext.encoders.field import Application
    from bentoml_ext.proof.record import Acceptance
    from bentoml_ext.store.bundle import Bundle

__all__ = ["answers", "introduction"]


def introduction(bundle: Bundle, example: Application, slot: str = "") -> str:
    """Markdown about a model, for the head of the OpenAPI document.

    Args:
        bundle: of the model that answers.
        example: an application that it takes.
        slot: name of the model among several.
    """
    from bentoml_ext.scoring.self_test import load_proof

    manifest = bundle.manifest
    proof, sha256 = load_proof(bundle)
    summary = proof.summary(sha256)
    subjects = ", ".join(summary.subjects)
    paragraphs = [
        f"## {slot}" if slot else "",
        f"**Model** `{bundle.path.parent.name}:{bundle.path.name}`: {manifest.n_trees} trees, "
        f"{manifest.objective}.",
        f"**Answer** {answers(bundle.policy)}",
        f"**Proof** of {proof.made}: {summary.compared:,} values of {subjects} have the bits of "
        f"{proof.oracle}; {summary.decision_flips} decisions differ. {_accepted(proof.acceptance)}",
        "**Ask** with every field below; what is wrong is answered by 400 with `field`, `expected` "
        f"and `got`. `GET /{path_of(slot, 'model')}` has the rules of the fields, versions and the "
        "whole summary of the proof.",
        f"```\ncurl HOST:PORT/{path_of(slot, _route(bundle))} -H 'Content-Type: application/json' "
        f"-d '{json.dumps(example)}'\n```",
    ]
    return "\n\n".join(filter(None, paragraphs))


def _route(bundle: Bundle) -> str:
    """The route that says what the answer is: a decision, or a prediction."""
    return "predict" if bundle.decider.schema.text is None else "classify"


def answers(policy: Policy) -> str:
    """A policy in words."""
    from bentoml_ext.decisions.policy import Bands

    if not isinstance(policy, Bands):
        return f"`{policy.key}` is {policy}."
    words = [
        f"{band.answer} where the probability is above {band.above:g}" for band in policy.bands
    ]
    said = ", ".join([*words, f"otherwise {policy.otherwise}"])
    return f"`{policy.key}` is {said}. `probability` is the model's own."


def _accepted(acceptance: Acceptance | None) -> str:
    if acceptance is None:
        return "Nothing compared the model with its trainer's own predictions."
    said = str(acceptance)
    return f"{said[:1].upper()}{said[1:]}."
