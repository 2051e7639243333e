"""A long JSON array is read as Python's decoder reads it, and other threads go on meanwhile."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bentoml_ext.encoders import json_array as json_array_module
from bentoml_ext.encoders import json_decoder, strict_json
from bentoml_ext.encoders.json_array import json_array
from bentoml_ext.encoders.json_decoder import JsonDecoder
from bentoml_ext.encoders.strict_json import Doubled, json_value
from bentoml_ext.errors import InvalidApplication, TooLarge
from models.fields import EXAMPLE
from models.training import Trained

MB = 1024 * 1024
ONE = json.dumps(EXAMPLE).encode()
MOST = 10_000

TEXTS = st.one_of(
    st.sampled_from(
        ["NaN", "-Infinity", "1.5e+3", "-0", "tru", '"\\ud800"', '"\\u00', "1e400", "\\"]
    ),
    st.sampled_from(["[", "]", "{", "}", ",", ":", " ", "\n", '"', "\u00e9", "\0", "9" * 30]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=8,
    ).map(json.dumps),
)


def outcome(read: Callable[[], Any]) -> tuple[str, Any]:
    """What is read, with its doubled keys; or what is said."""
    try:
        value = read()
    except InvalidApplication as error:
        return "refused", str(error)
    doubled = [one.values_of for one in value if isinstance(one, Doubled)] if value else []
    # NaN is no other NaN.
    return "read", repr((value, doubled))


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(TEXTS, max_size=12),
    joint=st.sampled_from([",", " , ", "\n,", ",,", ""]),
    piece=st.integers(40, 90),
    end=st.sampled_from(["]", "]  ", ",]", "", "]]", "] x"]),
)
@example(parts=['{"a": 1, "a": 2}'] * 9, joint=",", piece=40, end="]")
def test_an_array_in_pieces_is_the_array(
    parts: list[str], joint: str, piece: int, end: str
) -> None:
    text = ("[" + joint.join(parts) + end).encode("utf-8", "surrogatepass")
    try:
        found = outcome(lambda: json_array(text, MOST, piece))
    except TooLarge:
        # An element of its own, or an error that only a longer piece would show.
        assert (
            max(map(len, parts)) > piece - 20 or outcome(lambda: json_value(text))[0] == "refused"
        )
        return

    # Python 3.13 has other words for a comma before the end.
    if end != ",]":
        assert found == outcome(lambda: json_value(text))
    assert found[0] == outcome(lambda: json_value(text))[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_a_long_array_has_no_more_elements_than_it_may(encoding: str) -> None:
    text = json.dumps([EXAMPLE, *range(30), EXAMPLE]).encode(encoding)

    assert json_array(text, 32, 500) == json_value(text)
    with pytest.raises(InvalidApplication, match="at most 31 applications, got more"):
        json_array(text, 31, 500)


def test_a_long_element_is_refused_and_says_which() -> None:
    text = json.dumps([1, {"note": "x" * MB}, 2]).encode()

    with pytest.raises(
        TooLarge, match=r"at most 1048576 characters, got more - at application 1\."
    ):
        json_array(text, MOST)


def test_a_long_object_is_no_array() -> None:
    with pytest.raises(InvalidApplication, match="an array of applications, got an object"):
        json_array(b' {"note": "%b"}' % (b"x" * MB), MOST)


CUTS = [
    b"[%b,%b]",
    b"[%b,%b,]",
    b"[%b,%b,,]",
    b"[%b,%b",
    b"[%b,%b]]",
    b"[%b],[%b]",
    b"[%b, %b, {}]",
    b"[[%b,%b]]",
    b"[%b,%b,]]",
    b"[%b,%b} , ]",
    b"%b,%b",
    b'[%b,{"a":"},{"},%b]',
]


@pytest.mark.parametrize("shape", CUTS)
@pytest.mark.parametrize("size", [0, 1, len(ONE) - 1, len(ONE), 3 * len(ONE)])
def test_a_batch_in_pieces_is_the_batch(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, shape: bytes, size: int
) -> None:
    short = JsonDecoder(trained.encoder)
    text = shape % (b",".join([ONE] * 3), b",".join([ONE] * 2))
    whole = short.many(text)
    monkeypatch.setattr(json_decoder, "PIECE_BYTES", size)

    assert short.many(text) == whole
    assert (whole is None) == (shape != CUTS[0])


class Decoder:
    """A decoder of C that notes the turns which another thread has had before each of its calls.

    A call lets no other thread run. Between two calls another thread may.

    Args:
        call: the decoder's own method.
        so_far: how often the other thread has had its turn.
    """

    def __init__(self, call: Callable[..., Any], so_far: Callable[[], int]) -> None:
        self._call, self._so_far = call, so_far
        self.noted: list[int] = []

    def decode(self, *given: Any) -> Any:
        self.noted.append(self._so_far())
        return self._call(*given)

    raw_decode = decode


def others_go_on(decoder: Decoder, read: Callable[[], object]) -> bool:
    """Whether another thread has its turn between the first and the last call of a reading.

    On a busy machine it may have none, so this reads again: the number of calls is what the reading
    decides, not which thread the machine lets run.
    """
    while True:
        decoder.noted.clear()
        read()
        if len(decoder.noted) < 32:
            return False
        if decoder.noted[-1] > decoder.noted[1]:
            return True


@contextmanager
def turns() -> Iterator[Callable[[], int]]:
    """How often another thread, which wants to run all the time, has had its turn."""
    taken, ended = count(), threading.Event()
    seen = [0]

    def run() -> None:
        while not ended.is_set():
            # Lets the other one go on, as an event loop does that waits for the network.
            time.sleep(0.0001)
            seen[0] = next(taken)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: seen[0]
    finally:
        ended.set()
        thread.join()
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("unit", [b"1.5,", b"[],"])
def test_other_threads_go_on_while_an_array_is_read(
    monkeypatch: pytest.MonkeyPatch, unit: bytes
) -> None:
    text = b"[" + unit * (MB // len(unit)) + b"1]"
    with turns() as so_far:
        decoder = Decoder(strict_json.DECODER.raw_decode, so_far)
        monkeypatch.setattr(json_array_module, "DECODER", decoder)

        assert others_go_on(decoder, lambda: json_array(text, MB, piece=MB // 64))
    assert len(decoder.noted) >= text.count(b",") + 1


def test_other_threads_go_on_while_a_plain_batch_is_read(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, text = JsonDecoder(trained.encoder), b"[" + b",".join([ONE] * 10_000) + b"]"
    monkeypatch.setattr(json_decoder, "PIECE_BYTES", len(text) // 64)
    with turns() as so_far:
        decoder = Decoder(short._many.decode, so_far)
        monkeypatch.setattr(short, "_many", decoder)

        assert others_go_on(decoder, lambda: short.many(text))
    # One call of msgspec would hold Python's lock from the first application to the last.
    assert len(decoder.noted) > 60
