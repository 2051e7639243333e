"""NDJSON: applications, one JSON object a line, become rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.encoders.encoder import Application, Encoded, Encoder
from bentoml_ext.encoders.json_decoder import JsonDecoder, Values
from bentoml_ext.encoders.strict_json import Doubled, json_value
from bentoml_ext.errors import InvalidApplication

__all__ = ["EncodedLines", "LineEncoder", "split_lines"]


class EncodedLines(NamedTuple):
    """Many lines, encoded; a line's number counts those that are not blank.

    Args:
        encoded: rows and refusals.
        kept: for each line, the values that were to be kept; None for one that it does not have.
    """

    encoded: Encoded
    kept: list[tuple[Any, ...]]


class LineEncoder:
    """Encodes NDJSON for one encoder: takes and refuses a line as /classify does a body.

    Args:
        encoder: whose fields and columns they are.
        keep: keys whose values are to be kept besides.
        most: refusals of one application that are reported; None for all.
    """

    def __init__(
        self, encoder: Encoder, keep: Sequence[str] = (), *, most: int | None = None
    ) -> None:
        self._encoder = encoder
        self._reader = JsonDecoder(encoder, keep)
        self._keep = tuple(keep)
        self._most = most
        self._wanted = encoder.names.union(keep)

    def encode(self, lines: bytes) -> EncodedLines:
        """The rows of whole lines, UTF-8; blank ones are skipped."""
        values = self._reader.lines(lines)
        if values is None:
            return self._encode_singly(split_lines(lines))
        return EncodedLines(
            Encoded(self._reader.rows(values), []), list(map(self._reader.kept, values))
        )

    def _encode_singly(self, lines: Sequence[bytes]) -> EncodedLines:
        """Rows where not every line is plain: wrong values, or keys that nobody asked for."""
        plain: dict[int, Values] = {}
        odd: dict[int, Application] = {}
        refused: list[InvalidApplication] = []
        kept: list[tuple[Any, ...]] = []
        for index, line in enumerate(lines):
            try:
                values, application = self._read(line)
            except InvalidApplication as error:
                refused.append(error.at(index))
                kept.append((None,) * len(self._keep))
                continue
            kept.append(self._kept(values, application))
            wrong: list[InvalidApplication] = []
            if values is None:
                wrong += islice(self._encoder.wrong(application), self._most)
            refused += [error.at(index) for error in wrong]
            if values is not None:
                plain[index] = values
            elif not wrong:
                odd[index] = application
        return EncodedLines(Encoded(self._rows(plain, odd), refused), kept)

    def _read(self, line: bytes) -> tuple[Values | None, Any]:
        """The values of a plain line; of another its application, without keys of no meaning."""
        values, application = self._reader.one(line), None
        if values is None:
            application = json_value(line)
            if isinstance(application, dict) and not isinstance(application, Doubled):
                application = {k: v for k, v in application.items() if k in self._wanted}
                values = self._reader.plain(application)
        return values, application

    def _kept(self, values: Values | None, application: Any) -> tuple[Any, ...]:
        if values is not None:
            return self._reader.kept(values)
        given = application if isinstance(application, Mapping) else {}
        return tuple([given.get(name) for name in self._keep])

    def _rows(self, plain: Mapping[int, Values], odd: Mapping[int, Application]) -> Rows:
        rows = [self._reader.rows(list(plain.values())), self._encoder.rows(list(odd.values()))]
        order = np.argsort([*plain, *odd]) if plain or odd else np.empty(0, np.int64)
        return np.concatenate(rows)[order]


def split_lines(lines: bytes) -> list[bytes]:
    """The lines that are not blank."""
    return [line for part in lines.split(b"\n") if (line := part.strip(b" \t\r"))]
