"""Odd JSON and NDJSON, packed and cut: the encoder's own answer, or a refusal in our words."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import os
import random
import resource
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import bentoml
import msgspec
import pytest
from _bentoml_impl.serde import JSONSerde  # type: ignore[import-untyped]
from _bentoml_sdk.service import set_current_service  # type: ignore[import-untyped]
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

import bentoml_ext
from bentoml_ext.decisions.base import array_of
from bentoml_ext.encoders.ndjson import split_lines
from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.serving.classifier import Classifier
from bentoml_ext.serving.processes.startup import share_arenas
from bentoml_ext.serving.streaming.route import BulkRoute, is_bulk
from models.synthetic import generate
from models.training import Trained
from tests.support.odd_json import BOMB, JSON_TYPES, Asked, Items, drawn, spelled_out
from tests.support.servers import Server

REQUESTS = int(os.environ.get("FUZZ", "600"))
OVER_HTTP = max(100, REQUESTS // 100)
AT_A_TIME = 24
SEED = int(os.environ.get("FUZZ_SEED", "3"))

LARGE = 4 * 1024 * 1024
DEEP = b"a value nested too deep"

Answer = tuple[int, bytes]


@pytest.fixture(scope="module")
def classifier(credit_model: bentoml.Model) -> Iterator[Classifier]:
    class Risk(bentoml_ext.Classifier, model=credit_model.tag):
        """Credit risk."""

    made = Risk()
    set_current_service(made)
    yield made
    set_current_service(None)


@pytest.fixture(scope="module")
def applications(trained: Trained) -> Sequence[Items]:
    return spelled_out(generate(200, fields=trained.encoder.fields).applications())


class InProcess:
    """What answers behind BentoML's middlewares, and the fast path in front of them."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._bulk = BulkRoute("/classify_batch", "classify_batch")
        self._short = classifier.served[""].handlers()

    async def ask(self, asked: Asked) -> Answer:
        coming = [{"type": "http.request", "body": asked.body, "more_body": False}]

        async def receive() -> Message:
            if not coming:
                # The client waits for its answer.
                await asyncio.Event().wait()
            return coming.pop()

        headers = [(name.encode(), value.encode()) for name, value in asked.headers.items()]
        scope = {
            "type": "http",
            "method": "POST",
            "path": asked.path,
            "query_string": asked.query.encode(),
            "headers": headers,
        }
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        answer = await self._answer(Request(scope, receive), asked.path.strip("/"))
        await answer(scope, receive, send)
        return sent[0]["status"], b"".join(part.get("body", b"") for part in sent[1:])

    async def _answer(self, request: Request, name: str) -> Response:
        if name == "classify_batch" and is_bulk(dict(request.scope)):
            found: Response = await self._bulk._answer(request)
            return found
        api = type(self._classifier).apis[name]
        given = await api.input_spec.from_http_request(request, JSONSerde())
        answer = getattr(self._classifier, name)(given)
        made: Response = await answer if asyncio.iscoroutine(answer) else answer
        return made

    def shortly(self, asked: Asked) -> bytes | None:
        """What the fast path says of a body that it sees."""
        if (
            "content-encoding" in asked.headers
            or asked.headers.get("content-type", "") not in JSON_TYPES
        ):
            return None
        (body,) = self._short[asked.path.strip("/")].at_once([asked.body])
        return body


def due(scorer: Scorer, asked: Asked) -> Answer | None:
    """The answer as Python's decoder and the encoder have it; None where that is not said."""
    kind = asked.headers.get("content-type", "")
    if asked.text is None or (kind not in JSON_TYPES and "charset" in kind):
        return None
    try:
        if asked.path == "/classify":
            return 200, scorer.decider.body(margin_of(scorer, json_value(asked.text)))
        if kind in JSON_TYPES:
            return 200, array_of(scorer.decider, margins_of(scorer, json_value(asked.text)))
        if b"\0" in asked.text[:4]:
            return None
        return 200, lines_of(scorer, asked.text, report="report" in asked.query)
    except InvalidApplication as error:
        return 400, msgspec.json.encode(error.detail)


def margin_of(scorer: Scorer, application: Any) -> Any:
    for error in scorer.encoder.wrong(application):
        raise error
    return scorer.margins(scorer.encoder.rows([application]))


def margins_of(scorer: Scorer, applications: Any) -> Any:
    if not isinstance(applications, list):
        raise InvalidApplication(
            "an array of applications", bentoml_ext.choices.spelled(applications)
        )
    for index, application in enumerate(applications):
        for error in scorer.encoder.wrong(application):
            raise error.at(index)
    return scorer.margins(scorer.encoder.rows(applications))


def lines_of(scorer: Scorer, text: bytes, *, report: bool) -> bytes:
    found = b""
    for index, line in enumerate(split_lines(text)):
        try:
            found += scorer.decider.body(margin_of(scorer, json_value(line))) + b"\n"
        except InvalidApplication as error:
            if not report:
                raise error.at(index) from None
            found += msgspec.json.encode(error.at(index).detail) + b"\n"
    return found


def judge(asked: Asked, got: Answer, wanted: Answer | None) -> None:
    status, body = got
    assert status in (200, 400, 413, 415), (asked, got)
    # How deep is too deep depends on how deep the caller stands.
    if wanted is not None and DEEP not in body + wanted[1]:
        assert got == wanted, asked
    elif status != 200:
        assert json.loads(body)["error"].startswith("Expected "), (asked, got)


def test_odd_json_gets_the_encoders_answer_or_a_refusal_in_our_words(
    classifier: Classifier, applications: Sequence[Items]
) -> None:
    # Not secret: the same requests in every run.
    pick = random.Random(SEED)  # noqa: S311
    seen: Counter[int] = Counter()
    taken = 0

    async def talk() -> None:
        nonlocal taken
        subject = InProcess(classifier)
        for begin in range(0, REQUESTS, AT_A_TIME):
            many = [drawn(pick, applications) for _ in range(min(AT_A_TIME, REQUESTS - begin))]
            # Together, as threads that wait for one another would take most of the time.
            answers = await asyncio.gather(*map(subject.ask, many))
            for asked, got in zip(many, answers, strict=True):
                judge(asked, got, due(classifier.scorer, asked))
                seen[got[0]] += 1
                if (short := subject.shortly(asked)) is not None:
                    taken += 1
                    assert (200, short) == got, asked

    # As a worker's start does.
    share_arenas()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    asyncio.run(talk())

    # In KB. The bombs unpack to 16 MB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert min(seen[200], seen[400], taken * 3) > REQUESTS // 10, (seen, taken)
    assert seen[415]


def test_a_server_says_of_odd_json_what_the_encoder_says(
    onnx_server: Server, classifier: Classifier, applications: Sequence[Items]
) -> None:
    pick = random.Random(SEED + 1)  # noqa: S311
    for _ in range(OVER_HTTP):
        asked = drawn(pick, applications)
        answer = onnx_server.client.post(
            asked.path, params=asked.query, content=asked.body, headers=asked.headers
        )

        judge(asked, (answer.status_code, answer.content), due(classifier.scorer, asked))


REFUSED = {
    "a bomb": (BOMB, {"content-encoding": "gzip"}, 413),
    "a cut body": (gzip.compress(os.urandom(LARGE), 1)[:-9], {"content-encoding": "gzip"}, 400),
    "another coding": (bytes(LARGE), {"content-encoding": "br"}, 415),
    "another charset": (
        b"\xff" * LARGE,
        {"content-type": "application/json; charset=latin-1"},
        415,
    ),
    "no JSON": (b"[" + b" " * LARGE, {}, 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_body_is_freed_with_its_answer(classifier: Classifier, name: str) -> None:
    body, headers, status = REFUSED[name]
    asked = Asked("/classify_batch", headers, "", body, None)

    async def talk() -> None:
        subject = InProcess(classifier)
        tracemalloc.start()
        for _ in range(6):
            assert (await subject.ask(asked))[0] == status
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        # A thread that waits for work may hold its last body.
        assert kept < 2 * LARGE

    gc.collect()
    # The next full collection of a worker may be minutes away.
    gc.disable()
    try:
        asyncio.run(talk())
    finally:
        gc.enable()
