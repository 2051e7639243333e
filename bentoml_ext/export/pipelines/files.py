"""Files: scikit-learn pipelines as users keep them, read without running what is in them.

A skops file says which types it holds, and is read if all of them are known. A pickle runs whatever
its maker put into it, so it is read only where the user says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile, ZipFile, is_zipfile

from bentoml_ext import files
from bentoml_ext.errors import ConfigError, ImportRefused

__all__ = ["is_skops", "read_pipeline"]

SCHEMA: Final = "schema.json"

TRUSTED: Final = (
    "builtins.bytearray",
    "numpy.dtype",
    "xgboost.core.Booster",
    *(f"xgboost.sklearn.XGB{name}" for name in ("Classifier", "Regressor", "Ranker")),
    *(f"xgboost.sklearn.XGBRF{name}" for name in ("Classifier", "Regressor")),
)
"""Types of XGBoost and numpy, which skops does not know by itself."""


def read_pipeline(path: Path, *, allow_pickle: bool = False) -> Any:
    """The fitted pipeline in a file.

    Args:
        path: of skops; of joblib or pickle with `allow_pickle`.
        allow_pickle: whether the user vouches for what the pickle runs.

    Raises:
        ConfigError: a pickle, and nobody vouches for it.
        ImportError: skops is not installed.
        ImportRefused: a skops file with unknown types, a file that cannot be read, or something
            that does not predict.
    """
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    if is_archive:
        found = _of_skops(path)
    elif allow_pickle:
        found = _of_pickle(path)
    else:
        raise ConfigError(
            f"Expected a skops file, got what may be a pickle - at {path}. A pickle runs whatever "
            "its maker put into it: add --allow-pickle if you trust who made it, or write the "
            "pipeline by `skops.io.dump(pipeline, 'pipeline.skops')`."
        )
    if not hasattr(found, "predict"):
        raise ImportRefused(f"Expected a fitted pipeline, got {type(found).__name__} - at {path}.")
    return found


def is_skops(path: Path) -> bool:
    """Whether a file is an archive of skops."""
    if not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return SCHEMA in archive.namelist()


def _of_skops(path: Path) -> Any:
    from skops import io

    _check_size(path)
    try:
        unknown = sorted(set(io.get_untrusted_types(file=path)) - set(TRUSTED))
        if unknown:
            raise ImportRefused(
                f"Expected types of scikit-learn, numpy and XGBoost, got {', '.join(unknown)} "
                f"- at {path}."
            )
        return io.load(path, trusted=list(TRUSTED))
    except ImportRefused:
        raise
    except Exception as error:
        raise ImportRefused(f"Expected a skops file, got {error!r} - at {path}.") from error


def _check_size(path: Path) -> None:
    """Refuse an archive that unpacks to more than memory may hold."""
    try:
        with ZipFile(path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ImportRefused(f"Expected a skops file, got {error!r} - at {path}.") from error
    # zipfile reads no more of an entry than the size that the entry declares.
    for what, size, most in (
        (SCHEMA, sizes.get(SCHEMA, 0), files.MOST_TEXT_BYTES),
        ("the archive", sum(sizes.values()), files.MOST_BYTES),
    ):
        if size > most:
            raise ImportRefused(
                f"Expected at most {most:,} bytes when unpacked, got {size:,} - at {what} in "
                f"{path}."
            )


def _of_pickle(path: Path) -> Any:
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:
        raise ImportRefused(f"Expected a pickled pipeline, got {error!r} - at {path}.") from error
