"""Promote: let a name of a model mean another version, if that version shows what it must."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentoml_ext.errors import ConfigError
from bentoml_ext.releases.evidence import Trial, prove_again
from bentoml_ext.releases.moving import entry_of
from bentoml_ext.store.history import Entry, History
from bentoml_ext.store.models import get, load_bundle
from bentoml_ext.store.names import AT, CHAMPION, Named, named_of, version_of

if TYPE_CHECKING:
    from bentoml_ext.compare.applications import Progress
    from bentoml_ext.proving.every_form import ProofProgress

__all__ = ["Promotion", "promote"]


@dataclass(frozen=True)
class Promotion:
    """What is asked for.

    Args:
        tag: of the version, or a name that leads to it.
        alias: name that it gets.
        why: in the words of who asks.
        trial: gates that it must pass against the version that has the name; None for none.
        dry_run: show everything and move nothing.
    """

    tag: str
    alias: str = CHAMPION
    why: str = ""
    trial: Trial | None = None
    dry_run: bool = False


def promote(
    asked: Promotion,
    on_proof: ProofProgress | None = None,
    on_compare: Progress | None = None,
) -> tuple[Named, Entry, bool]:
    """Prove a version again, judge its gates, and let the name mean it.

    Returns:
        The name, the entry by which it means the version, and whether that entry is new.

    Raises:
        NotFound: no such version.
        ProofFailed, NotPromoted: the proof or a gate fails; the name means what it meant.
        ConfigError: not a name, no version to compare with, or the name has moved meanwhile.
        HistoryBroken, BundleError, OSError: as `History.append` and `load_bundle`.
    """
    stored = get(asked.tag)
    named = named_of(f"{stored.tag.name}{AT}{asked.alias}")
    history = History.read(named.name)
    now = history.now(named.alias)
    bundle = load_bundle(stored)
    if now is not None and now.version == str(stored.tag):
        version_of(now, named)
        return named, now, False
    champion = _champion(now, named) if asked.trial is not None else ""
    proof = prove_again(bundle, on_proof)
    compared = None
    if asked.trial is not None:
        compared = asked.trial.judge(champion, str(stored.tag), on_compare)
    entry = entry_of(
        "promote", named.alias, stored, now, why=asked.why, proof=proof, compared=compared
    )
    return named, entry if asked.dry_run else history.append(entry), True


def _champion(now: Entry | None, named: Named) -> str:
    """The version to compare with."""
    if now is None:
        raise ConfigError(
            f"Expected a version under {named} to compare with, got none - at --gates. "
            "Promote the first version without gates."
        )
    return str(version_of(now, named).tag)
