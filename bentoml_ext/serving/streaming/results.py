"""Results: the scores of a stream, kept until its last application is judged.

The status of an answer must be true, so nothing is answered before the last application is known
to be right. Kept are four bytes of a good one, its margin, and the packed refusal of a bad one.
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


_Told: TypeAlias = tuple[int, str, str, str | None]
"""A refusal: place in its block, expected, got, field."""


@dataclass(frozen=True)
class Block:
    """Some thousand applications, judged.

    Args:
        start: index of the first of them in the request.
        margins: float32, (good,).
        packed: the refusals of the others; empty for none.
    """

    start: int
    margins: Margins
    packed: bytes

    @property
    def refused(self) -> dict[int, InvalidApplication]:
        """The refusals, by place in the block; each has its index in the request."""
        if not self.packed:
            return {}
        told = msgspec.json.decode(zlib.decompress(self.packed), type=list[_Told])
        return {
            place: InvalidApplication(expected, got, field, place + self.start)
            for place, expected, got, field in told
        }


@dataclass
class ScoredStream:
    """All applications of a request, judged, in order."""

    blocks: list[Block] = field(default_factory=list)
    scored: int = 0
    refused: int = 0
    backends: dict[str, None] = field(default_factory=dict)
    """Names of those that scored, in the order of their first block."""

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
        scorer: what scores them.
        max_rows: applications at the most.
        report: whether a bad application is noted, and does not refuse them all.

    Raises:
        InvalidApplication: the first bad application, unless they are noted.
        TooLarge: more than `max_rows`.
    """
    verdicts = ScoredStream()
    for rows, wrong in encoded:
        start, first = verdicts.rows, _first_of_each(wrong)
        verdicts.scored += len(rows)
        verdicts.refused += len(first)
        if verdicts.rows > max_rows:
            raise TooLarge(
                f"Expected at most {max_rows} applications, got more - at the request's body. Send "
                "them in parts, or score a file by `bentoml ext score`; the server's limit is "
                "MAX_BULK_ROWS."
            )
        if first and not report:
            place, error = next(iter(first.items()))
            raise error.at(start + place)
        if len(rows):
            verdicts.backends[scorer.backend.for_rows(len(rows)).name] = None
        if rows.size or first:
            verdicts.blocks.append(Block(start, _margins(rows, first, start, scorer), _pack(first)))
    return verdicts


def _margins(rows: Rows, refused: Collection[int], start: int, scorer: Scorer) -> Margins:
    """Margins of the good applications of a block; what is refused of them has its own index."""
    try:
        return scorer.margins(rows)
    except InvalidApplication as error:
        good = [place for place in range(len(rows) + len(refused)) if place not in refused]
        raise error.at(start + good[error.index or 0]) from None


def _first_of_each(wrong: list[InvalidApplication]) -> dict[int, InvalidApplication]:
    """What is told of each bad application: the first of its wrong fields, as /classify does."""
    first: dict[int, InvalidApplication] = {}
    for error in wrong:
        first.setdefault(error.index or 0, error)
    return first


def _pack(refused: dict[int, InvalidApplication]) -> bytes:
    """Small, because a request may be wrong in every application."""
    if not refused:
        return b""
    told: list[_Told] = [(place, e.expected, e.got, e.field) for place, e in refused.items()]
    return zlib.compress(msgspec.json.encode(told), 1)
