"""Other services, other methods and BentoML's clients call a classifier as any other service."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import httpx
import pytest
from bentoml.exceptions import InvalidArgument

from models.fields import EXAMPLE
from tests.support.servers import ROOT, START_S, Server, eventually, serve

SERVICES = """
import os
import bentoml
import bentoml_ext

@bentoml_ext.service(name="risk")
class Risk(bentoml_ext.Classifier, model="credit_risk_model:latest"):
    @bentoml.api
    async def own(self, application: dict) -> list:
        return [await self.classify(application), await self.classify(**application)]

    @bentoml.api
    def own_batch(self, application: dict) -> list:
        return self.classify_batch([application])

    @bentoml.api
    async def own_refusal(self) -> str:
        try:
            await self.classify({})
        except bentoml.exceptions.InvalidArgument as error:
            return str(error)

@bentoml.service(name="gate")
class Gate:
    risk = bentoml.depends(Risk)
    typed = bentoml.depends(Risk, url=os.environ["REMOTE"])
    remote = bentoml.depends(url=os.environ["REMOTE"])

    @bentoml.api
    async def ask(self, application: dict) -> list:
        answers = []
        calls = self.risk.classify, self.risk.to_async.classify, self.typed.classify
        for call in (*calls, self.typed.to_async.classify, self.remote.to_async.classify):
            answers += [await call(application), await call(**application)]
        return answers

    @bentoml.api
    async def ask_batches(self, application: dict) -> list:
        services = self.risk, self.typed, self.remote
        return [await one.to_async.classify_batch([application] * 2) for one in services]

    @bentoml.api
    def ask_in_a_thread(self, application: dict) -> list:
        return [
            *self.risk.classify_batch([application]),
            *self.typed.classify_batch([application]),
            self.risk.to_sync.classify(application),
        ]

    @bentoml.api
    async def ask_own(self, application: dict) -> list:
        own, batch = self.risk.to_async.own, self.risk.to_async.own_batch
        return [*await own(application), *await batch(application)]

    @bentoml.api
    async def refusals(self) -> list:
        told = [await self.risk.own_refusal()]
        for one in (self.risk, self.typed, self.remote):
            for call, given in ((one.to_async.classify, {}), (one.to_async.classify_batch, [{}])):
                try:
                    await call(given)
                except bentoml.exceptions.InvalidArgument as error:
                    told.append(str(error))
        return told
"""


@pytest.fixture(autouse=True)
def _no_folders_are_left() -> Iterator[None]:
    """BentoML's clients leave a folder each for the collector, which would warn in another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def gate(
    onnx_server: Server, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A service that depends on a classifier beside it and on one elsewhere."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "gate.py").write_text(SERVICES)
    variables = {"PYTHONPATH": str(ROOT), "REMOTE": onnx_server.url, "BACKEND": "onnx"}
    with serve(home, "gate:Gate", cwd=folder, wait=Server.wait, **variables) as server:
        yield server


@pytest.fixture(scope="module")
def answer(onnx_server: Server) -> Any:
    """What the example is answered."""
    return onnx_server.client.post("/classify", json=EXAMPLE).json()


def ask(server: Server, name: str, body: Any) -> Any:
    answer = server.client.post(f"/{name}", json=body)
    assert answer.status_code == 200, answer.text + server.log
    return answer.json()


def test_a_service_asks_one_that_it_depends_on(gate: Server, answer: Any) -> None:
    application = {"application": EXAMPLE}

    assert ask(gate, "ask", application) == [answer] * 10
    assert ask(gate, "ask_batches", application) == [[answer] * 2] * 3
    assert ask(gate, "ask_in_a_thread", application) == [answer] * 3


def test_a_method_of_a_classifier_asks_its_own_routes(gate: Server, answer: Any) -> None:
    assert ask(gate, "ask_own", {"application": EXAMPLE}) == [answer] * 3


def test_who_asks_by_bentoml_is_told_what_is_wrong(gate: Server) -> None:
    told = ask(gate, "refusals", {})

    assert len(told) == 7
    assert all("got nothing - at field 'seniority'" in one for one in told)


def test_bentomls_clients_take_an_application_whole_or_by_its_fields(
    onnx_server: Server, answer: Any
) -> None:
    async def in_turn() -> list[Any]:
        async with bentoml.AsyncHTTPClient(onnx_server.url) as client:
            whole, by_name = await client.classify(EXAMPLE), await client.classify(**EXAMPLE)
            return [whole, by_name, *await client.classify_batch([EXAMPLE])]

    with bentoml.SyncHTTPClient(onnx_server.url) as client:
        found = [client.classify(EXAMPLE), client.classify(**EXAMPLE)]
        found += [client.predict(EXAMPLE), client.predict(**EXAMPLE)]
        found += client.classify_batch([EXAMPLE])
        for whole, fields in ((({"age": 3},), {}), ((), {"age": 3})):
            with pytest.raises(InvalidArgument, match="got nothing - at field 'seniority'"):
                client.classify(*whole, **fields)

    assert found + asyncio.run(in_turn()) == [answer] * 8


def test_a_caller_in_the_same_process_gets_values(credit_model: bentoml.Model, answer: Any) -> None:
    from services.credit import CreditRiskClassifier

    risk: Any = CreditRiskClassifier()

    assert asyncio.run(risk.classify(EXAMPLE)) == asyncio.run(risk.classify(**EXAMPLE)) == answer
    assert risk.classify_batch([EXAMPLE]) == [answer]
    with pytest.raises(InvalidArgument, match="got nothing - at field 'seniority'"):
        asyncio.run(risk.classify({}))


PREFIXED = """
import bentoml_ext

@bentoml_ext.service(name="prefixed", path_prefix={prefix!r})
class Prefixed(bentoml_ext.Classifier, model="credit_risk_model:latest"):
    "Answers under a prefix."
"""


@pytest.mark.parametrize(("prefix", "fastpath"), [("v1", "on"), ("/v1/", "off")])
def test_a_prefix_is_before_every_path(
    own_home: Path, tmp_path: Path, answer: Any, prefix: str, fastpath: str
) -> None:
    (tmp_path / "prefixed.py").write_text(PREFIXED.format(prefix=prefix))
    variables = {"PYTHONPATH": str(ROOT), "FASTPATH": fastpath}
    target = "prefixed:Prefixed"
    with serve(own_home, target, cwd=tmp_path, wait=prefixed_is_ready, **variables) as server:
        lines = {"content-type": "application/x-ndjson"}
        body = json.dumps(EXAMPLE).encode()
        for _ in range(3):
            assert ask(server, "v1/classify", EXAMPLE) == answer
        assert ask(server, "v1/classify_batch", [EXAMPLE]) == [answer]
        streamed = server.client.post("/v1/classify_batch", content=body, headers=lines)
        assert streamed.json() == answer
        scraped = server.client.get("/v1/metrics").text
        counted = [line for line in scraped.splitlines() if '"/v1/classify"' in line]
        assert any("request_total{" in line and line.endswith(" 3.0") for line in counted)
        assert server.client.get("/v1/model").json()["fastpath"] is (fastpath == "on")
        paths = server.client.get("/v1/docs.json").json()["paths"]
        for path in ("/classify", "/classify_batch"):
            assert path in paths
            assert server.client.post(path, json=EXAMPLE).status_code == 404
        assert server.client.get("/model").status_code == 404
        # BentoML has the schema, and only this, without the prefix; its client begins there.
        client = bentoml.SyncHTTPClient(server.url, server_ready_timeout=0)
        assert client.classify(EXAMPLE) == client.classify(**EXAMPLE) == answer
        client.close()


def prefixed_is_ready(server: Server) -> None:
    def is_ready() -> bool:
        server.must_run()
        try:
            return server.client.get("/v1/readyz").status_code == 200
        except httpx.TransportError:
            return False

    eventually(is_ready, START_S)
