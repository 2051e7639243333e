"""Line blocks: NDJSON in blocks of whole lines, however long its lines are.

A stream may come from a stranger: a line has a limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from bentoml_ext.errors import TooLarge
from bentoml_ext.formats.readable import Readable

__all__ = ["BLOCK_BYTES", "BLOCK_LINES", "MAX_LINE_BYTES", "line_blocks"]

BLOCK_BYTES = 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024
BLOCK_LINES = 16_384


def line_blocks(
    file: Readable,
    block_bytes: int = BLOCK_BYTES,
    max_line_bytes: int = MAX_LINE_BYTES,
    max_lines: int = BLOCK_LINES,
) -> Iterator[bytes]:
    """The lines of a file, in blocks of whole ones.

    Args:
        file: UTF-8 lines; the last one may have no end.
        block_bytes: how much is read at a time.
        max_line_bytes: of a line that does not fit into a block.
        max_lines: of a block; short lines that are all wrong take far more memory as refusals than
            as text.

    Raises:
        TooLarge: a longer line.
    """
    begun = b""
    while piece := file.read(block_bytes):
        end = piece.rfind(b"\n") + 1
        first = piece.find(b"\n") if end else len(piece)
        if len(begun) + first > (limit := max(max_line_bytes, block_bytes)):
            raise TooLarge(
                f"Expected lines of at most {limit} bytes, got a longer one - at a line. "
                "Write one application on each line."
            )
        if end:
            yield from _short(begun + piece[:end], max_lines)
            begun = b""
        begun += piece[end:]
    if begun:
        yield begun


def _short(block: bytes, max_lines: int) -> Iterator[bytes]:
    """The same lines, in blocks of not too many."""
    if block.count(b"\n") <= max_lines:
        yield block
        return
    lines = block.split(b"\n")
    for start in range(0, len(lines), max_lines):
        yield b"\n".join(lines[start : start + max_lines])
