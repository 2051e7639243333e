"""Arrow limits: an Arrow IPC stream or file, looked at message by message before Arrow unpacks it.

A compressed buffer begins with the size that it unpacks to, and Arrow takes so much memory before
it looks further. A kilobyte may so ask for a terabyte.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa

from bentoml_ext.errors import TooLarge
from bentoml_ext.formats.readable import Readable

__all__ = ["MAX_UNPACKED_BYTES", "FileMessages", "Messages", "unpacked_size"]

MAX_UNPACKED_BYTES: Final = 4 * 1024 * 1024 * 1024
"""Of one record batch of the operator's own file: 40 million applications."""

SMALLER: Final = "Write smaller record batches."

SIZE_BYTES = 8
"""Of the size at the beginning of a compressed buffer."""

CONTINUATION = b"\xff\xff\xff\xff"

# Places of fields in the tables of Arrow's Message.fbs.
MESSAGE_HEADER = 2
DICTIONARY_DATA = 1
BATCH_BUFFERS = 2
BATCH_COMPRESSION = 3

# The same in File.fbs. A file ends with its footer, the footer's length and the magic.
MAGIC = b"ARROW1"
FOOTER_DICTIONARIES = 2
FOOTER_BATCHES = 3
BLOCK = np.dtype([("start", "<i8"), ("head", "<i4"), ("padding", "<i4"), ("body", "<i8")])

V4_COMPRESSION = b"ARROW:experimental_compression"
"""Key of a message's metadata by which Arrow 0.17 says that a batch is compressed; Arrow still
reads it. It is looked for wherever it may stand in the metadata."""


class Messages:
    """The same stream as a file again, which ends before it unpacks to too much.

    Args:
        file: an Arrow IPC stream.
        max_bytes: that its compressed buffers may unpack to.
        each: whether that is said of one message, and not of all of them together.
    """

    closed = False

    def __init__(self, file: Readable, max_bytes: int, *, each: bool = False) -> None:
        self._messages = pa.ipc.MessageReader.open_stream(file)
        self._left = self._max_bytes = max_bytes
        self._each = each
        self._file = file
        self._parts: deque[memoryview] = deque()

    def read(self, size: int) -> memoryview:
        """So many bytes, fewer at the end of a message; Arrow asks for no more.

        Raises:
            TooLarge: the buffers so far unpack to more than `max_bytes`.
            pyarrow.ArrowInvalid, OSError: a broken stream.
        """
        if not self._parts and not self._next():
            return memoryview(b"")
        part = self._parts.popleft()
        if len(part) > size:
            self._parts.appendleft(part[size:])
        return part[:size]

    def close(self) -> None:
        """Nothing: pyarrow closes what it has read."""

    def _next(self) -> bool:
        try:
            message = self._messages.read_next_message()
        except StopIteration:
            return False
        if self._each:
            self._left = self._max_bytes
        unpacked = unpacked_size(message)
        self._left -= unpacked
        if self._left < 0:
            way_out = SMALLER if self._each else "Send the stream in parts."
            raise _too_large(self._max_bytes, way_out)
        # A server lets few clients hold much at a time.
        if (hold := getattr(self._file, "hold", None)) is not None and message.body is not None:
            hold(unpacked + len(message.body), for_good=message.type == "dictionary")
        head = memoryview(message.metadata)
        self._parts += [memoryview(CONTINUATION), memoryview(struct.pack("<i", len(head))), head]
        if message.body is not None and len(message.body):
            self._parts.append(memoryview(message.body))
        return True


class FileMessages:
    """The messages of an Arrow IPC file, each looked at before Arrow reads it.

    Args:
        file: the file, which can be sought in.
        max_bytes: that the compressed buffers of a message may unpack to.

    Raises:
        pyarrow.ArrowInvalid: the file has no such footer, or one that leads out of it.
    """

    def __init__(self, file: IO[bytes], max_bytes: int | None = None) -> None:
        self._file, self._max_bytes = file, max_bytes or MAX_UNPACKED_BYTES
        self._size = file.seek(0, os.SEEK_END)
        with _worded():
            self._dictionaries, self._batches = self._footer()

    def _footer(self) -> list[Any]:
        """The places of all dictionaries, and of all record batches."""
        tail = self._read(self._size - len(MAGIC) - 4, len(MAGIC) + 4)
        (length,) = struct.unpack_from("<i", tail)
        footer = memoryview(self._read(self._size - len(tail) - length, length))
        (root,) = struct.unpack_from("<I", footer)
        kinds = (FOOTER_DICTIONARIES, FOOTER_BATCHES)
        return [_blocks(footer, root, number) for number in kinds]

    def check_dictionaries(self) -> None:
        """Look at what Arrow reads before the first record batch.

        Raises:
            TooLarge: a compressed dictionary unpacks to too much.
            pyarrow.ArrowInvalid: a broken one.
        """
        for block in self._dictionaries:
            self._check(block)

    def check_all(self) -> None:
        """Look at every dictionary and every record batch.

        Raises:
            as `check_dictionaries`.
        """
        self.check_dictionaries()
        for block in self._batches:
            self._check(block)

    def check_batch(self, number: int) -> None:
        """Look at one record batch.

        Raises:
            as `check_dictionaries`.
        """
        self._check(self._batches[number])

    def _check(self, block: Any) -> None:
        start, head, body = (int(block[name]) for name in ("start", "head", "body"))
        # Not one behind the other: what a message says of its own length has to fit, too.
        with _worded():
            message = pa.ipc.read_message(pa.py_buffer(self._read(start, head + body)))
            unpacked = unpacked_size(message)
        if unpacked > self._max_bytes:
            raise _too_large(self._max_bytes, SMALLER)

    def _read(self, start: int, size: int) -> bytes:
        if not 0 <= start <= start + size <= self._size or size < 0:
            raise ValueError(f"{size} bytes wanted at byte {start} of {self._size}")
        self._file.seek(start)
        return self._file.read(size)


@contextmanager
def _worded() -> Iterator[None]:
    """What is wrong with the octets of a file as Arrow's own error."""
    try:
        yield
    except (ValueError, struct.error) as error:
        raise pa.ArrowInvalid(str(error)) from error


def _blocks(footer: memoryview, root: int, number: int) -> Any:
    """Where the messages of one kind are."""
    if not _place(footer, root, number):
        return np.empty(0, BLOCK)
    vector = _target(footer, root, number)
    (count,) = struct.unpack_from("<I", footer, vector)
    return np.frombuffer(footer, BLOCK, count, vector + 4)


def _too_large(max_bytes: int, way_out: str) -> TooLarge:
    return TooLarge(
        f"Expected at most {max_bytes} bytes when unpacked, got more - at a compressed record "
        f"batch. {way_out}"
    )


def unpacked_size(message: pa.Message) -> int:
    """Bytes that the compressed buffers of a message say they take.

    Raises:
        struct.error, ValueError: the message is broken.
    """
    if message.type not in ("record batch", "dictionary"):
        return 0
    head = memoryview(message.metadata)
    (root,) = struct.unpack_from("<I", head)
    batch = _target(head, root, MESSAGE_HEADER)
    if message.type == "dictionary":
        batch = _target(head, batch, DICTIONARY_DATA)
    if not _place(head, batch, BATCH_COMPRESSION) and V4_COMPRESSION not in bytes(head):
        return 0
    buffers = _target(head, batch, BATCH_BUFFERS)
    (count,) = struct.unpack_from("<I", head, buffers)
    places = np.frombuffer(head, "<i8", 2 * count, buffers + 4).reshape(-1, 2)
    begins = places[places[:, 1] >= SIZE_BYTES, 0]
    body = memoryview(message.body or b"")
    if len(begins) and not (begins.min() >= 0 and begins.max() <= len(body) - SIZE_BYTES):
        raise ValueError("a buffer outside of its message")
    if (begins % SIZE_BYTES).any():
        raise ValueError("a buffer that does not begin at a multiple of 8")
    sizes = np.frombuffer(body, "<i8", len(body) // SIZE_BYTES)[begins // SIZE_BYTES]
    # -1 says that a buffer is not compressed after all. Sums in Python: int64 may overflow.
    return sum(sizes[sizes > 0].tolist())


def _place(data: memoryview, table: int, number: int) -> int:
    """Where a flatbuffer's table has its field of that number; 0 if it has none."""
    (back,) = struct.unpack_from("<i", data, table)
    (length,) = struct.unpack_from("<H", data, table - back)
    if 4 + 2 * number >= length:
        return 0
    (offset,) = struct.unpack_from("<H", data, table - back + 4 + 2 * number)
    return table + offset if offset else 0


def _target(data: memoryview, table: int, number: int) -> int:
    """Where the table or the vector is that a field points to."""
    place = _place(data, table, number)
    (offset,) = struct.unpack_from("<I", data, place)
    return place + int(offset)
