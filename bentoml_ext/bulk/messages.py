"""Messages: an Arrow IPC stream, looked at message by message before Arrow unpacks any of it.

A compressed buffer begins with the size that it unpacks to, and Arrow takes so much memory before
it looks further. A kilobyte may so ask for a terabyte.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bentoml_ext.errors import TooLarge

if TYPE_CHECKING:
    from bentoml_ext.bulk.streams import Readable

__all__ = ["Messages"]

CONTINUATION = b"\xff\xff\xff\xff"

# Places of fields in the tables of Arrow's Message.fbs.
MESSAGE_HEADER = 2
DICTIONARY_DATA = 1
BATCH_BUFFERS = 2
BATCH_COMPRESSION = 3


class Messages:
    """The same stream as a file again, which ends before it unpacks to too much.

    Args:
        file: an Arrow IPC stream.
        max_bytes: that all its compressed buffers may unpack to.
    """

    closed = False

    def __init__(self, file: Readable, max_bytes: int) -> None:
        self._messages = pa.ipc.MessageReader.open_stream(file)
        self._left = self._max_bytes = max_bytes
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
        self._left -= _unpacked(message)
        if self._left < 0:
            raise TooLarge(
                f"Expected at most {self._max_bytes} bytes when unpacked, got more - at a "
                "compressed record batch. Send the stream in parts."
            )
        head = memoryview(message.metadata)
        self._parts += [memoryview(CONTINUATION), memoryview(struct.pack("<i", len(head))), head]
        if message.body is not None and len(message.body):
            self._parts.append(memoryview(message.body))
        return True


def _unpacked(message: pa.Message) -> int:
    """Bytes that the compressed buffers of a message say they take."""
    if message.type not in ("record batch", "dictionary"):
        return 0
    head = memoryview(message.metadata)
    (root,) = struct.unpack_from("<I", head)
    batch = _target(head, root, MESSAGE_HEADER)
    if message.type == "dictionary":
        batch = _target(head, batch, DICTIONARY_DATA)
    if not _place(head, batch, BATCH_COMPRESSION):
        return 0
    buffers = _target(head, batch, BATCH_BUFFERS)
    (count,) = struct.unpack_from("<I", head, buffers)
    places = np.frombuffer(head, "<i8", 2 * count, buffers + 4).reshape(-1, 2).tolist()
    sizes = [struct.unpack_from("<q", message.body, at)[0] for at, length in places if length > 8]
    # -1 says that a buffer is not compressed after all.
    return sum(size for size in sizes if size > 0)


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
