"""The probability is XGBoost's own: a booster without trees gives the sigmoid of a base margin."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st

from bentoml_ext.arrays import Margins, Probabilities
from bentoml_ext.objectives.expf import EXPF_INVERSE_LN2, EXPF_INVERSE_LN2_PARTS, power_of_two
from bentoml_ext.objectives.logistic import first_margin_above, probabilities, probability

EVERY = int(os.environ.get("EVERY", "61"))
"""Each EVERY-th margin is compared; EVERY=1 compares all, in a minute of processor."""

Bits = npt.NDArray[np.uint32]

# Here the fused and the plain form of the C library's expf part: the only such number below 88.7.
FUSED_ONLY = float.fromhex("-0x1.04845ep+5")


@pytest.fixture(scope="module")
def sigmoid() -> xgb.Booster:
    """A booster whose prediction is the probability of the base margin that comes with a row."""
    data = xgb.DMatrix(np.zeros((2, 1), np.float32), label=[0, 1])
    return xgb.train({"objective": "binary:logistic", "nthread": 2}, data, num_boost_round=0)


def native(sigmoid: xgb.Booster, margins: Margins) -> Probabilities:
    features = np.zeros((len(margins), 1), np.float32)
    predicted: Probabilities = sigmoid.predict(xgb.DMatrix(features, base_margin=margins))
    return predicted


def bits(values: npt.NDArray[np.float32]) -> Bits:
    return values.view(np.uint32)


def every(step: int, smallest: float, largest: float) -> Iterator[Margins]:
    """Each `step`-th float32 with `smallest <= |margin| <= largest`, both signs, in parts."""
    first, last = bits(np.array([smallest, largest], np.float32)).tolist()
    part = step << 20
    for start in range(first, last + 1, part):
        size = (
            np.arange(start, min(start + part, last + 1), step, dtype=np.int64)
            .astype(np.uint32)
            .view(np.float32)
        )
        yield size
        yield -size


def same_bits(sigmoid: xgb.Booster, margins: Margins) -> bool:
    return np.array_equal(bits(native(sigmoid, margins)), bits(probabilities(margins)))


def test_every_701st_margin_has_the_bits_of_xgboost(sigmoid: xgb.Booster) -> None:
    assert all(same_bits(sigmoid, margins) for margins in every(701, 0.0, math.inf))


def test_every_margin_up_to_ninety_has_the_bits_of_xgboost(sigmoid: xgb.Booster) -> None:
    assert all(same_bits(sigmoid, margins) for margins in every(EVERY, 2.0**-26, 90.0))


def test_margins_around_each_change_of_formula_have_the_bits_of_xgboost(
    sigmoid: xgb.Booster,
) -> None:
    centres = bits(np.array([16.6, 20, 87.3, 88.7, 103.9, abs(FUSED_ONLY), 1e-45], np.float32))
    near = (centres[:, None] + np.arange(-5000, 5000)).ravel()
    sizes = near[near >= 0].astype(np.uint32).view(np.float32)

    assert same_bits(sigmoid, sizes)
    assert same_bits(sigmoid, -sizes)


def test_the_margin_that_needs_a_fused_operation_has_the_bits_of_xgboost(
    sigmoid: xgb.Booster,
) -> None:
    assert same_bits(sigmoid, np.array([FUSED_ONLY], np.float32))


def test_one_margin_has_the_bits_of_many() -> None:
    margins = np.concatenate([part[::97] for part in every(7013, 0.0, math.inf)])
    alone = np.array([probability(margin) for margin in margins.tolist()], np.float32)

    assert np.array_equal(bits(alone), bits(probabilities(margins)))


@given(st.floats(width=32))
def test_one_margin_is_a_float32_in_the_unit_interval_or_nan(margin: float) -> None:
    alone = probability(margin)

    assert type(alone) is float
    assert math.isnan(margin) if math.isnan(alone) else 0 < alone <= 1
    np.testing.assert_array_equal(probabilities(np.array([margin], np.float32))[0], alone)


def test_any_shape_keeps_its_shape() -> None:
    assert probabilities(np.zeros((0,), np.float32)).shape == (0,)
    assert probabilities(np.zeros((3, 2), np.float32)).shape == (3, 2)
    assert probabilities(np.zeros(4, np.float32)[::2]).dtype == np.float32


@pytest.mark.parametrize(
    ("bound", "first"), [(0.3, "-0x1.b1d102p-1"), (0.5, "0x1.800002p-24"), (0.0, "-inf")]
)
def test_a_band_begins_at_a_known_margin(bound: float, first: str) -> None:
    assert first_margin_above(bound) == float.fromhex(first)


@given(st.floats(0, 1, exclude_max=True))
def test_the_first_margin_above_is_above_and_the_one_before_is_not(bound: float) -> None:
    if np.float32(bound) == 1:
        return
    first = np.float32(first_margin_above(bound))
    before = np.nextafter(first, np.float32(-np.inf))

    assert probabilities(np.array([first]))[0] > np.float32(bound)
    assert np.isneginf(first) or not probabilities(np.array([before]))[0] > np.float32(bound)


@pytest.mark.parametrize("bound", [1.0, 1.5, math.inf, math.nan, 1 - 1e-12])
def test_no_margin_is_above_certainty(bound: float) -> None:
    with pytest.raises(ValueError, match="below 1"):
        first_margin_above(bound)


def test_probability_never_falls_over_neighbouring_margins() -> None:
    for centre in np.linspace(-88, 17, 2001, dtype=np.float32):
        around = np.sort(
            (bits(np.array([centre])) + np.arange(-500, 500)).astype(np.uint32).view(np.float32)
        )
        assert not (np.diff(probabilities(around)) < 0).any()


def test_the_table_holds_correctly_rounded_powers_of_two() -> None:
    # Published by the algorithm's authors, as bits of 2**(1/32), 2**(1/2) and 2**(31/32).
    published = {1: 0x3FF059B0D3158574, 16: 0x3FF6A09E667F3BCD, 31: 0x3FFF50765B6E4540}
    for step, pattern in published.items():
        assert np.float64(power_of_two(step)).view(np.uint64) == pattern
    assert power_of_two(-64) == 0.25
    assert sum(EXPF_INVERSE_LN2_PARTS) == EXPF_INVERSE_LN2


def test_importing_needs_numpy_only() -> None:
    code = (
        "import sys, importlib.util as u; import bentoml_ext.objectives.logistic; "
        "print(sorted(m for m in sys.modules if m in "
        "{'xgboost', 'scipy', 'pandas', 'sklearn', 'onnx', 'onnxruntime', 'bentoml'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
