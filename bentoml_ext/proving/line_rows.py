"""Line rows: applications as lines of JSON and as one array, whose rows must be the encoder's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from bentoml_ext.arrays import Rows
from bentoml_ext.encoders.encoder import Application, Encoder
from bentoml_ext.encoders.json_decoder import JsonDecoder
from bentoml_ext.encoders.ndjson import LineEncoder
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.record import SERVICE

__all__ = ["compare_lines"]

NOTE = "NDJSON, LineEncoder; a JSON array, JsonDecoder: the rows of Encoder"


def compare_lines(
    encoder: Encoder, applications: Sequence[Application], rows: Rows
) -> BitComparison:
    """The rows of LineEncoder, and of JsonDecoder for a whole array, against those of Encoder.

    Args:
        encoder: of all of them.
        applications: valid ones.
        rows: what `encoder.rows` makes of them.
    """
    comparison = BitComparison("lines", SERVICE, NOTE)
    if not applications:
        return comparison
    lines = LineEncoder(encoder)
    for body in _bodies(encoder, applications):
        encoded = lines.encode(body).encoded
        refused = [str(error) for error in encoded.refused]
        comparison.texts("refusal", [], refused)
        if not refused:
            comparison.compare("row", rows, encoded.rows, rows)
        comparison.seen(len(rows))
    reader = JsonDecoder(encoder)
    # An array with an application that the JsonDecoder does not take goes the Encoder's way.
    if (values := reader.many(msgspec.json.encode(applications))) is not None:
        comparison.compare("row of an array", rows, reader.rows(values), rows)
        comparison.seen(len(rows))
    return comparison


def _bodies(encoder: Encoder, applications: Sequence[Application]) -> Iterator[bytes]:
    """All of them twice: as they are, then with a key in every other one that no field has.

    LineEncoder reads the first at once, where every application is plain, and the second singly.
    """
    yield msgspec.json.Encoder().encode_lines(applications)
    unknown = max(encoder.names, key=len, default="") + "?"
    odd = [{**one, unknown: 1} if at % 2 else one for at, one in enumerate(applications)]
    yield msgspec.json.Encoder().encode_lines(odd)
