"""Codec: the media types of streams, each with a format that reads and writes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from http import HTTPStatus
from importlib import import_module
from typing import ClassVar

from starlette.exceptions import HTTPException

from bentoml_ext.encoders.encoder import Encoded
from bentoml_ext.formats.readable import Readable
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.serving.streaming.results import ScoredStream

__all__ = ["ARROW", "CODECS", "NDJSON", "OTHER_NAMES", "ROWS", "Format", "format_of"]

ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"

ROWS = 8192
"""Applications of a block of few columns. If all are wrong, their refusals take 80 MB at most."""


class Format(ABC):
    """Reads and writes one media type; several threads share an instance.

    Args:
        scorer: its encoder names the fields, its decider the answers.
    """

    media_type: ClassVar[str]

    @abstractmethod
    def __init__(self, scorer: Scorer) -> None: ...

    @abstractmethod
    def encoded(self, file: Readable, max_bytes: int) -> Iterator[Encoded]:
        """The applications of a body, block by block.

        Args:
            file: the body.
            max_bytes: upper limit of the unpacked body.

        Raises:
            InvalidApplication: the body is not of this media type.
            TooLarge: a line or a record batch is over its limit.
        """

    @abstractmethod
    def answer(self, stream: ScoredStream, *, report: bool) -> Iterator[bytes]:
        """The body of the answer, piece by piece.

        Args:
            stream: the results of all applications.
            report: whether bad applications are answered one by one.
        """


CODECS = {
    ARROW: "bentoml_ext.serving.streaming.arrow_codec:Arrow",
    NDJSON: "bentoml_ext.serving.streaming.ndjson_codec:Ndjson",
}
"""Module and class of each format: a worker imports it, and pyarrow, with its first request."""


OTHER_NAMES = dict.fromkeys(
    [
        f"{kind}/{prefix}{name}"
        for kind in ("application", "text")
        for prefix in ("", "x-")
        for name in ("ndjson", "jsonl", "jsonlines", "json-lines", "ldjson")
    ]
    + ["application/stream+json", "application/x-json-stream"],
    NDJSON,
)
"""Lines of JSON have no registered media type, so clients use many names."""


def format_of(media_type: str, scorer: Scorer) -> Format:
    """The format of a media type among `CODECS`.

    Raises:
        HTTPException: 415; its library is not installed.
    """
    module, _, name = CODECS[media_type].partition(":")
    try:
        made: type[Format] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "pyarrow":
            raise
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Expected {NDJSON} or JSON, got {media_type} - at Content-Type. This server has no "
            "pyarrow: install it there with the 'bulk' extra.",
        ) from error
    return made(scorer)
