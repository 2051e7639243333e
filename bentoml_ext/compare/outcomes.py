"""Outcomes: what became of applications, as a column of a file says it."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bentoml_ext.errors import ConfigError

__all__ = ["BAD", "GOOD", "UNKNOWN", "Outcomes", "outcomes"]

Outcomes: TypeAlias = npt.NDArray[np.int8]
"""int8, (n,): `BAD`, `GOOD` or `UNKNOWN`."""

BAD: Final = 1
GOOD: Final = 0
UNKNOWN: Final = -1

SPELLED: Final[dict[str, int]] = {
    **dict.fromkeys(("0", "0.0", "false", "False"), GOOD),
    **dict.fromkeys(("1", "1.0", "true", "True"), BAD),
    "": UNKNOWN,
}


def outcomes(column: pa.Array, name: str) -> Outcomes:
    """The outcomes of a block.

    Args:
        column: 1 or true is the event that the model predicts, 0 or false is its absence, null is
            unknown.
        name: of the column.

    Raises:
        ConfigError: another value; it is not guessed which one is bad.
    """
    texts = pc.fill_null(column.cast(pa.string()), "")
    places = pc.index_in(texts, value_set=pa.array(list(SPELLED)))
    if places.null_count:
        value: Any = texts.filter(pc.is_null(places))[0].as_py()
        raise ConfigError(
            f"Expected 1 for the event that the model predicts, 0 or nothing, got '{value}' - at "
            f"the outcome '{name}'. Write it so: which value is bad is not guessed."
        )
    codes = np.array(list(SPELLED.values()), np.int8)
    found: Outcomes = codes[places.to_numpy(zero_copy_only=False)]
    return found
