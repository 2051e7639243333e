"""Other files: files of another kind, known by how they begin, and the way out."""

from __future__ import annotations

import re
from typing import Final

from bentoml_ext.errors import ImportRefused

__all__ = ["SAVE", "refuse_others"]

SAVE: Final = "Load it where it was made and write it by `model.save_model('model.ubj')`."
PYTHON: Final = (
    "Nothing of it is read: it could run anything. --allow-pickle reads a Pipeline of known steps. "
    "Where you trust it, load it in Python and hand it to `bentoml_ext.save_model(NAME, model, "
    "encoder=...)`, a Pipeline with `example=FRAME`; or write `model.save_model('model.ubj')`."
)

OTHERS: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"\x80", "a pickle", PYTHON),
    (b"x\x01", "a compressed pickle of joblib", PYTHON),
    (b"x\x5e", "a compressed pickle of joblib", PYTHON),
    (b"x\x9c", "a compressed pickle of joblib", PYTHON),
    (b"x\xda", "a compressed pickle of joblib", PYTHON),
    (b"\x1f\x8b", "a file compressed by gzip", "Unpack it first; a pickle is not read."),
    (b"BZh", "a file compressed by bzip2", "Unpack it first; a pickle is not read."),
    (b"\xfd7zXZ", "a file compressed by xz", "Unpack it first; a pickle is not read."),
    (b"PK\x03\x04", "a zip archive, as skops and numpy write", PYTHON),
    (b"binf", "XGBoost's old binary format", SAVE),
    (b"bs64", "XGBoost's old binary format as text", SAVE),
    (b"\x00\x00\x00\x3f", "XGBoost's old binary format", SAVE),
    (b"booster[", "a dump of trees as text, which lacks what a score needs", SAVE),
    (b"0:[", "a dump of trees as text, which lacks what a score needs", SAVE),
    (b"tree\n", "a model of LightGBM", "XGBoost's boosters are imported."),
    (b"CBM1", "a model of CatBoost", "XGBoost's boosters are imported."),
    (b"\x89HDF", "an HDF5 file", SAVE),
    (b"<?xml", "an XML file, as PMML is", SAVE),
    (b"PAR1", "a Parquet file", SAVE),
    (b"\x08", "perhaps an ONNX file", "`bentoml ext verify FILE --booster BOOSTER` judges those."),
)
"""How other files begin, what they are, and the way out."""

OLD_BINARY: Final = re.compile(
    rb"(binary|reg|multi|rank|count|survival):[a-z]+|gbtree|gblinear|dart"
)
"""In the first octets of XGBoost's old binary format, which begins with the base score."""
HEAD: Final = 400


def refuse_others(data: bytes, place: str) -> None:
    """Refuse the bytes of a file that is known to be of another kind.

    Raises:
        ImportRefused: says what it is and the way out.
    """
    for start, what, remedy in OTHERS:
        if data.startswith(start):
            raise ImportRefused(f"Expected a booster, got {what} - at {place}. {remedy}")
    if b"\0" in data[:8] and data[:1] != b"{" and OLD_BINARY.search(data[:HEAD]):
        what = "XGBoost's old binary format"
        raise ImportRefused(f"Expected a booster, got {what} - at {place}. {SAVE}")
