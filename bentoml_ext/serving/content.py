"""Content: what a request says of its body by headers, and of its answer by its query.

What is not read as it was meant is refused. Examples are an unknown content coding, text in another
charset, a parameter that is nearly one of ours. Other parameters are other programs' and change
nothing.
"""

from __future__ import annotations

import re
import zlib
from http import HTTPStatus
from io import BytesIO
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from bentoml_ext.choices import like, spelled
from bentoml_ext.errors import InvalidApplication, TooLarge
from bentoml_ext.formats.readable import Readable

__all__ = ["json_body", "lines_of", "report_asked", "unpacked"]

AT_ONCE_BYTES: Final = 32 * 1024

CODINGS: Final = ("gzip", "x-gzip", "deflate")
GZIP, ZLIB, BARE = 31, 15, -15
"""zlib's words for what is around a packed body: gzip's head, its own, or nothing."""

CHARSET: Final = re.compile(r"""charset\s*=\s*["']?([^"';\s]+)""", re.IGNORECASE)
OPTION: Final = "on_error"
CHOICES: Final = ("fail", "report")


async def json_body(request: Request, max_bytes: int) -> bytes:
    """The body of a request for JSON, unpacked.

    Args:
        request: whose body it is.
        max_bytes: that a packed body may unpack to.

    Raises:
        HTTPException: 415, a coding or a charset that is not read; 400, a query that means nothing.
        InvalidApplication: packed otherwise than it says.
        TooLarge: it unpacks to more than `max_bytes`.
    """
    if report_asked(request):
        raise _bad_query("'fail' of JSON", "Send NDJSON, or Arrow, to have bad ones reported")
    body = await request.body()
    packed = unpacked(BytesIO(body), request, max_bytes)
    if isinstance(packed, Unpacked):
        at_once = len(body) <= AT_ONCE_BYTES
        body = packed.all() if at_once else await run_in_threadpool(packed.all)
    if not (_charset(request).startswith(("utf", "us-ascii", "ascii")) or body.isascii()):
        raise _unread(request)
    return body


def report_asked(request: Request) -> bool:
    """Whether bad applications are to be reported in their places.

    Raises:
        HTTPException: 400, another choice, or another parameter that is nearly this one.
    """
    query = request.query_params.multi_items()
    for name, _ in query:
        if name != OPTION and like(name, (OPTION,)):
            raise _bad_query(OPTION, "Write it so", spelled(name), "the query")
    given = [value for name, value in query if name == OPTION]
    if len(given) > 1:
        raise _bad_query("one value", "Give one", " and ".join(map(spelled, given)))
    if given and given[0] not in CHOICES:
        raise _bad_query("'fail' or 'report'", "", spelled(given[0]))
    return given == ["report"]


def unpacked(file: Readable, request: Request, max_bytes: int) -> Readable:
    """The unpacked body of a request; `file` itself if it is not packed.

    Raises:
        HTTPException: 415, a coding that is not read.
    """
    words = ",".join(request.headers.getlist("content-encoding")).lower().split(",")
    codings = [word.strip() for word in words if word.strip() not in ("", "identity")]
    if not codings:
        return file
    if len(codings) > 1 or codings[0] not in CODINGS:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Expected gzip, deflate or identity, got {spelled(', '.join(codings))} - at "
            "Content-Encoding. Send the body plain, or as gzip.",
            {"Accept-Encoding": "gzip, deflate"},
        )
    return Unpacked(file, codings[0], max_bytes)


def lines_of(file: Readable, request: Request) -> Readable:
    """The same file, which is refused where its lines are not UTF-8 as a whole.

    Raises:
        HTTPException: 415, a charset that is not a superset of ASCII.
    """
    charset = _charset(request)
    if charset.startswith(("utf-16", "utf-32", "utf16", "utf32")):
        raise _unread(request)
    return Lines(file, request, only_ascii=not charset.startswith(("utf", "us-ascii", "ascii")))


class Unpacked:
    """A file that unpacks another, as it is read; no more than is asked for is held.

    Args:
        file: gzip, or deflate with zlib's head or without.
        coding: of `CODINGS`.
        max_bytes: that it may unpack to.
    """

    closed = False
    """pyarrow asks."""

    def __init__(self, file: Readable, coding: str, max_bytes: int) -> None:
        self._file = file
        self._coding = coding
        self._left = max_bytes
        # A reader asks for memory here, as it would ask the upload.
        self.hold = getattr(file, "hold", None)
        self._max_bytes = max_bytes
        self._packed = b""
        self._inflater: zlib._Decompress | None = None

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end.

        Raises:
            InvalidApplication: it is damaged, cut, or more follows its end.
            TooLarge: it unpacks to more than it may.
        """
        pieces: list[bytes] = []
        while size and (self._packed or self._refill()):
            piece = self._inflate(size)
            size -= len(piece)
            self._left -= len(piece)
            if self._left < 0:
                raise TooLarge(
                    f"Expected at most {self._max_bytes} bytes when unpacked, got more - at the "
                    "request's body. Send it in parts."
                )
            pieces.append(piece)
        return b"".join(pieces)

    def all(self) -> bytes:
        """The whole."""
        return self.read(self._max_bytes + 1)

    def close(self) -> None:
        """Do nothing: pyarrow closes its input."""

    def _refill(self) -> bool:
        self._packed = self._file.read(64 * 1024)
        if not self._packed and (self._inflater is None or not self._inflater.eof):
            raise self._damaged("nothing more" if self._inflater else "nothing")
        return bool(self._packed)

    def _inflate(self, size: int) -> bytes:
        try:
            if self._inflater is None or (self._inflater.eof and self._coding != "deflate"):
                # gzip may have several members, one after the other.
                self._inflater = zlib.decompressobj(self._around())
            if self._inflater.eof:
                raise self._damaged("more after its end")
            piece = self._inflater.decompress(self._packed, size)
        except zlib.error as error:
            raise self._damaged(f"one that cannot be read ({error})") from error
        self._packed = self._inflater.unconsumed_tail or self._inflater.unused_data
        return piece

    def _around(self) -> int:
        if self._coding != "deflate":
            return GZIP
        first = int.from_bytes(self._packed[:2])
        # Many send deflate without the head that it should have.
        return ZLIB if (first >> 8) & 15 == 8 and first % 31 == 0 else BARE

    def _damaged(self, got: str) -> InvalidApplication:
        return InvalidApplication(f"a body in {self._coding}, as Content-Encoding says", got)


class Lines:
    """A file of lines that must be UTF-8, or ASCII where a charset says that they are not.

    Args:
        file: the lines.
        request: whose body it is.
        only_ascii: whether the charset is another one.
    """

    closed = False

    def __init__(self, file: Readable, request: Request, *, only_ascii: bool) -> None:
        self._file = file
        self._request = request
        self._only_ascii = only_ascii
        self._begun = False

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        piece = self._file.read(size)
        if not self._begun and b"\0" in piece[:4]:
            raise InvalidApplication("lines in UTF-8", "UTF-16 or UTF-32")
        self._begun = True
        if self._only_ascii and not piece.isascii():
            raise _unread(self._request)
        return piece


def _charset(request: Request) -> str:
    found = CHARSET.search(request.headers.get("content-type", ""))
    return found[1].lower() if found else "utf-8"


def _unread(request: Request) -> HTTPException:
    return HTTPException(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"Expected UTF-8, got charset={_charset(request)} and more than ASCII - at Content-Type. "
        "Send JSON in UTF-8.",
    )


def _bad_query(
    expected: str, remedy: str, got: str = '"report"', where: str = OPTION
) -> HTTPException:
    message = f"Expected {expected}, got {got} - at {where}."
    return HTTPException(HTTPStatus.BAD_REQUEST, f"{message} {remedy}." if remedy else message)
