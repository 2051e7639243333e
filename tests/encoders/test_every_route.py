"""Every route: a mapping, JSON, NDJSON, Arrow and ONNX make the same row of the same steps."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pytest
from onnx import TensorProto, helper

from bentoml_ext.arrays import Rows
from bentoml_ext.encoders.arrow_columns import ColumnEncoder
from bentoml_ext.encoders.edges import beside_edges
from bentoml_ext.encoders.encoder import Application, Encoder
from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.json_decoder import JsonDecoder
from bentoml_ext.encoders.ndjson import LineEncoder
from bentoml_ext.encoders.steps import (
    NO_COLUMN,
    Codes,
    Indicator,
    Number,
    OneHot,
    Operation,
    Ranges,
    Step,
    Sum,
    Table,
)
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.encoder_rows import add_rows, type_of
from bentoml_ext.proving.application_graph import feed

Random = np.random.Generator
TEXTS = ("red", "green", "blue", 'a "quoted" one', "ü", " ")
OPERATIONS: tuple[Operation, ...] = get_args(Operation)


def sums(random: Random) -> tuple[Sum, ...]:
    """Sums, few of which clip: two bounds leave few numbers between them."""
    often = OPERATIONS[:4]
    some = [often if random.integers(4) else OPERATIONS for _ in range(3)]
    names = [one[random.integers(len(one))] for one in some]
    return tuple(
        Sum(name, float(random.normal() * 10.0 ** random.integers(-3, 4)))
        for name in names[: random.integers(4)]
    )


def number(random: Random, name: str, at: int) -> tuple[Field, list[Step]]:
    """A number that is scaled, clipped and filled in, with an indicator now and then."""
    single = bool(random.integers(2))
    low, high = sorted(random.normal(size=2).astype(np.float32).tolist())
    clips = random.integers(3) == 0
    step = Number(
        name,
        at,
        sums(random),
        single,
        low if clips else None,
        high if clips else None,
        float(np.float32(random.normal())) if random.integers(2) else None,
    )
    steps: list[Step] = [step]
    if random.integers(2):
        steps.append(Indicator(name, at + 1, 0.0, 1.0))
    if random.integers(4) == 0:
        steps.append(Number(name, at + len(steps)))
    return Field(name, nullable=bool(random.integers(2))), steps


def one_hot(random: Random, name: str, at: int) -> tuple[Field, list[Step]]:
    """Categories, some of them rare, one of them dropped; null and other texts."""
    places = random.integers(0, 4, len(TEXTS)).tolist()
    order = {place: rank for rank, place in enumerate(sorted(set(places)))}
    columns = {text: at + order[place] for text, place in zip(TEXTS, places, strict=True)}
    if random.integers(2):
        columns["dropped"] = NO_COLUMN
    width = len(order)
    null = at + width if random.integers(2) else None
    width += null is not None
    other = at + width if random.integers(2) else None
    nullable = null is not None or bool(random.integers(2))
    field = Field(
        name,
        tuple(columns),
        nullable=nullable,
        unknown="zero" if other is not None or random.integers(2) else "refuse",
    )
    return field, [OneHot(name, columns, off=0.0, null=null, other=other)]


def table(random: Random, name: str, at: int) -> tuple[Field, list[Step]]:
    """Categories that are looked up, in one column or several."""
    width = int(random.integers(1, 4))

    def cells() -> tuple[float | None, ...]:
        numbers = random.normal(size=width).astype(np.float32).tolist()
        return tuple(None if random.integers(6) == 0 else one for one in numbers)

    null = cells() if random.integers(2) else None
    other = cells() if random.integers(2) else None
    field = Field(
        name, TEXTS, nullable=null is not None, unknown="refuse" if other is None else "zero"
    )
    columns = tuple(range(at, at + width))
    return field, [Table(name, columns, {text: cells() for text in TEXTS}, null, other)]


def ranges(random: Random, name: str, at: int) -> tuple[Field, list[Step]]:
    """A number that is looked up by its range, in one column or several; a scaled one beside it."""
    width, n = int(random.integers(1, 4)), int(random.integers(0, 6))
    edges = np.unique([0.0, *(random.normal(size=n) * 10.0 ** random.integers(-3, 4, n))])

    def cells() -> tuple[float | None, ...]:
        numbers = random.normal(size=width).astype(np.float32).tolist()
        return tuple(None if random.integers(6) == 0 else one for one in numbers)

    null = cells() if random.integers(2) else None
    columns = tuple(range(at, at + width))
    step = Ranges(
        name, columns, tuple(edges.tolist()), tuple(cells() for _ in range(len(edges) + 1)), null
    )
    steps: list[Step] = [step]
    if random.integers(3) == 0:
        steps.append(Number(name, at + width, sums(random), null=0.5))
    listed = random.integers(4) == 0
    codes = (-3, 0, 7, 10**9, 10**6, 2.5) if listed else ()
    return Field(name, nullable=null is not None, codes=codes), steps


def codes(random: Random, name: str, at: int) -> tuple[Field, list[Step]]:
    return Field(name, TEXTS, nullable=bool(random.integers(2))), [Codes(name, at, TEXTS)]


def of_numbers(field: Field, steps: list[Step]) -> tuple[Field, list[Step]]:
    """The same with whole numbers for categories."""
    said = {text: str(place * 7 - 3) for place, text in enumerate(field.categories)}
    step = steps[0]
    if isinstance(step, OneHot):
        columns = {said[text]: column for text, column in step.columns.items()}
        step = msgspec.structs.replace(step, columns=columns, whole=True)
    elif isinstance(step, Table):
        texts = {said[text]: cells for text, cells in step.texts.items()}
        step = msgspec.structs.replace(step, texts=texts, whole=True)
    codes = tuple(map(int, said.values()))
    return msgspec.structs.replace(field, categories=(), codes=codes), [step]


def made(random: Random) -> Encoder:
    """An encoder of four to eight fields, whose columns are in any order."""
    fields, steps = [], []
    at = 0
    for place in range(random.integers(4, 9)):
        kind = (number, number, one_hot, table, codes, ranges)[random.integers(6)]
        field, own = kind(random, f"field {place}", at)
        if isinstance(own[0], OneHot | Table) and random.integers(3) == 0:
            field, own = of_numbers(field, own)
        fields.append(field)
        steps += own
        at = 1 + max(column for step in own for column in step.columns_filled)
    return Encoder(
        [f"column {column}" for column in range(at)],
        fields,
        absent="missing",
        null="missing",
        missing=None if random.integers(3) else 0.0,
        steps=steps,
    )


def value(random: Random, encoder: Encoder, field: Field) -> Any:
    edges = beside_edges(encoder, field).tolist()
    if edges and not field.codes and random.integers(2):
        return float(random.choice([*edges, -0.0]))
    if field.nullable and random.integers(5) == 0:
        return None
    if field.categories:
        unknown = ("never seen", "") if field.unknown == "zero" and not field.nullable else ()
        return str(random.choice([*field.categories, *unknown]))
    if field.codes and (field.unknown == "refuse" or random.integers(4)):
        return field.codes[random.integers(len(field.codes))]
    if random.integers(3) == 0:
        return int(random.integers(-(10**6), 10**6))
    return float(random.normal() * 10.0 ** random.integers(-4, 5))


def assert_same(rows: Rows, expected: Rows) -> None:
    assert rows.dtype == np.float32
    # Any NaN is as good as another.
    assert np.array_equal(rows, expected, equal_nan=True)
    assert np.array_equal(np.signbit(rows[rows == 0]), np.signbit(expected[expected == 0]))


def rows_of_onnx(encoder: Encoder, applications: list[Application]) -> Rows:
    ops = GraphBuilder(prefix="bentoml_ext_")
    ops.add("Identity", add_rows(ops, encoder), output="rows")
    model = ops.to_model(
        "rows",
        inputs=[
            helper.make_tensor_value_info(field.name, type_of(encoder, field), ["n", 1])
            for field in encoder.fields
        ],
        outputs=[
            helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", encoder.n_features])
        ],
        properties={},
    )
    session = ort.InferenceSession(model.SerializeToString())
    rows: Rows = session.run(None, feed(encoder, applications))[0]
    return rows


def test_every_kind_of_step_is_drawn() -> None:
    drawn = {type(step) for seed in range(60) for step in made(np.random.default_rng(seed)).steps}

    assert drawn == set(get_args(Step))


def assert_routes(encoder: Encoder, applications: list[Application]) -> list[bool]:
    """Every route makes the rows of a mapping; which applications the JSON decoder took."""
    expected = encoder.rows(applications)
    decoder = JsonDecoder(encoder)
    read = [decoder.one(msgspec.json.encode(one)) for one in applications]
    plain = [one for one in read if one is not None]
    taken = [one is not None for one in read]
    singly = np.empty((len(plain), encoder.n_features), np.float32)
    octets = singly.data.cast("B")
    for index, one in enumerate(plain):
        decoder.write(one, octets.cast("f"), octets, index)
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in applications)
    columns = {
        field.name: pa.array([application[field.name] for application in applications])
        for field in encoder.fields
    }

    assert_same(singly, expected[taken])
    assert_same(decoder.rows(plain), expected[taken])
    assert_same(LineEncoder(encoder).encode(lines).encoded.rows, expected)
    for coded in (False, True):
        batch = pa.RecordBatch.from_pydict(
            {
                name: column.dictionary_encode() if coded and column.type == "string" else column
                for name, column in columns.items()
            }
        )
        encoded = ColumnEncoder(encoder).encode(batch)
        assert encoded.refused == []
        assert_same(encoded.rows, expected)
    assert_same(rows_of_onnx(encoder, applications), expected)
    return taken


@pytest.mark.parametrize("seed", range(60))
def test_every_route_makes_the_same_rows(seed: int) -> None:
    random = np.random.default_rng(seed)
    encoder = Encoder.from_json(made(random).to_json())
    applications: list[Application] = [
        {field.name: value(random, encoder, field) for field in encoder.fields} for _ in range(40)
    ]
    encoder.check_all(applications)

    taken = assert_routes(encoder, applications)

    assert sum(taken) > 10


def test_a_field_of_several_steps_is_refused_once() -> None:
    steps: list[Step] = [Number("age", 0, (Sum("divide", 2.0),)), Indicator("age", 1, 0.0, 1.0)]
    encoder = Encoder(["scaled", "is null"], steps=steps, absent="missing", null="missing")
    batch = pa.RecordBatch.from_pydict({"age": pa.array([1.0, None, 3.0])})

    encoded = ColumnEncoder(encoder).encode(batch)

    assert [str(error) for error in encoded.refused] == [
        "Expected a finite number, got null - at field 'age' of application 1."
    ]
    assert encoded.rows.tolist() == [[0.5, 0.0], [1.5, 0.0]]


def test_a_whole_number_as_a_text_is_refused_on_every_route() -> None:
    steps: list[Step] = [OneHot("class", {"1": 0, "2": 1}, off=0.0, whole=True)]
    encoder = Encoder(["first", "second"], steps=steps, absent="missing", null="missing")
    batch = pa.RecordBatch.from_pydict({"class": pa.array(["2"])})
    refusal = 'Expected one of the codes 1 to 2, got "2", a number written as a text'

    (wrong,) = encoder.wrong({"class": "2"})
    assert str(wrong).startswith(refusal)
    assert JsonDecoder(encoder).one(b'{"class": "2"}') is None
    (line,) = LineEncoder(encoder).encode(b'{"class": "2"}\n').encoded.refused
    assert str(line).startswith(refusal)
    (cell,) = ColumnEncoder(encoder).encode(batch).refused
    assert str(cell).startswith(refusal)
