"""Unpacked: a text file as UTF-8, however it was compressed; both are known by its first bytes."""

from __future__ import annotations

import codecs
import io
import lzma
from collections.abc import Mapping
from typing import IO, Any, Final, cast

import pyarrow as pa

__all__ = ["PACKED", "foreign", "unpacked"]

PACKED: Final = (".gz", ".bz2", ".xz", ".zst", ".lz4")
"""Suffixes of compressed files."""

CODECS: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xfd7zXZ\x00": "xz",
    # A frame to be skipped, which pzstd and others write first.
    **{bytes([sign]) + b"\x2a\x4d\x18": "zstd" for sign in range(0x50, 0x60)},
}
OTHERS: Final = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save the sheet as CSV UTF-8",
    **dict.fromkeys(
        (
            *(b"\x1f\x9d", b"\x1f\xa0", b"]\0\0", b"7z\xbc\xaf\x27\x1c", b"Rar!"),
            b"\xff\x06\0\0sNaPpY",
        ),
        "a file compressed in a way that is not read: unpack it",
    ),
    b"FEA1": "Feather of version 1: write version 2, or Parquet",
    b"PGCOPY\n\xff": "a binary COPY of PostgreSQL: say FORMAT csv, HEADER",
    b"\x89HDF": "HDF5: write the rows as Parquet",
    b"%PDF": "a PDF: export the table as CSV",
    b"PAR1": "Parquet: say so by --from parquet",
    b"ARROW1": "Arrow: say so by --from arrow",
    b"SQLite format 3": "an SQLite database: export the table as CSV",
    b"Obj\x01": "Avro: write the rows as Parquet",
    b"ORC": "ORC: write the rows as Parquet",
    b"$FL2@(#)": "a file of SPSS: export it as CSV or Parquet",
    b"$FL3@(#)": "a file of SPSS: export it as CSV or Parquet",
    b"<stata_dta>": "a file of Stata: export it as CSV or Parquet",
    b"HEADER RECORD***": "a transport file of SAS: export it as CSV or Parquet",
    bytes.fromhex("000000000000000000000000c2ea8160"): "a file of SAS: export it as CSV or Parquet",
    b"X\n\x00\x00\x00": "an object of R: export it as CSV or Parquet",
    b"RDX": "objects of R: export them as CSV or Parquet",
    b"\x80\x04\x95": "a pickle of Python: write the rows as CSV or Parquet",
    b"\x80\x05\x95": "a pickle of Python: write the rows as CSV or Parquet",
}
MARKS: Final = {
    # The mark of UTF-16 begins that of UTF-32.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: None,
}
"""Byte-order marks; that of UTF-8 is left out when it is read."""
CHUNK: Final = 256 * 1024

SURE: Final = 8
"""Letters of a mark that is one in plain text, too: a shorter one may be the name of a column."""


def unpacked(file: IO[bytes], encoding: str | None = None) -> io.BufferedReader:
    """The file's text in UTF-8, without a byte-order mark.

    Args:
        file: the file.
        encoding: of a text that has no byte-order mark.

    Raises:
        pyarrow.ArrowInvalid: the file is of a format that no text is.
        OSError, EOFError, lzma.LZMAError: while it is read: it is damaged or cut off.
    """
    begin = _begin(file)
    codec = _marked(begin, CODECS)
    if codec == "xz":
        file = cast("IO[bytes]", lzma.LZMAFile(file))  # noqa: SIM115 (as the file that it reads)
    elif codec is not None:
        stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), codec)
        file = io.BufferedReader(cast("io.RawIOBase", stream), CHUNK)
    begin = _begin(file)
    if (what := _marked(begin, OTHERS)) is not None:
        raise pa.ArrowInvalid(what)
    if (known := _encoding(begin, encoding)) is not None:
        file = io.BufferedReader(_Recoded(file, known), CHUNK)
    if begin.startswith(codecs.BOM_UTF8):
        file.read(len(codecs.BOM_UTF8))
    return cast("io.BufferedReader", file)


def foreign(begin: bytes) -> str | None:
    """What a file is that begins so, and what to do about it; None for one of another kind.

    Of use for Parquet and Arrow, which are not compressed as a whole.
    """
    codec = _marked(begin, CODECS)
    return (
        f"a file compressed as a whole, by {codec}: unpack it" if codec else _marked(begin, OTHERS)
    )


def _marked(begin: bytes, marks: Mapping[bytes, str]) -> str | None:
    is_plain = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in begin)
    for mark, what in marks.items():
        if begin.startswith(mark) and not (is_plain and len(mark) < SURE):
            return what
    return None


def _encoding(begin: bytes, given: str | None) -> str | None:
    """The encoding of a text by its first bytes, or as the user named it; None for UTF-8."""
    for mark, encoding in MARKS.items():
        if begin.startswith(mark):
            return encoding
    if given is not None:
        return given
    # A header is ASCII, so that every other byte of UTF-16 is zero.
    zeros = [index % 2 for index, byte in enumerate(begin) if not byte]
    if len(zeros) == len(begin) // 2 > 0 and len(set(zeros)) == 1:
        return "utf-16-le" if zeros[0] else "utf-16-be"
    return None


def _begin(file: IO[bytes]) -> bytes:
    """The first bytes, still to be read."""
    return bytes(cast("io.BufferedReader", file).peek(16)[:16])


class _Recoded(io.RawIOBase):
    """Another encoding, such as UTF-16 of Excel and PowerShell, in UTF-8."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        while not self._left:
            piece = self._file.read(CHUNK)
            self._left = self._decoder.decode(piece, final=not piece).encode()
            if not piece:
                break
        taken, self._left = self._left[: len(view)], self._left[len(view) :]
        view[: len(taken)] = taken
        return len(taken)
