"""`bentoml serve` says where it listens and what to type, and what it says works."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bentoml_ext.serving.welcome import welcome
from models.fields import EXAMPLE
from tests.support.servers import Server


def told(capsys: pytest.CaptureFixture[str], prefix: str = "", **params: object) -> str:
    with click.Context(click.Command("serve")) as context:
        context.params = params
        welcome(EXAMPLE, prefix)
    return capsys.readouterr().err


def test_the_curl_that_a_server_prints_is_answered(
    onnx_server: Server, example_answer: bytes
) -> None:
    (line,) = [line for line in onnx_server.log.splitlines() if line.startswith("  curl ")]

    answered = subprocess.run(["sh", "-c", line], capture_output=True, check=True)

    assert answered.stdout == example_answer
    assert (
        f"{onnx_server.url}/   The model and its proof: {onnx_server.url}/model" in onnx_server.log
    )
    assert f"backend's bits: {onnx_server.url}/ui\n" in onnx_server.log
    assert (
        "It listens at 127.0.0.1 alone; `--host 0.0.0.0`, or BENTOML_HOST=0.0.0.0 before "
        "`make serve`, lets other machines ask."
    ) in onnx_server.log


@pytest.mark.parametrize("host", ["0.0.0.0", "::", None])  # noqa: S104
def test_a_server_that_listens_everywhere_says_so(
    capsys: pytest.CaptureFixture[str], host: str | None
) -> None:
    said = told(capsys, host=host, port=3100)

    assert "Every machine that reaches this one can ask at port 3100" in said
    assert "curl http://localhost:3100/classify" in said


def test_a_prefix_and_an_address_of_ipv6_are_in_what_is_typed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for prefix in ("v1", "/v1", "/v1/"):
        assert "curl http://[::1]:3000/v1/classify " in told(capsys, prefix, host="::1", port=3000)


def test_a_page_that_is_off_is_not_named(capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(click.Command("serve")) as context:
        context.params = {"host": "127.0.0.1", "port": 3000}
        welcome(EXAMPLE, ui=False)

    assert "/ui" not in capsys.readouterr().err


def test_a_text_with_an_apostrophe_stays_one_word_of_the_shell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with click.Context(click.Command("serve")) as context:
        context.params = {"host": "127.0.0.1", "port": 3000}
        welcome({"home": "owner's"})
    line = capsys.readouterr().err.splitlines()[-1]

    words = subprocess.run(
        ["sh", "-c", line.replace("curl", "printf '%s\\n'", 1)], capture_output=True, check=True
    )
    assert words.stdout.splitlines()[-1] == rb'{"home": "owner\u0027s"}'


def test_another_command_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(click.Command("build")):
        welcome(EXAMPLE)

    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_standard_error_stops_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(full, write_through=True))

        with click.Context(click.Command("serve")) as context:
            context.params = {"host": "127.0.0.1", "port": 3000}
            welcome(EXAMPLE)
