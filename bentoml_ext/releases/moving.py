"""Moving: an entry by which a name means another version, and who moves it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import Any, Literal

import bentoml

from bentoml_ext.store.history import Entry
from bentoml_ext.store.names import manifest_sha256

__all__ = ["entry_of", "mover"]


def entry_of(
    verb: Literal["promote", "rollback"],
    name: str,
    stored: bentoml.Model,
    now: Entry | None,
    **found: Any,
) -> Entry:
    """An entry that is not sealed yet.

    Args:
        verb: what is done.
        name: that moves.
        stored: the version that it will mean.
        now: the entry by which it means what it means.
        found: why, proof and compared.
    """
    return Entry(
        number=0,
        before="",
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        who=mover(),
        verb=verb,
        name=name,
        version=str(stored.tag),
        manifest=manifest_sha256(stored),
        was=None if now is None else now.version,
        **found,
    )


def mover() -> str:
    """The user that the system runs this process for, and the machine: USER@HOST."""
    return f"{_user()}@{platform.node() or 'unknown'}"


def _user() -> str:
    """Not by the environment, where anybody may write any name."""
    try:
        # Not on Windows.
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except ImportError:
        import getpass

        return getpass.getuser()
    except KeyError:
        # A container's user may have no entry.
        return f"uid {os.getuid()}"
