"""Results: the scores of a stream, kept until its last application is judged.

The status of an answer must be true, so the answer begins after the last application is judged.
Until then a good application takes four bytes for each margin; a bad one takes its packed refusal.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.encoders.encoder import Encoded
from bentoml_ext.errors import InvalidApplication, TooLarge
from bentoml_ext.scoring.scorer import Scorer

__all__ = ["Block", "ScoredStream", "score_stream"]


_Refusal: TypeAlias = tuple[int, str, str, str | None]
"""A refusal: place in its block, expected, got, field."""


@dataclass(frozen=True)
class Block:
    """Some thousand applications, judged.

    Args:
        start: index of the first of them in the request.
        margins: float32, (good, n_margins).
        packed: the refusals of bad applications; may be empty.
    """

    start: int
    margins: Margins
    packed: bytes

    @property
    def refused(self) -> dict[int, InvalidApplication]:
        """The refusals, by place in the block; each has its index in the request."""
        if not self.packed:
            return {}
        refusals = msgspec.json.decode(zlib.decompress(self.packed), type=list[_Refusal])
        return {
            place: InvalidApplication(expected, got, field, place + self.start)
            for place, expected, got, field in refusals
        }


@dataclass
class ScoredStream:
    """All applications of a request, judged, in order."""

    blocks: list[Block] = field(default_factory=list)
    scored: int = 0
    refused: int = 0
    backends: dict[str, None] = field(default_factory=dict)
    """Names of the backends that scored, in the order of their first block."""

    @property
    def rows(self) -> int:
        """Applications so far."""
        return self.scored + self.refused


def score_stream(
    encoded: Iterable[Encoded], scorer: Scorer, max_rows: int, *, report: bool = False
) -> ScoredStream:
    """Judge applications, block by block.

    Args:
        encoded: the blocks.
        scorer: scores the applications.
        max_rows: upper limit on applications.
        report: whether a bad application is noted, instead of refusing the request.

    Raises:
        InvalidApplication: the first bad application, unless `report` is set.
        TooLarge: more than `max_rows`.
    """
    stream = ScoredStream()
    for rows, wrong in encoded:
        start, first = stream.rows, _first_of_each(wrong)
        stream.scored += len(rows)
        stream.refused += len(first)
        if stream.rows > max_rows:
            raise TooLarge(
                f"Expected at most {max_rows} applications, got more - at the request's body. Send "
                "them in parts, or score a file by `bentoml ext score`; the server's limit is "
                "MAX_BULK_ROWS."
            )
        if first and not report:
            place, error = next(iter(first.items()))
            raise error.at(start + place)
        if len(rows):
            stream.backends[scorer.backend.for_rows(len(rows)).name] = None
        if rows.size or first:
            stream.blocks.append(Block(start, _margins(rows, first, start, scorer), _pack(first)))
    return stream


def _margins(rows: Rows, refused: Collection[int], start: int, scorer: Scorer) -> Margins:
    """Margins of the good applications of a block; an error names the index in the request."""
    try:
        return scorer.margins(rows)
    except InvalidApplication as error:
        good = [place for place in range(len(rows) + len(refused)) if place not in refused]
        raise error.at(start + good[error.index or 0]) from None


def _first_of_each(wrong: list[InvalidApplication]) -> dict[int, InvalidApplication]:
    """The refusal of each bad application: its first wrong field, as /classify reports it."""
    first: dict[int, InvalidApplication] = {}
    for error in wrong:
        first.setdefault(error.index or 0, error)
    return first


def _pack(refused: dict[int, InvalidApplication]) -> bytes:
    """The refusals, compressed: every application of a request may be wrong."""
    if not refused:
        return b""
    refusals: list[_Refusal] = [(place, e.expected, e.got, e.field) for place, e in refused.items()]
    return zlib.compress(msgspec.json.encode(refusals), 1)
