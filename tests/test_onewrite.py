"""One write for an answer: the names of uvicorn that it touches, and when it does not."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from bentoml_ext.serving.onewrite import OneWrite

HEADERS = [(b"x-backend", b"onnx"), (b"content-type", b"application/json")]


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))


class Flow:
    write_paused = False


class Event:
    is_set = False

    def set(self) -> None:
        self.is_set = True


def cycle(**changes: Any) -> tuple[Any, Transport, list[str]]:
    """uvicorn's own object for one request, as its protocol makes it."""
    transport, ended = Transport(), list[str]()
    arguments: dict[str, Any] = {
        "scope": {"type": "http", "method": "POST"},
        "transport": transport,
        "flow": Flow(),
        "logger": None,
        "access_logger": None,
        "access_log": False,
        "default_headers": [(b"date", b"today")],
        "message_event": Event(),
        "expect_100_continue": False,
        "keep_alive": True,
        "on_response": lambda: ended.append("response"),
    }
    return RequestResponseCycle(**{**arguments, **changes}), transport, ended


def test_an_answer_is_one_write_of_the_bytes_that_uvicorn_would_send() -> None:
    made, transport, ended = cycle()

    assert OneWrite(HEADERS).answer(made.send, b'{"a": 1}', b"7")
    assert ended == ["response"]
    assert made.response_complete
    assert transport.written == [
        b"HTTP/1.1 200 OK\r\ndate: today\r\nx-backend: onnx\r\ncontent-type: application/json\r\n"
        b'content-length: 8\r\nx-bentoml-request-id: 7\r\n\r\n{"a": 1}'
    ]


def test_uvicorn_itself_sends_the_same_bytes() -> None:
    one, theirs = cycle(), cycle()
    OneWrite(HEADERS).answer(one[0].send, b"{}", b"7")
    headers = [*HEADERS, (b"content-length", b"2"), (b"x-bentoml-request-id", b"7")]
    for message in (
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": b"{}"},
    ):
        with pytest.raises(StopIteration):
            theirs[0].send(message).send(None)

    assert b"".join(theirs[1].written) == b"".join(one[1].written)
    assert theirs[2] == one[2]
    # All that uvicorn's own way leaves behind is as it should be.
    same = ("response_started", "response_complete", "waiting_for_100_continue", "keep_alive")
    assert [getattr(theirs[0], name) for name in same] == [getattr(one[0], name) for name in same]


def test_the_date_is_todays() -> None:
    writer, (first, before, _) = OneWrite(HEADERS), cycle()
    second, after, _ = cycle(default_headers=[(b"date", b"tomorrow")])

    writer.answer(first.send, b"{}", b"1")
    writer.answer(second.send, b"{}", b"2")

    assert b"date: today\r\n" in before.written[0]
    assert b"date: tomorrow\r\n" in after.written[0]


class Paused(Flow):
    write_paused = True


@pytest.mark.parametrize(
    "special",
    [{"keep_alive": False}, {"access_log": True}, {"flow": Paused()}],
    ids=["closes", "logged", "paused"],
)
def test_an_answer_with_something_special_is_left_to_uvicorn(special: dict[str, Any]) -> None:
    made, transport, ended = cycle(**special)

    assert not OneWrite(HEADERS).answer(made.send, b"{}", b"7")
    assert (transport.written, ended, made.response_started) == ([], [], False)


def test_another_servers_send_is_left_alone() -> None:
    async def send(message: Any) -> None:
        raise AssertionError("not to be called")

    assert not OneWrite(HEADERS).answer(send, b"{}", b"7")


def test_a_header_that_breaks_the_head_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected a header"):
        OneWrite([(b"x-model-tag", b"a\r\nb: c")])


def test_uvicorn_sends_a_response_as_it_did() -> None:
    # What `answer` does in its place: a change here is a reason to read it again.
    source = inspect.getsource(RequestResponseCycle.send)

    for part in (
        "self.response_started = True",
        "self.waiting_for_100_continue = False",
        "self.response_complete = True",
        "self.message_event.set()",
        "self.on_response()",
    ):
        assert part in source
