"""Streams: lines are whole whatever the blocks; what comes of an Arrow stream is sound."""

from __future__ import annotations

import datetime
import decimal
import io
import os
import random
import struct
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentoml_ext.encoders.arrow_columns import ColumnEncoder
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.errors import InvalidApplication, TooLarge
from bentoml_ext.formats import arrow_limits, arrow_stream
from bentoml_ext.formats.arrow_stream import arrow_batches, sound_slices
from bentoml_ext.formats.line_blocks import line_blocks
from models.synthetic import generate
from models.training import Trained
from tests.support.bulk_bodies import old_bomb
from tests.support.bulk_bodies import stream_of as stream
from tests.support.small import assert_same_bits

LINES = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=20)


def read(data: bytes, **options: Any) -> list[pa.RecordBatch]:
    return list(arrow_batches(io.BytesIO(data), **options))


@settings(max_examples=300, deadline=None)
@given(lines=LINES, end=st.booleans(), block=st.integers(1, 40), most=st.integers(1, 5))
def test_blocks_are_whole_lines_and_nothing_is_lost(
    lines: list[bytes], end: bool, block: int, most: int
) -> None:
    text = b"\n".join(lines) + b"\n" * end

    blocks = list(line_blocks(io.BytesIO(text), block, 100, most))

    assert [line for part in blocks for line in part.split(b"\n") if line] == list(
        filter(None, lines)
    )
    assert all(part.count(b"\n") <= most for part in blocks)


@pytest.mark.parametrize("text", [b"x" * 101, b"x" * 101 + b"\n", b"a\n" + b"x" * 101 + b"\nb"])
def test_a_line_without_end_is_not_read_on_and_on(text: bytes) -> None:
    with pytest.raises(TooLarge, match="at most 100 bytes"):
        list(line_blocks(io.BytesIO(text), 10, 100))


def test_lines_need_no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    assert list(line_blocks(io.BytesIO(b"1\n2"))) == [b"1\n", b"2"]


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 11])
def test_batches_are_cut_and_keep_their_rows(rows: int) -> None:
    batch = pa.RecordBatch.from_pydict({"n": pa.array(range(rows), pa.int64())})

    parts = read(stream(batch, batch), max_rows=4)

    assert max(map(len, parts)) <= 4
    assert pa.Table.from_batches(parts)["n"].to_pylist() == [*range(rows)] * 2


def test_a_stream_of_no_batch_has_an_empty_one() -> None:
    schema = pa.schema([("n", pa.int64()), ("t", pa.dictionary(pa.int8(), pa.string_view()))])

    (only,) = read(stream(schema=schema))

    assert (len(only), only.schema) == (0, schema)


def test_columns_that_nobody_wants_are_not_looked_at() -> None:
    batch = pa.RecordBatch.from_pydict({"n": [1], "other": [[1, 2]]})

    assert read(stream(batch), wanted={"n"})[-1].to_pydict() == {"n": [1]}
    with pytest.raises(InvalidApplication, match=r"plain values, got list<.*'other'"):
        read(stream(batch))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_a_dictionary_is_no_longer_than_a_slice_may_be(kind: pa.DataType) -> None:
    texts = pa.array([str(i) for i in range(1000)], kind)
    codes = pa.array([999, 3, None, 3, 0, 500, 500], pa.int16())
    batch = pa.RecordBatch.from_pydict({"t": pa.DictionaryArray.from_arrays(codes, texts)})

    parts = list(sound_slices(batch, 4))

    assert [len(part["t"].dictionary) for part in parts] == [2, 2]
    assert pa.Table.from_batches(parts).to_pylist() == batch.to_pylist()


def test_views_of_the_same_bytes_do_not_add_up_without_end() -> None:
    _, view, text = pa.array(["x" * 2_000_000], pa.string_view()).buffers()
    views = pa.py_buffer(view.to_pybytes()[:16] * 100)
    column = pa.Array.from_buffers(pa.string_view(), 100, [None, views, text])
    batch = pa.RecordBatch.from_arrays([column], ["t"])

    with pytest.raises(pa.ArrowInvalid, match="views of 200000000 bytes"):
        list(sound_slices(batch))


@pytest.mark.parametrize("cut", [0, 1, 5, 60, 300, -1, -9, -20, -200])
def test_a_stream_that_is_cut_is_refused(cut: int) -> None:
    batch = pa.RecordBatch.from_pydict({"n": [1, 2], "t": pa.array(["a", "b"])})
    data = stream(batch, batch)

    with pytest.raises(InvalidApplication, match="Expected an Arrow IPC stream"):
        read(data[: cut or 0])


def test_more_after_the_end_is_refused() -> None:
    data = stream(pa.RecordBatch.from_pydict({"n": [1]}))

    with pytest.raises(InvalidApplication, match="more bytes after its end"):
        read(data + data)


def test_codes_and_offsets_that_point_outside_are_refused() -> None:
    codes = pa.array([0, 7], pa.int8())
    texts = pa.DictionaryArray.from_arrays(codes, pa.array(["a"]), safe=False)
    offsets = pa.array([0, 900_000, 1], pa.int32()).buffers()[1]
    far = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"ab"))

    for column in (texts, far):
        batch = pa.RecordBatch.from_arrays([column], ["t"])
        with pytest.raises(pa.ArrowInvalid):
            list(sound_slices(batch))


def scored(data: bytes) -> int:
    """Applications of a stream that are scored; the others are refused."""
    encoder = ColumnEncoder(Encoder(["age", "home=owner", "home=rent"]))
    batches = arrow_batches(io.BytesIO(data), {"age", "home"}, max_bytes=10**7)
    return sum(len(encoder.encode(batch).rows) for batch in batches)


def texts_of(kind: pa.DataType) -> pa.Array:
    texts = pa.array(["owner", "rent"])
    return texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts.cast(kind)


DAY, CENT = datetime.date(2020, 1, 1), decimal.Decimal("1.25")
KINDS: list[tuple[pa.DataType, Any]] = [
    (pa.decimal32(9, 2), CENT),
    (pa.decimal64(18, 2), CENT),
    (pa.decimal128(38, 2), CENT),
    (pa.decimal256(76, 2), CENT),
    (pa.int8(), 1),
    (pa.uint64(), 1),
    (pa.float16(), 1.0),
    (pa.float64(), 1.0),
    (pa.bool_(), True),
    (pa.date32(), DAY),
    (pa.date64(), DAY),
    (pa.timestamp("ns", "UTC"), datetime.datetime(2020, 1, 1)),
    (pa.time64("ns"), 1),
    (pa.duration("s"), 1),
    (pa.month_day_nano_interval(), (1, 2, 3)),
    (pa.binary(3), b"abc"),
    (pa.string(), "1"),
    (pa.string_view(), "1"),
    (pa.null(), None),
    (pa.list_(pa.int8()), [1]),
    (pa.run_end_encoded(pa.int32(), pa.float32()), 1.0),
    (pa.dictionary(pa.int8(), pa.float64()), 1.0),
]
TEXT_KINDS = [
    pa.string(),
    pa.large_binary(),
    pa.string_view(),
    pa.dictionary(pa.int8(), pa.string()),
]


@pytest.mark.slow
@pytest.mark.parametrize("codec", [None, "zstd"])
@pytest.mark.parametrize("kind", TEXT_KINDS, ids=str)
def test_a_damaged_stream_of_any_type_is_refused_in_our_words(
    kind: pa.DataType, codec: str | None
) -> None:
    texts = texts_of(kind)
    columns = [(pa.array([value] * 2, number), texts) for number, value in KINDS]
    whole = [
        stream(pa.RecordBatch.from_arrays(list(pair), ["age", "home"]), compression=codec)
        for pair in columns
    ]
    # Not secret: the same bytes in every run.
    pick = random.Random(7)  # noqa: S311
    refused = 0
    for _ in range(int(os.environ.get("FUZZ", "8000")) // 8):
        damaged = bytearray(pick.choice(whole))
        for _ in range(pick.choice([1, 1, 2, 4])):
            place = pick.randrange(len(damaged))
            flipped = damaged[place] ^ 1 << pick.randrange(8)
            damaged[place] = pick.choice([flipped, pick.randrange(256), 0, 255])
        try:
            scored(bytes(damaged))
        except (InvalidApplication, TooLarge):
            refused += 1

    assert refused > 100


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS if pa.types.is_decimal(kind)], ids=str)
@pytest.mark.parametrize("scale", [77, 1000, 2**31 - 1, -77, -(2**31)])
def test_a_decimal_of_an_impossible_scale_is_refused(kind: pa.DataType, scale: int) -> None:
    texts = pa.array(["owner", "rent"])
    batch = pa.RecordBatch.from_arrays([pa.array([CENT] * 2, kind), texts], ["age", "home"])
    data, two = stream(batch), struct.pack("<i", 2)
    assert scored(data) == 2
    told = []
    for place in range(0, len(data), 4):
        if data[place : place + 4] == two:
            try:
                scored(data[:place] + struct.pack("<i", scale) + data[place + 4 :])
            except InvalidApplication as error:
                told.append(error.expected)

    assert f"a decimal of a scale up to {arrow_stream.MAX_SCALE[kind.bit_width]}" in told


def test_values_that_python_does_not_have_are_refused_by_row() -> None:
    beyond = pa.array([2**31 - 1], pa.int32()).cast(pa.date32())
    batch = pa.RecordBatch.from_arrays([beyond, pa.array(["rent"])], ["age", "home"])

    (_, encoded) = map(ColumnEncoder(Encoder(["age", "home=rent"])).encode, read(stream(batch)))

    assert [error.got for error in encoded.refused] == ["a value that cannot be read"]


@pytest.mark.slow
@pytest.mark.parametrize("codec", [None, "zstd"])
def test_a_damaged_stream_is_is_refused_or_scored_but_never_kills(
    trained: Trained, codec: str | None
) -> None:
    batch = generate(300, fields=trained.encoder.fields).to_arrow()
    whole = stream(batch, compression=codec)
    wanted = {field.name for field in trained.encoder.fields}
    # Not secret: the same bytes in every run.
    pick = random.Random(5)  # noqa: S311
    refused = 0
    for _ in range(1500):
        damaged = bytearray(whole)
        # The metadata stand at the beginning: more of the flips there.
        for _ in range(pick.choice([1, 2, 8])):
            damaged[pick.randrange(pick.choice([3000, len(whole)]))] = pick.randrange(256)
        encoder = ColumnEncoder(trained.encoder)
        try:
            for batch in arrow_batches(io.BytesIO(damaged), wanted, max_bytes=10**8):
                encoder.encode(batch.slice(0, 50))
        except (InvalidApplication, TooLarge):
            refused += 1

    assert refused > 100


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_what_unpacks_to_more_than_it_may_is_not_unpacked(codec: str) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 5000), pa.array(["x" * 100_000]))
    number = pa.array(np.zeros(100_000))
    for column, size in ((number, 800_000), (texts, 100_000 + 4 * 2 + 8 * 5000)):
        batch = pa.RecordBatch.from_arrays([column], ["n"])
        data = stream(batch, compression=codec)
        assert len(data) < 20_000

        assert pa.Table.from_batches(read(data, max_bytes=size)).num_rows == len(batch)
        with pytest.raises(TooLarge, match="bytes when unpacked"):
            read(data, max_bytes=size - 1)


def test_what_arrow_0_17_compressed_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    data = old_bomb(8_000_000)
    assert len(data) < 2000

    assert len(read(data, max_bytes=9_000_000)[-1]) == 34
    with pytest.raises(TooLarge, match="at most 7000000 bytes when unpacked"):
        read(data, max_bytes=7_000_000)
    # An operator's own file: of each record batch, whatever all of them take.
    monkeypatch.setattr(arrow_limits, "MAX_UNPACKED_BYTES", 7_000_000)
    with pytest.raises(TooLarge, match="Write smaller record batches"):
        read(data)


def test_an_operators_file_may_unpack_to_more_than_one_batch_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = pa.RecordBatch.from_pydict({"n": np.zeros(1000)})
    monkeypatch.setattr(arrow_limits, "MAX_UNPACKED_BYTES", 8000)

    assert len(read(stream(*[batch] * 5, compression="zstd"))) == 6


@pytest.mark.parametrize("claim", [2**62, 8, 0, -1, -2, -(2**63)])
def test_a_buffer_that_lies_about_its_size_takes_no_memory(claim: int) -> None:
    batch = pa.RecordBatch.from_pydict({"n": np.zeros(100_000)})
    data = stream(batch, compression="zstd")
    lying = data.replace(struct.pack("<q", 800_000), struct.pack("<q", claim))
    assert lying != data

    with pytest.raises((InvalidApplication, TooLarge)):
        read(lying, max_bytes=10**6)


def test_looking_at_messages_changes_nothing(trained: Trained) -> None:
    batch = generate(9000, fields=trained.encoder.fields).to_arrow()
    for options in ({}, {"use_legacy_format": True}, {"compression": "zstd"}):
        data = stream(batch, batch, **options)

        assert read(data, max_bytes=10**9) == read(data)


def test_a_sound_stream_gives_the_rows_of_its_batch(trained: Trained) -> None:
    batch = generate(9000, fields=trained.encoder.fields).to_arrow()
    encoder = ColumnEncoder(trained.encoder)
    expected = encoder.encode(batch).rows.copy()

    parts = [ColumnEncoder(trained.encoder).encode(part).rows for part in read(stream(batch))]

    assert_same_bits(expected=expected, got=np.concatenate(parts))
    assert arrow_stream.BATCH_ROWS > 9000
