"""Odd JSON: bodies that are nearly applications, batches or lines of them, drawn one by one."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from bentoml_ext.encoders.encoder import Application
from bentoml_ext.serving.streaming.codec import NDJSON, OTHER_NAMES

__all__ = ["JSON_TYPES", "Asked", "Items", "drawn", "spelled_out"]

JSON_TYPES = ["application/json", "application/json; charset=utf-8", "text/plain", ""]
ODD_TYPES = ["application/json; charset=utf-16", "application/json; charset=latin-1"]
LINE_TYPES = [NDJSON, *OTHER_NAMES]

NUMBERS = (
    b"1e400 -1e400 1e308 1e-400 -0 -0.0 01 +1 .5 1. 1e NaN Infinity -Infinity nan 0x1 1_0".split()
)
WORDS = (
    b'null true tru True None "" "owner" "own\\u0065r" "OWNER" "3" [] {} [[]] {"a":{"b":1}}'.split()
)
TEXTS = [
    b'"\\u0000"',
    b'"\0"',
    b'"\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\xc0\x80"',
    b'"a:b,{}"',
    b'{"a:":":"}',
    b'"' + b"x" * 5000 + b'"',
    b"9" * 400,
    b"9" * 5000,
    b"0." + b"1" * 900,
    b"[" * 2000,
    b"[" * 400 + b"]" * 400,
    b'{"a":' * 2000,
    b"",
    b"1,",
    b"/**/1",
    b"'x'",
]
ODD = [*NUMBERS, *WORDS, *TEXTS]
KEYS = [b'"note"', b'"\xff"', b'"\\ud800"', b'""', b"1", b'"a:b"', b'"__proto__"', b"age"]
BOMB = gzip.compress(bytes(17 * 1024 * 1024), 1)


@dataclass(frozen=True)
class Asked:
    """A request.

    Args:
        path: its.
        headers: content type and coding.
        query: its.
        body: as it is sent.
        text: that was packed; None where that cannot be unpacked.
    """

    path: str
    headers: dict[str, str]
    query: str
    body: bytes
    text: bytes | None


Items = list[tuple[bytes, bytes]]


def spelled_out(applications: Sequence[Application]) -> list[Items]:
    """Each application as pairs of JSON, spelled once for a million requests."""
    return [
        [(json.dumps(name).encode(), json.dumps(value).encode()) for name, value in each.items()]
        for each in applications
    ]


def drawn(pick: random.Random, applications: Sequence[Items]) -> Asked:
    """One more request."""
    kind = pick.choice(["one", "many", "lines"])
    parts = [_application(pick, applications) for _ in range(pick.choice([0, 1, 2, 2, 9]))]
    text, types, query = parts[0] if parts else b"", JSON_TYPES, ""
    if kind == "many":
        joint = pick.choice([b","] * 9 + [b" ,\n", b",,", b""])
        text = b"[" + joint.join(parts) + pick.choice([b"]"] * 9 + [b",]", b"", b"]]"])
    elif kind == "lines":
        text = pick.choice([b"\n"] * 6 + [b"\r\n", b"\n \n", b"", b"\r", b"\x1e"]).join(parts)
        types = LINE_TYPES
        query = pick.choice(["", "", "on_error=report"])
    if pick.random() < 0.25:
        text = _damaged(pick, text)
    kinds = pick.choices([types, ODD_TYPES], [30, kind != "lines"])[0]
    body, coding, plain = _packed(pick, text)
    headers = {"content-type": pick.choice(kinds), "content-encoding": coding}
    headers = {name: value for name, value in headers.items() if value}
    return Asked("/classify" if kind == "one" else "/classify_batch", headers, query, body, plain)


def _application(pick: random.Random, applications: Sequence[Items]) -> bytes:
    items = list(pick.choice(applications))
    for _ in range(pick.choice([0, 0, 0, 1, 1, 2])):
        place = pick.randrange(len(items))
        name, value = items[place]
        match pick.randrange(7):
            case 0 | 1:
                items[place] = name, pick.choice(ODD)
            case 2:
                items.insert(place, (pick.choice(KEYS), pick.choice(ODD)))
            case 3:
                items.append((name, pick.choice([value, *ODD])))
            case 4 if len(name) > 2:
                items[place] = b'"\\u%04x%b' % (name[1], name[2:]), value
            case 5:
                items.append(items.pop(place))
            case _:
                del items[place]
                if not items:
                    break
    space = pick.choice([b"", b"", b" ", b" \t"])
    pairs = [name + space + b":" + space + value for name, value in items]
    return b"{" + b",".join(pairs) + b"}"


def _damaged(pick: random.Random, text: bytes) -> bytes:
    place = pick.randrange(len(text) + 1)
    before, after = text[:place], text[place:]
    encoding = pick.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
    ways = [
        before,
        before + bytes([pick.randrange(256)]) + after[1:],
        before + pick.choice(ODD) + after,
        pick.choice([b"\xef\xbb\xbf", b" \n", b"\0", b"\x1f\x8b", b"<"]) + text,
        text + pick.choice([b" ", b"\n", b"\0", b"1", b"]", b"\xff", text]),
        text.decode("utf-8", "replace").encode(encoding),
        after + before,
    ]
    return pick.choice(ways)


def _packed(pick: random.Random, text: bytes) -> tuple[bytes, str, bytes | None]:
    """A body, its coding, and what it unpacks to; None where it does not."""
    if pick.random() < 0.7:
        return text, pick.choice(["", "", "identity"]), text
    coding = pick.choice(["gzip", "x-gzip", "GZIP", "deflate", "deflate", "br", "gzip, gzip"])
    if coding == "deflate":
        packer = zlib.compressobj(1, wbits=pick.choice([15, -15]))
        body = packer.compress(text) + packer.flush()
    else:
        body = gzip.compress(text, 1)
    match pick.randrange(8):
        case 0:
            return body[: pick.randrange(len(body))], coding, None
        case 1:
            place = pick.randrange(len(body))
            flipped = bytes([body[place] ^ 1 << pick.randrange(8)])
            # A header of gzip has bits without a meaning.
            return body[:place] + flipped + body[place + 1 :], coding, None
        case 2 if pick.random() < 0.02:
            return BOMB, "gzip", None
        case 3:
            return text, coding, None
    return body, coding, None if coding in ("br", "gzip, gzip") else text
