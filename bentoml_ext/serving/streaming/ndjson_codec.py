"""NDJSON codec: one application a line, answered by one line each."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bentoml_ext.arrays import block_rows
from bentoml_ext.encoders.encoder import Encoded
from bentoml_ext.encoders.ndjson import LineEncoder
from bentoml_ext.formats.line_blocks import line_blocks
from bentoml_ext.formats.readable import Readable
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.serving.streaming.codec import NDJSON, ROWS, Format
from bentoml_ext.serving.streaming.results import Block, ScoredStream

__all__ = ["Ndjson"]

BLOCK_BYTES = 512 * 1024
"""Decoding a block holds Python's lock, and so the event loop, for 3 ms."""


class Ndjson(Format):
    """Lines of JSON; a blank line is skipped and not counted."""

    media_type = NDJSON

    def __init__(self, scorer: Scorer) -> None:
        self._decider = scorer.decider
        self._encoder = LineEncoder(scorer.encoder, most=1)
        self._rows = block_rows(scorer.encoder.n_features, ROWS)

    def encoded(self, file: Readable, max_bytes: int) -> Iterator[Encoded]:
        for block in line_blocks(file, BLOCK_BYTES, max_lines=self._rows):
            yield self._encoder.encode(block).encoded

    def answer(self, stream: ScoredStream, *, report: bool) -> Iterator[bytes]:
        for block in stream.blocks:
            yield self._lines(block)

    def _lines(self, block: Block) -> bytes:
        lines, refused = self._decider.bodies(block.margins, b"\n"), block.refused
        if not refused:
            return lines
        answers = iter(lines.splitlines(keepends=True))
        return b"".join(
            msgspec.json.encode(refused[place].detail) + b"\n"
            if place in refused
            else next(answers)
            for place in range(len(block.margins) + len(refused))
        )
