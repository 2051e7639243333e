"""Home: BENTOML_HOME, which BentoML fills with folders before its first look into it.

BentoML gives a traceback where it may not. Reading needs none of these folders but the models.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from bentoml._internal.configuration import containers

from bentoml_ext.errors import ConfigError

__all__ = ["home_path", "lend_home", "tolerate_read_only"]

FOLDERS: Final = ("bentos", "models", "envs", "tmp")


def tolerate_read_only() -> None:
    """Let BentoML read a home in which this process may make no folders.

    A home that is missing and cannot be made is a `ConfigError`, as is one without models.
    """
    modules: Any = containers
    modules.validate_or_create_dir = _make


def home_path() -> Path:
    """BENTOML_HOME, or its default.

    Raises:
        ConfigError: the folder is missing, and cannot be made.
    """
    return Path(containers.BentoMLContainer.bentoml_home.get())


def lend_home(place: Path) -> None:
    """Let processes that this one starts see a home with every folder.

    BentoML's worker looks into its home before it imports anything of this package.

    Args:
        place: is made, if the home lacks a folder, and leads to those that it has.
    """
    home = home_path().absolute()
    if all((home / name).is_dir() for name in FOLDERS):
        return
    place.mkdir()
    for name in FOLDERS:
        if (home / name).is_dir():
            (place / name).symlink_to(home / name)
        else:
            (place / name).mkdir()
    os.environ["BENTOML_HOME"] = str(place)


def _make(home: str, *folders: str) -> None:
    for place in map(Path, (home, *folders)):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            # Who writes into another folder makes it first, and then learns why not.
            if place.name in FOLDERS and place.name != "models" and not place.exists():
                continue
            raise ConfigError(
                f"Expected a folder, got {error.strerror} - at {place}. Make it, or set "
                "BENTOML_HOME to a folder that this user may write."
            ) from error
