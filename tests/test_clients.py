"""Clients as others write them: each gets the answers that a plain POST gets."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import bentoml
import pytest

from models.fields import EXAMPLE
from tests.servers import Server, serve

ASK = Path(__file__).parent / "clients" / "Ask.java"
JSON, NDJSON = "application/json", "application/x-ndjson"
ONE = json.dumps(EXAMPLE).encode()


@pytest.fixture(scope="module")
def long_server(home: Path, credit_model: bentoml.Model) -> Iterator[Server]:
    """The credit service without the shortcut."""
    with serve(home, BACKEND="onnx", FASTPATH="off") as server:
        yield server


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
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

    expected = []
    for path, kind, file in made:
        expected += [f"HTTP_1_1 200 {asked(server, path, file.read_bytes(), kind).strip()}"] * 3
    # An answer of NDJSON has a line for each of two.
    assert told.strip() == "\n".join(expected)
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
        told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        if "HTTP/2" in told.stderr:
            pytest.skip("this curl has no HTTP/2")

        assert told.stdout == asked(server, path, file.read_bytes(), kind) * 2
