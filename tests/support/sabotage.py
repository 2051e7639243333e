"""Faults of the service's own code, put into the real thing: nothing else can make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bentoml_ext.arrays import Margins
from bentoml_ext.decisions import bands
from bentoml_ext.decisions.bands import Answer, BandDecider
from bentoml_ext.encoders.arrow_columns import ColumnEncoder
from bentoml_ext.encoders.encoder import Encoded
from bentoml_ext.encoders.json_decoder import JsonDecoder
from bentoml_ext.encoders.ndjson import EncodedLines, LineEncoder
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.objectives.logistic import first_margin_above

__all__ = ["COLUMNS", "FAULTS", "LINES", "Patch"]

Patch = pytest.MonkeyPatch
CROSSING = first_margin_above(0.5)


def changed(patch: Patch, where: Any, name: str, change: Callable[..., Any]) -> None:
    """Let `change(result, *arguments)` be what a function returns."""
    real = getattr(where, name)
    patch.setattr(where, name, lambda *given: change(real(*given), *given))


def bands_one_too_high(patch: Patch) -> None:
    """Every margin one band higher."""
    changed(patch, BandDecider, "bands", lambda bands, *_: bands + 1)


def bands_above_and_not_at_a_crossing(patch: Patch) -> None:
    """`>` for `>=`."""
    changed(
        patch, BandDecider, "bands", lambda found, _, margins: found - (margins[:, 0] == CROSSING)
    )


def answer_wrong_at_a_crossing(patch: Patch) -> None:
    """The answer to one margin, only where it is the crossing."""

    def wrong(answer: Answer, _: BandDecider, margins: Margins) -> Answer:
        return replace(answer, status="MAYBE") if margins.item() == CROSSING else answer

    changed(patch, BandDecider, "answer", wrong)


def body_wrong_at_a_crossing(patch: Patch) -> None:
    """The body of one margin, only where it is the crossing."""

    def wrong(body: bytes, _: BandDecider, margins: Margins) -> bytes:
        return body.replace(b"DECLINED", b"MAYBE") if margins.item() == CROSSING else body

    changed(patch, BandDecider, "body", wrong)


def crossing_one_float32_late(patch: Patch) -> None:
    """Where the bands begin."""
    step = np.float32(np.inf)
    changed(
        patch,
        bands,
        "first_margin_above",
        lambda found, _: float(np.nextafter(np.float32(found), step)),
    )


def answers_in_another_order(patch: Patch) -> None:
    """Those of many margins."""
    changed(patch, BandDecider, "answers", lambda answers, *_: answers[::-1])


def a_line_short(patch: Patch) -> None:
    """The lines of many margins, less the last."""
    changed(patch, BandDecider, "bodies", lambda lines, *_: lines[: lines[:-1].rfind(b"\n") + 1])


def a_batch_with_a_digit_more(patch: Patch) -> None:
    """The bodies of many margins, only where they are an array."""

    def wrong(bodies: bytes, _: BandDecider, __: Margins, end: bytes) -> bytes:
        return bodies.replace(b"}", b"1}", 1) if end == b", " else bodies

    changed(patch, BandDecider, "bodies", wrong)


def a_digit_lost_in_a_batch(patch: Patch) -> None:
    """The text of a probability, one in a hundred."""

    def wrong(texts: Any, *_: Any) -> Any:
        texts = texts.copy()
        texts[::100] = [text[:-1] for text in texts[::100]]
        return texts

    changed(patch, bands, "shortest_each", wrong)


def a_digit_lost_singly(patch: Patch) -> None:
    """The text of a probability by itself."""
    changed(patch, bands, "shortest", lambda text, *_: text[:-1])


def sigmoid_of_many_off_by_one(patch: Patch) -> None:
    """One probability of a batch, by one float32."""

    def wrong(found: Any, *_: Any) -> Any:
        found[-1:] = np.nextafter(found[-1:], np.float32(0))
        return found

    changed(patch, bands, "probabilities", wrong)


def sigmoid_of_one_off_by_one(patch: Patch) -> None:
    """Each probability by itself, by one float32."""
    changed(
        patch,
        bands,
        "probability",
        lambda found, _: float(np.nextafter(np.float32(found), np.float32(0))),
    )


def a_cell_off_by_one(patch: Patch) -> None:
    """One number of an Arrow batch, by one float32."""

    def wrong(encoded: Encoded, *_: Any) -> Encoded:
        encoded.rows[-1, 0] = np.nextafter(encoded.rows[-1, 0], np.float32(np.inf))
        return encoded

    changed(patch, ColumnEncoder, "encode", wrong)


def a_valid_row_refused(patch: Patch) -> None:
    """One application of an Arrow batch."""
    refusal = InvalidApplication("a number", "1", "age", 0)
    changed(patch, ColumnEncoder, "encode", lambda found, *_: Encoded(found.rows[1:], [refusal]))


def a_cell_of_lines_off_by_one(patch: Patch) -> None:
    """One number of lines of JSON, by one float32."""

    def wrong(found: EncodedLines, *_: Any) -> EncodedLines:
        found.encoded.rows[-1, 0] = np.nextafter(found.encoded.rows[-1, 0], np.float32(np.inf))
        return found

    changed(patch, LineEncoder, "encode", wrong)


def lines_with_an_unknown_key_in_another_order(patch: Patch) -> None:
    """Lines that are read one by one."""
    changed(patch, LineEncoder, "_rows", lambda rows, *_: rows[::-1])


def a_valid_line_refused(patch: Patch) -> None:
    """One application of lines of JSON."""
    refusal = InvalidApplication("a number", "1", "age", 0)

    def wrong(found: EncodedLines, *_: Any) -> EncodedLines:
        return EncodedLines(Encoded(found.encoded.rows[1:], [refusal]), found.kept[1:])

    changed(patch, LineEncoder, "encode", wrong)


def an_array_read_in_another_order(patch: Patch) -> None:
    """The values of a JSON array."""
    changed(patch, JsonDecoder, "many", lambda values, *_: values and values[::-1])


COLUMNS = (a_cell_off_by_one, a_valid_row_refused)
LINES = (
    a_cell_of_lines_off_by_one,
    lines_with_an_unknown_key_in_another_order,
    a_valid_line_refused,
    an_array_read_in_another_order,
)
FAULTS = (
    bands_one_too_high,
    bands_above_and_not_at_a_crossing,
    answer_wrong_at_a_crossing,
    body_wrong_at_a_crossing,
    crossing_one_float32_late,
    answers_in_another_order,
    a_line_short,
    a_batch_with_a_digit_more,
    a_digit_lost_in_a_batch,
    a_digit_lost_singly,
    sigmoid_of_many_off_by_one,
    sigmoid_of_one_off_by_one,
)
"""Those of what comes after the margin."""
