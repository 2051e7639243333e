"""Messages: an Arrow IPC stream, looked at message by message before Arrow unpacks any of it.

A compressed buffer begins with the size that it unpacks to, and Arrow takes so much memory before
it looks further. A kilobyte may so ask for a terabyte.
"""

from __future__ import annotations

import struct
from collections import deque

import numpy as np
import pyarrow as pa

from bentoml_ext.bulk.readable import Readable
from bentoml_ext.errors import TooLarge

__all__ = ["Messages", "unpacked_size"]

SIZE_BYTES = 8
"""Of the size at the beginning of a compressed buffer."""

CONTINUATION = b"\xff\xff\xff\xff"

# Places of fields in the tables of Arrow's Message.fbs.
MESSAGE_HEADER = 2
DICTIONARY_DATA = 1
BATCH_BUFFERS = 2
BATCH_COMPRESSION = 3

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
            way_out = "Write smaller record batches" if self._each else "Send the stream in parts"
            raise TooLarge(
                f"Expected at most {self._max_bytes} bytes when unpacked, got more - at a "
                f"compressed record batch. {way_out}."
            )
        # A server lets few clients hold much at a time.
        if (hold := getattr(self._file, "hold", None)) is not None and message.body is not None:
            hold(unpacked + len(message.body), for_good=message.type == "dictionary")
        head = memoryview(message.metadata)
        self._parts += [memoryview(CONTINUATION), memoryview(struct.pack("<i", len(head))), head]
        if message.body is not None and len(message.body):
            self._parts.append(memoryview(message.body))
        return True


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
