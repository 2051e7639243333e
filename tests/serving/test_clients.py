"""Clients as others write them: each gets the answers that a plain POST gets."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from models.fields import EXAMPLE
from tests.support.servers import Server

ASK = Path(__file__).parent / "Ask.java"
JSON, NDJSON = "application/json", "application/x-ndjson"
ONE = json.dumps(EXAMPLE).encode()


@pytest.fixture(scope="module", params=["on", "off"])
def server(request: pytest.FixtureRequest, onnx_server: Server, long_server: Server) -> Server:
    """The credit service, by FASTPATH."""
    return onnx_server if request.param == "on" else long_server


def asked(server: Server, path: str, body: bytes, kind: str = JSON) -> str:
    answer = server.client.post(path, content=body, headers={"content-type": kind})
    assert answer.status_code == 200, answer.text
    return answer.text


def bodies(folder: Path) -> list[tuple[str, str, Path]]:
    """A route, a content type and a file of each kind of body."""
    made: list[tuple[str, str, Path]] = []
    for path, kind, body in (
        ("/classify", JSON, ONE),
        ("/classify_batch", JSON, b"[" + ONE + b"," + ONE + b"]"),
        ("/classify_batch", NDJSON, ONE + b"\n" + ONE + b"\n"),
    ):
        file = folder / f"{len(made)}.body"
        file.write_bytes(body)
        made.append((path, kind, file))
    return made


@pytest.mark.skipif(shutil.which("java") is None, reason="no JDK is on this machine")
def test_javas_client_is_answered_whole_and_in_chunks(server: Server, tmp_path: Path) -> None:
    made = bodies(tmp_path)
    words = [str(w) for path, kind, file in made for w in (server.url + path, kind, file)]
    command = ["java", str(ASK), *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)

    expected = []
    for path, kind, file in made:
        expected += [f"HTTP_1_1 200 {asked(server, path, file.read_bytes(), kind).strip()}"] * 3
    # An answer of NDJSON has a line for each of two.
    assert ended.stdout.strip() == "\n".join(expected)
    assert "Unsupported upgrade" not in server.log


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl is on this machine")
@pytest.mark.parametrize("header", [[], ["-H", "Transfer-Encoding: chunked"]])
def test_curl_that_offers_http2_is_answered(
    server: Server, tmp_path: Path, header: list[str]
) -> None:
    for path, kind, file in bodies(tmp_path):
        url, body = server.url + path, f"@{file}"
        typed = ["-H", f"Content-Type: {kind}", "--data-binary", body]
        # Twice, so that the second goes on the connection of the first.
        command = ["curl", "-sS", "--http2", *header, *typed, url, url]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        if "HTTP/2" in ended.stderr:
            pytest.skip("this curl has no HTTP/2")

        assert ended.stdout == asked(server, path, file.read_bytes(), kind) * 2


def told(server: Server, path: str, body: bytes, **headers: str) -> tuple[int, str]:
    """Status, and what is said of it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = server.client.post(path, content=body, headers=named)
    error = answer.json()["error"] if answer.status_code >= 400 else answer.text
    return answer.status_code, error


PAIR = b"[" + ONE + b"," + ONE + b"]"
LINES = ONE + b"\n" + ONE + b"\n"
ROUTES = [
    ("/classify", JSON, ONE),
    ("/classify_batch", JSON, PAIR),
    ("/classify_batch", NDJSON, LINES),
]


@pytest.mark.parametrize(("path", "kind", "body"), ROUTES)
def test_a_packed_body_is_read_on_every_route(
    server: Server, path: str, kind: str, body: bytes
) -> None:
    bare = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(body),
        "x-gzip": gzip.compress(body[:50]) + gzip.compress(body[50:]),
        "GZip, identity": gzip.compress(body),
        "deflate": zlib.compress(body),
        "Deflate": bare.compress(body) + bare.flush(),
        "identity": body,
    }
    for coding, octets in packed.items():
        found = told(server, path, octets, content_type=kind, content_encoding=coding)
        assert found == (200, asked(server, path, body, kind)), coding

    for octets in (body, packed["gzip"][:-9], packed["gzip"] + b"x", b""):
        status, said = told(server, path, octets, content_type=kind, content_encoding="gzip")
        assert (status, "a body in gzip, as Content-Encoding says" in said) == (400, True)
    for coding in ("br", "zstd", "gzip, gzip", "rot13"):
        answer = server.client.post(
            path, content=body, headers={"content-type": kind, "content-encoding": coding}
        )
        assert answer.status_code == 415
        assert answer.headers["accept-encoding"] == "gzip, deflate"
        assert "at Content-Encoding. Send the body plain, or as gzip." in answer.json()["error"]


@pytest.mark.parametrize(("path", "kind", "body"), ROUTES[:2])
def test_what_a_packed_body_unpacks_to_has_a_limit(
    server: Server, path: str, kind: str, body: bytes
) -> None:
    bomb = gzip.compress(b" " * 17 * 1024 * 1024 + body)

    status, said = told(server, path, bomb, content_type=kind, content_encoding="gzip")

    assert (status, "bytes when unpacked, got more" in said) == (413, True)


@pytest.mark.parametrize(
    "name",
    [
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/json-lines",
        "text/x-ndjson",
        "Application/JSONL; charset=utf-8",
    ],
)
def test_lines_of_json_have_many_names(server: Server, name: str) -> None:
    expected = asked(server, "/classify_batch", LINES, NDJSON)

    assert asked(server, "/classify_batch", LINES, name) == expected


@pytest.mark.parametrize(("path", "kind", "body"), ROUTES)
def test_text_in_another_charset_is_refused_where_it_matters(
    server: Server, path: str, kind: str, body: bytes
) -> None:
    accent = body[:-1].replace(b"{", '{"note": "\u00e9", '.encode("latin-1")) + body[-1:]
    right = 200, asked(server, path, body, kind)
    for charset in ("utf-8", '"UTF-8"', "us-ascii", "ISO-8859-1", "windows-1252"):
        assert told(server, path, body, content_type=f"{kind}; charset={charset}") == right

    status, said = told(server, path, accent, content_type=f"{kind}; Charset=ISO-8859-1")
    assert status == 415
    assert "got charset=iso-8859-1 and more than ASCII - at Content-Type" in said
    status, said = told(server, path, accent, content_type=kind)
    assert (status, "0xe9" in said, "not UTF-8" in said) == (400, True, True)


def test_a_mark_at_the_start_and_utf_16_are_what_they_are(server: Server) -> None:
    marked = b"\xef\xbb\xbf"
    for path, kind, body in ROUTES:
        assert asked(server, path, marked + body, kind) == asked(server, path, body, kind)
    wide = ONE.decode().encode("utf-16")
    assert asked(server, "/classify", wide) == asked(server, "/classify", ONE)
    lines = LINES.decode().encode("utf-16")
    status, said = told(server, "/classify_batch", lines, content_type=NDJSON)
    assert (status, said.startswith("Expected lines in UTF-8, got UTF-16")) == (400, True)


def changed(**values: Any) -> bytes:
    return json.dumps(EXAMPLE | values).encode()


TWICE = ONE[:-1] + b', "age": 70}'
WRONG: dict[str, tuple[bytes, str]] = {
    "a text for a number": (changed(age="26"), 'got "26", a number written as a text'),
    "true": (changed(age=True), "got true"),
    "null": (changed(age=None), "got null"),
    "NaN": (changed(age=float("nan")), "got NaN"),
    "an object": (changed(age={"a": None}), 'got {"a": null}'),
    "another text": (changed(home="castle"), 'got "castle"'),
    "1e29": (changed(age=1e29), "at most 150, got 1e+29"),
    "a huge whole number": (changed(price=10**40), "at most 10000000, got 1000"),
    "a key twice": (TWICE, "got 2 values, 26 and 70 - at field 'age'"),
    "the same value twice": (ONE[:-1] + b', "age" : 26}', "got 2 values, 26 and 26"),
    "a key twice, escaped": (ONE[:-1] + b', "\\u0061ge": 70}', "got 2 values, 26 and 70"),
    "glued": (ONE + ONE, "got more after the first value, at character"),
    "Python's words": (ONE.replace(b"26", b"None"), "expecting value at character"),
    "a number of digits": (ONE.replace(b"26", b"9" * 5000), "a number of thousands of digits"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_as_json_spells_it_on_every_route(server: Server, name: str) -> None:
    body, expected = WRONG[name]
    many = {"/classify_batch": (b"[" + body + b"]", JSON), "/classify_batch?": (body, NDJSON)}
    for path, (octets, kind) in {"/classify": (body, JSON), **many}.items():
        status, said = told(server, path, octets, content_type=kind)
        # Within an array, what is glued lacks a comma.
        is_glued = name == "glued" and octets.startswith(b"[")
        cause = "expecting ',' delimiter" if is_glued else expected
        assert (status, cause in said) == (400, True), said


def test_a_body_that_is_no_json_is_called_what_it_is(server: Server) -> None:
    bodies = {
        b"": "got nothing",
        gzip.compress(ONE): "got gzip (send it with `Content-Encoding: gzip`)",
        b"PAR1....": "got Parquet",
        b"--x\r\n": "got a multipart form",
        b"age=26": "got the fields of a form",
        b"seniority=3&home=owner&income=0.0": "got the fields of a form",
        b"<a/>": "got XML or HTML",
        LINES: "one a line is NDJSON",
    }
    for body, expected in bodies.items():
        for path in ("/classify", "/classify_batch"):
            status, said = told(server, path, body, content_type="text/plain")
            assert (status, expected in said) == (400, True), said


QUERIES = {
    "on_error=report": "Expected 'fail' of JSON, got \"report\" - at on_error. Send NDJSON",
    "on_error=": "Expected 'fail' or 'report', got \"\" - at on_error.",
    "on_error=Report": "Expected 'fail' or 'report', got \"Report\" - at on_error.",
    "onerror=fail": 'Expected on_error, got "onerror" - at the query. Write it so.',
    "On-Error=report": 'Expected on_error, got "On-Error" - at the query. Write it so.',
    "on_error=fail&on_error=report": 'Expected one value, got "fail" and "report" - at on_error.',
}


@pytest.mark.parametrize("query", QUERIES)
def test_on_error_takes_what_it_knows(server: Server, query: str) -> None:
    for path, kind, body in ROUTES:
        if (kind, query) == (NDJSON, "on_error=report"):
            continue
        status, said = told(server, f"{path}?{query}", body, content_type=kind)
        assert (status, said.startswith(QUERIES[query])) == (400, True), said


def test_other_parameters_are_other_programs(server: Server) -> None:
    for path, kind, body in ROUTES:
        found = asked(server, f"{path}?_=123&on_error=fail&utm_source=x", body, kind)
        assert found == asked(server, path, body, kind)
