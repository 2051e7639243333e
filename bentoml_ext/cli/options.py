"""Options: types that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

__all__ = ["EXISTING_FILE"]

EXISTING_FILE: Final[Any] = click.Path(exists=True, dir_okay=False, path_type=Path)
