"""Pipeline files: scikit-learn pipelines as users keep them, read without running what is in them.

A skops file says which types it holds, and is read if all of them are known. A pickle runs whatever
its maker put into it, so it is read only where the user says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bentoml_ext.errors import ConfigError, ImportRefused

__all__ = ["read_pipeline"]

TRUSTED: Final = (
    "builtins.bytearray",
    "xgboost.core.Booster",
    *(f"xgboost.sklearn.XGB{name}" for name in ("Classifier", "Regressor", "Ranker")),
    *(f"xgboost.sklearn.XGBRF{name}" for name in ("Classifier", "Regressor")),
)
"""Types of XGBoost, which skops does not know by itself."""


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
    if path.read_bytes()[:4] == b"PK\x03\x04":
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


def _of_skops(path: Path) -> Any:
    from skops import io

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


def _of_pickle(path: Path) -> Any:
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:
        raise ImportRefused(f"Expected a pickled pipeline, got {error!r} - at {path}.") from error
