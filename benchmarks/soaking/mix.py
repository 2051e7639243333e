"""Mix: requests of every kind, each with the answer that is right for it.

XGBoost scores here and ONNX Runtime in the server: neither is asked about its own answers.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import pyarrow as pa

from bentoml_ext.decisions.base import array_of
from bentoml_ext.encoders.encoder import Application
from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.scoring.scorer import Scorer

__all__ = ["GONE", "Due", "Mix", "Sent"]

ARROW, NDJSON = "application/vnd.apache.arrow.stream", "application/x-ndjson"
ONE, MANY = "/classify", "/classify_batch"
GONE = 499
"""What the metrics call the answer to a client that left in the middle of its body."""

BAD = {"age": -1, "home": "castle", "amount": "100", "price": None}
EACH = 250
"""Different requests of one kind; fewer of the long ones."""


@dataclass(frozen=True)
class Due:
    """The right answer to a request.

    Args:
        endpoint: what the metrics call its path.
        status: of the answer.
        body: of the answer; None where it is not known beforehand.
        rows: of an Arrow stream, status and probability of each; instead of a body.
    """

    endpoint: str
    status: int
    body: bytes | None = None
    rows: tuple[tuple[str, float], ...] | None = None

    def is_right(self, status: int, body: bytes) -> bool:
        """Whether an answer is this one."""
        if status != self.status:
            return False
        if self.rows is None:
            return self.body is None or body == self.body
        table = pa.ipc.open_stream(body).read_all()
        columns = (table["Status"].to_pylist(), table["probability"].to_pylist())
        return tuple(zip(*columns, strict=True)) == self.rows


@dataclass(frozen=True)
class Sent:
    """What a client sends at once.

    Args:
        octets: a request, or several.
        due: the answers, in order.
        leaves: whether the client goes without waiting for them.
    """

    octets: bytes
    due: tuple[Due, ...]
    leaves: bool = False


class Mix:
    """Requests by kind.

    Args:
        applications: good ones.
        scorer: whose answers are the right ones.
        seed: of what is drawn.
    """

    def __init__(self, applications: Sequence[Application], scorer: Scorer, seed: int = 1) -> None:
        # Not secret: the same requests in every run.
        self.pick = random.Random(seed)  # noqa: S311
        self._applications = list(applications)
        self._scorer = scorer
        kinds = [
            (850, [self._single() for _ in range(EACH)]),
            (60, [self._single(bad=True) for _ in range(EACH)]),
            (20, [self._no_json(text) for text in (b"", b"{", b"[1]", b"\xff", b"[" * 9000)]),
            (11, [self._chunked() for _ in range(EACH)]),
            (10, [self._pipeline() for _ in range(EACH)]),
            (31, [self._batch(20) for _ in range(EACH)]),
            (6, [self._batch(20, bad=True) for _ in range(50)]),
            (5, [self._batch(300) for _ in range(10)]),
            (12, [self._lines(50, packed=packed) for packed in (False, False, True) * 20]),
            (2, [self._lines(50, bad=True) for _ in range(20)]),
            (13, [self._arrow(50) for _ in range(50)]),
            (3, [self._bad_arrow(cut) for cut in (0, 9, 100, -30)]),
            (8, [Sent(_asked(b"", line="GET /model"), (Due("/model", 200),))]),
            (0.2, [Sent(_asked(b"", line="GET /metrics"), (Due("/metrics", 200),))]),
            (30, [self._unknown() for _ in range(EACH)]),
            (7, [Sent(_asked(b"{}", line=f"PUT {ONE}"), (Due(ONE, 405),))]),
            (4, [self._too_long(path, size) for path, size in ((ONE, 2**20), (MANY, 2**24))]),
            (
                9,
                [
                    self._cut_off(sent)
                    for sent in (self._single(), self._batch(20), self._lines(50))
                ],
            ),
            (1, [replace(self._single(), leaves=True), replace(self._batch(300), leaves=True)]),
        ]
        self._weights, self._kinds = zip(*kinds, strict=True)

    def drawn(self, count: int) -> list[Sent]:
        """So many, each kind as often as its weight says."""
        kinds = self.pick.choices(self._kinds, self._weights, k=count)
        return [self.pick.choice(kind) for kind in kinds]

    def _some(self, count: int, *, bad: bool = False) -> list[Application]:
        found = [dict(one) for one in self.pick.choices(self._applications, k=count)]
        if bad:
            field, value = self.pick.choice(list(BAD.items()))
            found[self.pick.randrange(count)][field] = value
        return list(found)

    def _single(self, *, bad: bool = False) -> Sent:
        (application,) = self._some(1, bad=bad)
        return Sent(_asked(msgspec.json.encode(application)), (self._due_of(application),))

    def _due_of(self, application: object) -> Due:
        try:
            return Due(ONE, 200, self._scorer.body(application))
        except InvalidApplication as error:
            return _refusal(ONE, error)

    def _no_json(self, text: bytes) -> Sent:
        try:
            return Sent(_asked(text), (self._due_of(json_value(text)),))
        except InvalidApplication as error:
            return Sent(_asked(text), (_refusal(ONE, error),))

    def _chunked(self) -> Sent:
        single = self._single()
        body = single.octets.partition(b"\r\n\r\n")[2]
        place = self.pick.randrange(1, len(body))
        parts = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (body[:place], body[place:]))
        head = f"POST {ONE} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        return Sent(head.encode() + parts + b"0\r\n\r\n", single.due)

    def _pipeline(self) -> Sent:
        parts = [self._single(), self._unknown(), self._single(bad=True), self._single()]
        octets = b"".join(part.octets for part in parts)
        return Sent(octets, tuple(due for part in parts for due in part.due))

    def _batch(self, count: int, *, bad: bool = False) -> Sent:
        applications = self._some(count, bad=bad)
        sent = _asked(msgspec.json.encode(applications), line=f"POST {MANY}")
        return Sent(sent, (self._due_of_many(applications),))

    def _due_of_many(self, applications: list[Application]) -> Due:
        try:
            margins = self._scorer.margins_of(applications)
        except InvalidApplication as error:
            return _refusal(MANY, error)
        return Due(MANY, 200, array_of(self._scorer.decider, margins))

    def _lines(self, count: int, *, bad: bool = False, packed: bool = False) -> Sent:
        applications = self._some(count, bad=bad)
        body = b"\n".join(map(msgspec.json.encode, applications))
        due = self._due_of_many(applications)
        if due.status == 200:
            margins = self._scorer.margins_of(applications)
            lines = self._scorer.decider.bodies(margins, b"\n")
            due = replace(due, body=lines)
        headers = ["Content-Encoding: gzip"] if packed else []
        body = gzip.compress(body) if packed else body
        return Sent(_asked(body, *headers, line=f"POST {MANY}", kind=NDJSON), (due,))

    def _arrow(self, count: int) -> Sent:
        applications = self._some(count)
        answers = self._scorer.classify_batch(applications)
        rows = tuple((answer.status, float(answer.probability)) for answer in answers)
        sent = _asked(_stream(applications), line=f"POST {MANY}", kind=ARROW)
        return Sent(sent, (Due(MANY, 200, rows=rows),))

    def _bad_arrow(self, cut: int) -> Sent:
        body = _stream(self._some(50))[:cut]
        return Sent(_asked(body, line=f"POST {MANY}", kind=ARROW), (Due(MANY, 400),))

    def _unknown(self) -> Sent:
        path = f"/{self.pick.getrandbits(64):x}"
        return Sent(_asked(b"", line=f"GET {path}"), (Due("unknown", 404),))

    def _too_long(self, path: str, most: int) -> Sent:
        # The server does not wait for such a body, and neither does the client.
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {most + 1}\r\n\r\n"
        return Sent(head.encode(), (Due(path, 413),))

    def _cut_off(self, whole: Sent) -> Sent:
        due = replace(whole.due[0], status=GONE, body=None)
        return Sent(whole.octets[:-20], (due,), leaves=True)


def _asked(
    body: bytes, *headers: str, line: str = f"POST {ONE}", kind: str = "application/json"
) -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: x", *headers]
    if not line.startswith("GET"):
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _refusal(endpoint: str, error: InvalidApplication) -> Due:
    return Due(endpoint, 400, msgspec.json.encode(error.detail))


def _stream(applications: Sequence[Application]) -> bytes:
    batch = pa.RecordBatch.from_pylist([dict(one) for one in applications])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    made: bytes = sink.getvalue().to_pybytes()
    return made
