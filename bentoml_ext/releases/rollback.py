"""Rollback: let a name mean the version before, which is only scored again: going back is quick."""

from __future__ import annotations

from bentoml.exceptions import NotFound

from bentoml_ext.errors import ConfigError
from bentoml_ext.releases.evidence import score_again
from bentoml_ext.releases.moving import entry_of
from bentoml_ext.store.history import Entry, History
from bentoml_ext.store.models import load_bundle
from bentoml_ext.store.names import Named, version_of

__all__ = ["rollback"]


def rollback(named: Named, why: str = "", *, dry_run: bool = False) -> Entry:
    """Take back the last promotion of a name.

    Args:
        named: a model and the name.
        why: in the words of who asks.
        dry_run: show everything and move nothing.

    Raises:
        NotFound: nothing was promoted so, or the version before was deleted.
        ConfigError: there is no version before, or the name has moved meanwhile.
        SelfTestFailed, BundleError: that version is not what was promoted.
        HistoryBroken, OSError: as `History.append`.
    """
    history = History.read(named.name)
    now = history.now(named.alias)
    if now is None:
        raise NotFound(f"Expected a promoted version, got none - at {named} in {history.path}.")
    *earlier, _ = history.promoted(named.alias)
    if not earlier:
        raise ConfigError(
            f"Expected a version before {now.version}, got none - at {named}. Name another one: "
            f"`bentoml ext promote {named.name}:VERSION --as {named.alias}`."
        )
    stored = version_of(earlier[-1], named)
    proof = score_again(load_bundle(stored))
    entry = entry_of("rollback", named.alias, stored, now, why=why, proof=proof)
    return entry if dry_run else history.append(entry)
