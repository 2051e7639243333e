"""Standing: what every name means now, and whether it leads to what was promoted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bentoml.exceptions import BentoMLException

from bentoml_ext.store.history import Entry, History, recorded
from bentoml_ext.store.names import Named, version_of

__all__ = ["Standing", "standings"]


@dataclass(frozen=True)
class Standing:
    """A name.

    Args:
        named: model and name; of a history that cannot be read, the model alone.
        entry: by which it means what it means; None where that cannot be read.
        wrong: why it leads to nothing, in a sentence; empty where all is well.
    """

    named: str
    entry: Entry | None
    wrong: str = ""


def standings() -> list[Standing]:
    """Every name of every model beside the store in use."""
    return [one for model in recorded() for one in _of(model)]


def _of(model: str) -> Iterator[Standing]:
    history = History.load(model)
    if history.broken:
        yield Standing(model, None, history.broken)
        return
    for name in history.names:
        named, entry = Named(model, name), history.now(name)
        if entry is not None:
            yield Standing(str(named), entry, _wrong(entry, named))


def _wrong(entry: Entry, named: Named) -> str:
    try:
        version_of(entry, named)
    except BentoMLException as error:
        return str(error)
    return ""
