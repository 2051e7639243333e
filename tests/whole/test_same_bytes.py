"""With and without the fast path, the service answers every request the same."""

from __future__ import annotations

import json
import random
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import bentoml
import pytest

from bentoml_ext.encoders.encoder import Application
from models.fields import EXAMPLE
from tests.support.servers import Server, serve

# Random, or the time of day.
DIFFERS = {"date", "x-bentoml-request-id"}
JSON = "application/json"

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="session")
def long_xgboost_server(home: Path, credit_model: bentoml.Model) -> Iterator[Server]:
    """The credit service on XGBoost, without the fast path."""
    with serve(home, BACKEND="xgboost", FASTPATH="off") as server:
        yield server


@pytest.fixture(
    scope="module",
    params=[
        ("onnx_server", "long_server"),
        pytest.param(("xgboost_server", "long_xgboost_server"), marks=pytest.mark.slow),
    ],
    ids=["onnx", "xgboost"],
)
def pair(request: pytest.FixtureRequest) -> tuple[Server, Server]:
    """The service with the fast path and without, on one backend."""
    short, long = map(request.getfixturevalue, request.param)
    assert short.client.get("/model").json()["fastpath"] is True
    assert long.client.get("/model").json()["fastpath"] is False
    return short, long


def ask(server: Server, path: str, body: bytes, content_type: str | None = JSON) -> Answer:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = server.client.post(path, content=body, headers=headers)
    told = {name: value for name, value in answer.headers.items() if name not in DIFFERS}
    assert set(answer.headers) >= {"date", "server"}
    return answer.status_code, told, answer.content


def assert_same(
    pair: tuple[Server, Server], path: str, body: bytes, kind: str | None = JSON
) -> int:
    short, long = (ask(server, path, body, kind) for server in pair)
    assert short == long, body[:200]
    return short[0]


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


NUMBERS: list[Any] = [
    0,
    -0.0,
    1,
    1.0,
    2.5,
    -1,
    1e3,
    99999999,
    99999999.0,
    99999998.5,
    1e8,
    1e39,
    None,
]
NUMBERS += [
    3.4028234e38,
    3.5e38,
    1e-46,
    10**20,
    10**400,
    float("nan"),
    float("-inf"),
    True,
    "5",
    [],
]
TEXTS: list[Any] = [
    "owner",
    "unk",
    "no",
    "fixed",
    "single",
    "",
    "OWNER",
    "caf\u00e9",
    "\ud800",
    "\0",
    7,
]
TEXTS += [None, {"a": 1}, "x" * 10_000]


def applications(count: int, real: list[Application]) -> Iterator[dict[str, Any]]:
    """Right ones, and ones with a field or two changed to something odd."""
    # Not secret: the same bodies in every run.
    pick = random.Random(7)  # noqa: S311
    for _ in range(count):
        application = dict(pick.choice(real))
        for name in pick.sample(sorted(application), pick.choice([0, 0, 1, 2])):
            odd = TEXTS if isinstance(EXAMPLE[name], str) else NUMBERS
            application[name] = pick.choice(odd)
        if pick.random() < 0.1:
            application.pop(pick.choice(sorted(application)))
        if pick.random() < 0.1:
            application[pick.choice(["note", "Age", "", "\u00e9"])] = pick.choice(TEXTS + NUMBERS)
        yield application


@pytest.mark.slow
def test_thousands_of_applications(
    pair: tuple[Server, Server], held_out: list[Application]
) -> None:
    statuses = [assert_same(pair, "/classify", text(a)) for a in applications(1500, held_out)]

    assert min(statuses.count(200), statuses.count(400)) > 100


def test_hundreds_of_batches(pair: tuple[Server, Server], held_out: list[Application]) -> None:
    pick = random.Random(8)  # noqa: S311
    odd = list(applications(300, held_out))
    for _ in range(150):
        right = pick.choices(held_out, k=pick.choice([0, 1, 2, 30, 700]))
        batch = right + pick.choices(odd, k=pick.choice([0, 0, 1]))
        assert_same(pair, "/classify_batch", text(batch))


GOOD = text(EXAMPLE)
BODIES = {
    "empty": b"",
    "spaces": b"  ",
    "padded": b" \n\t" + GOOD + b"\r\n ",
    "cut": GOOD[:-1],
    "more": GOOD + b"{}",
    "twice": GOOD + GOOD,
    "null": b"null",
    "array": b"[" + GOOD + b"]",
    "nested": b'{"a":' * 50 + b"1" + b"}" * 50,
    "deep": b"[" * 200_000,
    "UTF-16": EXAMPLE.__repr__().encode("utf-16"),
    "UTF-16 JSON": GOOD.decode().encode("utf-16"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + GOOD,
    "not UTF-8": GOOD.replace(b"owner", b"own\xff"),
    "not UTF-8 in another key": b'{"z":"\xff",' + GOOD[1:],
    "a lone surrogate in another key": b'{"z":"\\ud800",' + GOOD[1:],
    "a bad escape in another key": b'{"z":"\\q",' + GOOD[1:],
    "duplicate key, last right": b'{"age":"x",' + GOOD[1:],
    "duplicate key, last wrong": GOOD[:-1] + b',"age":-1}',
    "duplicate key, both right": GOOD[:-1] + b',"age":70}',
    "duplicate category": GOOD[:-1] + b',"home":"rent"}',
    "escaped category": GOOD.replace(b"owner", b"\\u006fwner"),
    "escaped key": GOOD.replace(b"home", b"\\u0068ome"),
    "single quotes": GOOD.replace(b'"', b"'"),
    "trailing comma": GOOD[:-1] + b",}",
    "comment": GOOD + b"// no",
    "NaN": GOOD.replace(b"26", b"NaN"),
    "plus": GOOD.replace(b"26", b"+26"),
    "leading zero": GOOD.replace(b"26", b"026"),
    "dot": GOOD.replace(b"26", b"26."),
    "no digit": GOOD.replace(b"26", b".5"),
    "exponent": GOOD.replace(b"26", b"2.6E+1"),
    "minus zero": GOOD.replace(b"26", b"-0"),
    "tiny": GOOD.replace(b"26", b"1e-400"),
    "huge": GOOD.replace(b"26", b"1e400"),
    "long number": GOOD.replace(b"26", b"26." + b"0" * 5000 + b"1"),
    "long whole number": GOOD.replace(b"26", b"9" * 5000),
    "17 digits": GOOD.replace(b"800", b"800.00000000000011369"),
    "half a float32": GOOD.replace(b"800", b"16777217"),
    "zero byte": GOOD + b"\0",
    "control character": GOOD.replace(b"owner", b"ow\nner"),
}


@pytest.mark.parametrize("name", BODIES)
def test_odd_bodies(pair: tuple[Server, Server], name: str) -> None:
    for path in ("/classify", "/classify_batch"):
        assert_same(pair, path, BODIES[name])
    assert_same(pair, "/classify_batch", b"[" + GOOD + b"," + BODIES[name] + b"]")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json; charset=utf-8",
        "application/json;charset=latin-1",
        "APPLICATION/JSON",
        "application/jsonx",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/vnd.bentoml+pickle",
        "application/octet-stream",
    ],
)
def test_other_content_types(pair: tuple[Server, Server], content_type: str | None) -> None:
    for body in (GOOD, b"{", b""):
        assert_same(pair, "/classify", body, content_type)


def test_other_methods_and_paths(pair: tuple[Server, Server]) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"):
        for path in ("/classify", "/classify_batch", "/classify/", "//classify", "/nowhere"):
            answers = [server.client.request(method, path) for server in pair]
            assert len({(answer.status_code, answer.content) for answer in answers}) == 1


def test_a_query_changes_nothing(pair: tuple[Server, Server]) -> None:
    assert assert_same(pair, "/classify?a=1", GOOD) == 200


def test_a_batch_over_the_limit(pair: tuple[Server, Server]) -> None:
    assert assert_same(pair, "/classify_batch", text([EXAMPLE] * 10_000)) == 200
    assert assert_same(pair, "/classify_batch", text([EXAMPLE] * 10_001)) == 400


def test_too_long_a_body(pair: tuple[Server, Server]) -> None:
    body = b'{"z":"' + b"a" * 1_000_000 + b'",' + GOOD[1:]

    assert assert_same(pair, "/classify", body) == 200
    assert assert_same(pair, "/classify", body.ljust(2_000_000)) == 413


def raw(server: Server, *parts: bytes, end: bool = False, first_s: float = 10) -> bytes:
    """What comes back for these bytes on one connection, without what differs by chance.

    Args:
        server: to ask.
        parts: what to send.
        end: whether to tell that no more will be sent.
        first_s: how long the first answer may take.
    """
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        for part in parts:
            connection.sendall(part)
        if end:
            connection.shutdown(socket.SHUT_WR)
        came = b""
        connection.settimeout(first_s)
        with suppress(TimeoutError, ConnectionResetError):
            while piece := connection.recv(65536):
                came += piece
                # Some stay open, waiting for more: what does not come in a second will not come.
                connection.settimeout(1)
    came = re.sub(rb"date: [^\r]*|x-bentoml-request-id: [^\r]*", b"", came)
    # The order of headers does not matter.
    heads = [sorted(head.split(b"\r\n")) for head in came.split(b"\r\n\r\n")]
    return repr(heads).encode()


def request(
    body: bytes, *headers: bytes, version: bytes = b"1.1", path: bytes = b"/classify"
) -> bytes:
    lines = [b"POST " + path + b" HTTP/" + version, b"Host: x", b"Content-Type: application/json"]
    return b"\r\n".join([*lines, *headers, b"", b""]) + body


LENGTH = b"Content-Length: %d" % len(GOOD)
CLOSE = b"Connection: close"
CHUNKS = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (20, GOOD[:20], len(GOOD) - 20, GOOD[20:])
KEPT = request(GOOD, LENGTH)
WIRE: dict[str, list[bytes]] = {
    "one": [request(GOOD, LENGTH, CLOSE)],
    "one after the other": [KEPT, KEPT, request(GOOD, LENGTH, CLOSE)],
    "right, wrong, right": [KEPT, request(b"{", b"Content-Length: 1"), KEPT],
    "cut in the head": [KEPT, KEPT[:30], KEPT[30:], KEPT],
    "cut in the body": [KEPT, KEPT[:-30], KEPT[-30:], KEPT],
    "one and a half": [KEPT + KEPT[:99], KEPT[99:] + KEPT, KEPT],
    "two lengths": [request(GOOD, LENGTH, LENGTH)],
    "a length and chunks": [request(CHUNKS, LENGTH, b"Transfer-Encoding: chunked")],
    "a line goes on": [request(GOOD, b"X: y\r\n z", LENGTH), KEPT],
    "bare line ends": [KEPT.replace(b"\r\n", b"\n")],
    "a whole address": [request(GOOD, LENGTH, path=b"http://x/classify"), KEPT],
    "another case": [KEPT.replace(b"POST", b"post")],
    "upgrades": [request(GOOD, LENGTH, b"Connection: Upgrade", b"Upgrade: h2c")],
    "HTTP/1.0": [request(GOOD, LENGTH, version=b"1.0")],
    "HTTP/1.0 kept": [request(GOOD, LENGTH, b"Connection: keep-alive", version=b"1.0")],
    "chunked": [request(CHUNKS, b"Transfer-Encoding: chunked", CLOSE)],
    "chunked and cut": [request(CHUNKS[:-9], b"Transfer-Encoding: chunked", CLOSE)],
    "in two": [request(b"", LENGTH, CLOSE), GOOD],
    "byte by byte": [request(b"", LENGTH, CLOSE), *(bytes([b]) for b in GOOD)],
    "cut": [request(GOOD[:50], LENGTH, CLOSE)],
    "too long": [request(GOOD + b"x", LENGTH, CLOSE)],
    "pipelined": [request(GOOD, LENGTH) * 3 + request(GOOD, LENGTH, CLOSE)],
    "pipelined, bad among them": [
        request(GOOD, LENGTH) + request(b"{", b"Content-Length: 1") + request(GOOD, LENGTH, CLOSE)
    ],
    "expects 100": [request(b"", LENGTH, b"Expect: 100-continue", CLOSE), GOOD],
    "no length": [request(b"", CLOSE)],
    "two content types": [request(GOOD, LENGTH, b"Content-Type: text/plain", CLOSE)],
    "traced": [
        request(GOOD, LENGTH, b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", CLOSE)
    ],
    "not HTTP": [b"hello\r\n\r\n"],
}
SILENT = {"cut", "chunked and cut"}
"""The rest never comes, and no answer: none is waited for."""


@pytest.fixture(scope="module")
def on_the_wire(pair: tuple[Server, Server]) -> dict[str, list[bytes]]:
    """What both servers send back, by name. All is asked at once: each silence takes a second."""
    with ThreadPoolExecutor(2 * len(WIRE)) as at_once:
        asked = {
            name: [
                at_once.submit(raw, server, *parts, first_s=0.5 if name in SILENT else 10)
                for server in pair
            ]
            for name, parts in WIRE.items()
        }
    return {name: [answer.result() for answer in both] for name, both in asked.items()}


@pytest.mark.parametrize("name", WIRE)
def test_odd_ways_of_sending(on_the_wire: dict[str, list[bytes]], name: str) -> None:
    short, long = on_the_wire[name]

    assert short == long
    assert (b"HTTP/1.1 " in short) == (name not in SILENT)


@pytest.mark.parametrize("body", [GOOD, b"{", b"[]"], ids=["right", "cut", "wrong"])
def test_a_client_that_sends_no_more_gets_its_answer(
    pair: tuple[Server, Server], body: bytes
) -> None:
    sent = request(body, b"Content-Length: %d" % len(body))
    for _ in range(10):
        short, long = (raw(server, sent, end=True) for server in pair)

        assert short == long
        assert b"HTTP/1.1 " in short
