"""Builds: a bento that could not be built or stored leaves nothing in the home.

BentoML leaves the folder in which it builds, and half of a bento whose storing a signal ends.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

from bentoml._internal.bento.bento import Bento
from bentoml._internal.configuration.containers import BentoMLContainer

__all__ = ["leave_nothing_of_failed_builds"]


def leave_nothing_of_failed_builds() -> None:
    """Let BentoML's own steps of a build clean up, whatever ends them; once."""
    bentos: Any = Bento
    if not hasattr(bentos.save, "bentoml_ext"):
        bentos.create, bentos.save = _create(bentos.create), _save(bentos.save)


def _create(own: Any) -> Any:
    @wraps(own)
    def create(*given: Any, **named: Any) -> Any:
        beside: Any = BentoMLContainer.tmp_bento_store_dir
        folder = tempfile.mkdtemp(prefix="bentoml_ext-build-", dir=beside.get())
        try:
            with beside.patch(folder):
                bento = own(*given, **named)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(bento, shutil.rmtree, folder, ignore_errors=True)
        return bento

    return create


def _save(own: Any) -> Any:
    @wraps(own)
    def save(bento: Any, *given: Any, **named: Any) -> Any:
        place = Path(BentoMLContainer.bento_store_dir.get()) / bento.tag.path()
        is_new = not place.exists()
        try:
            return own(bento, *given, **named)
        except BaseException:
            if is_new:
                shutil.rmtree(place, ignore_errors=True)
                # The folder of its name stays where it has other versions.
                with suppress(OSError):
                    place.parent.rmdir()
            raise

    save.bentoml_ext = True  # type: ignore[attr-defined]
    return save
