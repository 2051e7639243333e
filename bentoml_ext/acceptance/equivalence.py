"""Equivalence: whether two readings of a source give every application the same answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from bentoml_ext.acceptance.scoring import Readable
from bentoml_ext.encoders.encoder import Application, Field

__all__ = ["fingerprint", "probes"]

NUMBERS: Final = (0, -0.0, 1, 1.5, -1, -999, 1e9, True, None)
OTHER: Final = "no category of any model"
MOST_CATEGORIES: Final = 256


def probes(fields: Sequence[Field], known: Application, marks: Sequence[Any]) -> list[Application]:
    """Applications that differ from a known one in one field each, in every way that counts.

    Args:
        fields: of the application.
        known: one that is not refused.
        marks: numbers that may mean missing.
    """
    return list(_varied(fields, known, marks))


def _varied(
    fields: Sequence[Field], known: Application, marks: Sequence[Any]
) -> Iterator[Application]:
    yield known
    for field in fields:
        texts = (*field.categories[:MOST_CATEGORIES], OTHER, "", None)
        for value in texts if field.categories else (*NUMBERS, *marks):
            yield {**known, field.name: value}
        yield {name: value for name, value in known.items() if name != field.name}


def fingerprint(
    found: Readable, applications: Sequence[Application], seen: dict[int, bytes]
) -> bytes:
    """What a reading makes of applications: equal for readings that encode each of them alike.

    A row is the sum of what its fields write, so that one field at a time is enough.

    Args:
        found: model and encoder.
        applications: probes.
        seen: bytes of boosters by identity, which take long to write.
    """
    digest = hashlib.sha256(_booster(found.model, seen))
    for application in applications:
        if any(True for _ in found.encoder.wrong(application)):
            digest.update(b"refused")
            continue
        row = found.encoder.rows([application])
        row[np.isnan(row)] = np.nan
        # To XGBoost, 0.0 and -0.0 are one.
        digest.update((row + np.float32(0)).tobytes())
    return digest.digest()


def _booster(model: Any, seen: dict[int, bytes]) -> bytes:
    if id(model) not in seen:
        seen[id(model)] = hashlib.sha256(bytes(model.save_raw("ubj"))).digest()
    return seen[id(model)]
