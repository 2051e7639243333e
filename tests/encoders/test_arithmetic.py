"""A number that its sums make too large for float32 is refused on every route, and no other."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bentoml_ext.encoders.arithmetic import holdable, on_one
from bentoml_ext.encoders.arrow_columns import ColumnEncoder
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import FLOAT32_MAX, Field
from bentoml_ext.encoders.json_decoder import JsonDecoder
from bentoml_ext.encoders.steps import Number, Operation, Sum
from bentoml_ext.errors import FeatureMismatch, InvalidApplication

OPERANDS = st.floats(-1e6, 1e6) | st.sampled_from([0.1, -1e-30, 1e30, -FLOAT32_MAX])
OPERATIONS: list[Operation] = ["add", "subtract", "multiply", "divide"]
SUMS = st.lists(
    st.builds(Sum, st.sampled_from(OPERATIONS), OPERANDS.filter(lambda one: one != 0)), max_size=3
)
RATIO = Number("ratio", 0, sums=(Sum("subtract", 0.4), Sum("divide", 0.001)))


@given(sums=SUMS, single=st.booleans())
def test_the_ends_of_the_range_are_the_last_numbers_that_float32_holds(
    sums: list[Sum], single: bool
) -> None:
    step = Number("age", 0, tuple(sums), single)
    try:
        ends = holdable(step)
    except FeatureMismatch:
        assume(False)
    call = on_one(step)

    for end, outward in zip(ends, (-math.inf, math.inf), strict=True):
        beyond = math.nextafter(end, outward)
        assert abs(call(end)) <= FLOAT32_MAX
        assert abs(beyond) > FLOAT32_MAX or not abs(call(beyond)) <= FLOAT32_MAX


def test_every_route_refuses_a_number_that_would_be_infinite_in_its_row() -> None:
    encoder = Encoder(["ratio"], steps=[RATIO])
    batch = pa.RecordBatch.from_pydict({"ratio": [0.5, 3e38, -3e38]})

    encoded = ColumnEncoder(encoder).encode(batch)

    assert JsonDecoder(encoder).one(b'{"ratio": 3e38}') is None
    with pytest.raises(InvalidApplication, match=r"number, nearer to 0: [^:]+ hold it, got 3e\+38"):
        encoder.check({"ratio": 3e38})
    assert [error.index for error in encoded.refused] == [1, 2]
    assert np.isfinite(encoded.rows).all()


def test_a_rule_narrows_what_the_columns_hold_and_never_widens_it() -> None:
    rules = [Field("ratio", minimum=0.0, maximum=FLOAT32_MAX)]
    (field,) = Encoder(["ratio"], rules, steps=[RATIO]).fields

    assert field.minimum == 0.0
    assert field.maximum == holdable(RATIO)[1] < FLOAT32_MAX


def test_every_step_of_a_field_has_its_say() -> None:
    steps = [Number("ratio", 0), msgspec.structs.replace(RATIO, column=1)]

    (field,) = Encoder(["ratio", "scaled"], steps=steps).fields

    assert (field.minimum, field.maximum) == holdable(RATIO)


def test_sums_that_leave_no_number_are_refused() -> None:
    step = Number("ratio", 0, sums=(Sum("add", 1e300),))

    with pytest.raises(FeatureMismatch, match=r"range of float32, got .*field 'ratio'"):
        Encoder(["ratio"], steps=[step])
