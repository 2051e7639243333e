"""Lines of NDJSON: what /classify takes and says of a body, they take and say of a line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentoml_ext.encoders.encoder import Encoder, Field
from bentoml_ext.encoders.ndjson import LineEncoder, split_lines
from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.errors import InvalidApplication
from tests.support.small import APPLICATION, FEATURES, assert_same_bits

ENCODER = Encoder(
    FEATURES,
    [
        Field("age", minimum=0, sentinels=(99,)),
        Field("home", ("owner", "rent"), nullable=True),
        Field("income", nullable=True),
    ],
)
VALUES: st.SearchStrategy[Any] = (
    st.sampled_from(["owner", "rent", "tent"]) | st.integers(-1, 99) | st.floats() | st.none()
)
APPLICATIONS = st.fixed_dictionaries(
    {"age": st.integers(0, 99), "home": st.sampled_from(["rent", "owner", None])},
    optional={"income": VALUES, "id": st.text() | VALUES, "note": VALUES, "home=rent": VALUES},
)
ODD = st.sampled_from([b"[]", b"7", b"{", b'{"age": 1} {"age": 2}', b"\xff", b'{"age": 1e999}'])
LINES = st.lists(APPLICATIONS.map(lambda value: json.dumps(value).encode()) | ODD, max_size=8)


@settings(max_examples=500, deadline=None)
@given(lines=LINES, blank=st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \n"]), end=st.booleans())
def test_a_line_is_taken_or_refused_as_a_body_is(
    lines: list[bytes], blank: bytes, end: bool
) -> None:
    taken, said = [], []
    for index, line in enumerate(lines):
        try:
            application = json_value(line)
            wrong = list(ENCODER.wrong(application))
        except InvalidApplication as error:
            wrong = [error]
        said += [str(error.at(index)) for error in wrong]
        taken += [] if wrong else [application]

    (rows, refused), _ = LineEncoder(ENCODER).encode(blank.join(lines) + blank * end)

    assert_same_bits(expected=ENCODER.rows(taken), got=rows)
    assert [str(error) for error in refused] == said


def test_values_are_kept_of_good_and_of_bad_lines() -> None:
    good = {**APPLICATION, "id": "A1"}
    bad = {**APPLICATION, "age": "x", "id": 2, "note": "seen"}
    given: list[Any] = [good, bad, APPLICATION, []]
    lines = [json.dumps(value).encode() for value in given]

    kept = LineEncoder(ENCODER, ["id", "home"]).encode(b"\n".join(lines)).kept

    assert kept == [("A1", "rent"), (2, "rent"), (None, "rent"), (None, None)]


def test_keys_to_keep_leave_lines_plain() -> None:
    reader = LineEncoder(ENCODER, ["id"])._reader
    line = json.dumps({**APPLICATION, "id": {"branch": 7}}).encode()

    assert reader.lines(line + b"\n" + line) is not None


def test_no_more_refusals_are_told_than_are_asked_for() -> None:
    lines = b'{}\n{"age": 1}\n[]'

    def told(most: int | None) -> list[tuple[int | None, str | None]]:
        encoder = LineEncoder(ENCODER, most=most)
        return [(error.index, error.field) for error in encoder.encode(lines).encoded.refused]

    assert told(1) == [(0, "age"), (1, "home"), (2, None)]
    assert [place for place, _ in told(None)] == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize("lines", [b"", b"\n", b" \r\n\n"])
def test_nothing_has_no_rows(lines: bytes) -> None:
    (rows, refused), kept = LineEncoder(ENCODER).encode(lines)

    assert (rows.shape, refused, kept) == ((0, len(FEATURES)), [], [])
    assert split_lines(lines) == []
