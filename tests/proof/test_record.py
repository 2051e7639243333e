"""A proof that does not hold says why in plain words, whatever it lacks."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from bentoml_ext.cli import render
from bentoml_ext.proof.record import STRUCTURE, Difference, Part, Proof

WRONG = Difference("random", "onnx", "margin", "0x1p+0", "0x1p+1", row=3)
BUILT = Difference(STRUCTURE, "onnx", "threshold", "0x1p+2", "0x1p+3", tree=1, node=2)
SOUND = Part("boundary", "onnx", checked=8, compared=8, equal=8)
AWAY: dict[str, Any] = {"subject": "service", "bound_ulp": 8, "decision_flips": 1}


def part(name: str, *, equal: int = 7, compared: int = 8, **more: Any) -> Part:
    return Part(
        **({"name": name, "subject": "onnx"} | more), checked=8, compared=compared, equal=equal
    )


def proof(*parts: Part) -> Proof:
    how: dict[str, Any] = {"objective": "binary:logistic", "oracle": "Booster", "seed": 0}
    return Proof.of(0.0, {}, parts=list(parts), **how)


@pytest.mark.parametrize(
    ("parts", "verdict", "reason"),
    [
        ([], "Not proven", "Expected a proof with parts, got none - at the proof."),
        (
            [SOUND, part("random", equal=0, compared=0)],
            "Not proven",
            "Expected something to compare, got nothing - at the random part of 'onnx'.",
        ),
        (
            [SOUND, part("random", decision_flips=2)],
            "Not proven",
            "Expected 8 equal values, got 7 and 2 other decisions - at the random part of 'onnx'.",
        ),
        (
            [SOUND, part("expf", largest_gap_ulp=9, difference=WRONG, **AWAY)],
            "Different",
            "Expected values within 8 ulp, got some 9 ulp apart - at the expf part of 'service'.",
        ),
        ([part("random", difference=WRONG)], "Different", str(WRONG)),
        ([part(STRUCTURE, difference=BUILT)], "Different", str(BUILT)),
        (
            [part(STRUCTURE, difference=BUILT), part("random", difference=WRONG)],
            "Different",
            f"{WRONG} {BUILT}",
        ),
    ],
)
def test_a_proof_that_does_not_hold_says_why(parts: list[Part], verdict: str, reason: str) -> None:
    found = proof(*parts)
    told = io.StringIO()

    Console(width=1000, file=told).print(render.proven(found))

    assert not found.holds
    assert found.reason == reason
    assert f"{verdict}. {reason}" in told.getvalue()
