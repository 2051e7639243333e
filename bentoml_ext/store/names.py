"""Names: MODEL@NAME, such as credit_risk_model@champion, which leads to one promoted version.

BentoML's tags have no @, so no version can be mistaken for a name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bentoml
from bentoml.exceptions import NotFound

from bentoml_ext.errors import BundleError, ConfigError
from bentoml_ext.internals.store import model_store_path
from bentoml_ext.store.history import Entry, History

__all__ = ["AT", "CHAMPION", "Named", "leads_to", "manifest_sha256", "named_of", "version_of"]

AT: Final = "@"
CHAMPION: Final = "champion"
LATEST: Final = "latest"


@dataclass(frozen=True)
class Named:
    """A model and a name that is given to one of its versions.

    Args:
        name: of the model, as that of a tag.
        alias: such as champion.
    """

    name: str
    alias: str

    def __str__(self) -> str:
        return f"{self.name}{AT}{self.alias}"


def named_of(word: str) -> Named:
    """The model and the name that MODEL@NAME writes.

    Raises:
        ConfigError: not that, or a name that is BentoML's own.
    """
    model, _, alias = word.lower().partition(AT)
    if alias == LATEST:
        raise ConfigError(
            f"Expected a name that is promoted, got '{LATEST}' - at '{word}'. It is BentoML's own "
            f"name of the newest version: write {model}:{LATEST}."
        )
    try:
        return Named(bentoml.Tag(model, None).name, bentoml.Tag(alias, None).name)
    except ValueError as error:
        raise ConfigError(
            f"Expected MODEL{AT}NAME in letters, digits, '_', '-' and '.', got '{word}'."
        ) from error


def leads_to(named: Named) -> bentoml.Model:
    """The stored version that a name means now.

    Raises:
        NotFound: nothing was promoted so, or the version was deleted.
        BundleError: the version has other files than were promoted.
        HistoryBroken: as `History.read`.
    """
    history = History.read(named.name)
    if (entry := history.now(named.alias)) is None:
        there = ", ".join(f"{named.name}{AT}{one}" for one in history.names)
        raise NotFound(
            f"Expected a promoted version, got {f'only {there}' if there else 'nothing promoted'} "
            f"- at '{named}' in {history.path.parent}. "
            f"`bentoml ext promote {named.name}:VERSION --as {named.alias}` names one."
        )
    return version_of(entry, named)


def version_of(entry: Entry, named: Named) -> bentoml.Model:
    """The stored version of an entry, with the files that it was promoted with.

    Raises:
        NotFound, BundleError: as `leads_to`.
    """
    try:
        stored = bentoml.models.get(entry.version)
    except NotFound:
        stored = None
    # BentoML takes the beginning of a version for the whole of it.
    if stored is None or str(stored.tag) != entry.version:
        raise NotFound(
            f"Expected {entry.version}, which was promoted as {named} at {entry.at}, got a deleted "
            f"version - at {model_store_path()}. Name another one: `bentoml ext promote "
            f"{named.name}:VERSION --as {named.alias}`, or `bentoml ext rollback {named}`."
        )
    if manifest_sha256(stored) != entry.manifest:
        raise BundleError(
            f"Expected {entry.version} as it was promoted as {named} at {entry.at}, got other "
            f"files - at {stored.path}. Store that version under another tag, and promote it."
        )
    return stored


def manifest_sha256(stored: bentoml.Model) -> str:
    """Checksum of a version's manifest, in hex; empty where it has none."""
    # Not for `bentoml serve`, which reads names and no bundle.
    from bentoml_ext.store.bundle import MANIFEST

    try:
        return hashlib.sha256((Path(stored.path) / MANIFEST).read_bytes()).hexdigest()
    except OSError:
        return ""
