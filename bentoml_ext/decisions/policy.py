"""Policy: bands over the probability, taken on the margin at the exact float32 crossing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from bentoml_ext import files
from bentoml_ext.errors import BundleError, ConfigError
from bentoml_ext.objectives.logistic import first_margin_above

__all__ = ["Band", "Policy"]

RESERVED: Final = frozenset({"probability", "margin", "model", "error"})
"""What stands beside the answer in JSON, Arrow and Parquet; many readers ignore upper case."""

MOST_ANSWERS: Final = 128
"""Arrow's answers are codes of one signed byte."""

OTHERWISE: Final = "otherwise"
KEY: Final = "key"


def _number(value: Any, where: str) -> float:
    # bool is an int to Python, and no probability.
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating):
        raise ConfigError(f"Expected a number, got {value!r} - at {where}.")
    try:
        return float(value)
    except OverflowError as error:
        raise ConfigError(f"Expected a number below 1, got {value!r} - at {where}.") from error


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"Expected a text that is not empty, got {value!r} - at {where}.")
    # A subclass, such as an Enum, may print as another text than it is.
    text = str.__str__(value)
    # A lone surrogate has no UTF-8, and a NUL ends a name where Arrow hands it to C.
    if "\0" in text or text.encode(errors="replace").decode() != text:
        raise ConfigError(f"Expected a text in UTF-8 without NUL, got {value!r} - at {where}.")
    return text


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answers above a probability.

    Args:
        above: the band begins just above this probability; compared in float32, as numpy 2 does
            with a Python number.
        answer: what is answered in it.

    Raises:
        ConfigError: the bound is not a number, or the answer not a text.
    """

    above: float
    answer: str

    def __post_init__(self) -> None:
        # msgspec checks types in a file alone; and it writes no subclass of float, as numpy's.
        msgspec.structs.force_setattr(self, "above", _number(self.above, "a band's bound"))
        msgspec.structs.force_setattr(self, "answer", _text(self.answer, "a band's answer"))


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which answer a probability gets: the first band that it is above, or `otherwise`.

    Args:
        key: name of the answer in JSON, and of its column in a portfolio.
        bands: that of the highest probability first.
        otherwise: the answer where no band is.

    Raises:
        ConfigError: bands not in falling order, outside (0, 1), or two with one answer. An answer
            that is empty or not a text. A key that an answer has already, such as "probability".
    """

    key: str = "Status"
    bands: tuple[Band, ...] = (Band(0.5, "DECLINED"), Band(0.3, "MAYBE"))
    otherwise: str = "APPROVED"

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "key", _key(self.key))
        msgspec.structs.force_setattr(self, "bands", _bands(self.bands))
        otherwise = _text(self.otherwise, f"the policy's '{OTHERWISE}'")
        msgspec.structs.force_setattr(self, "otherwise", otherwise)
        # As they are compared: in float32 a bound next to 1 is 1, and no probability is above.
        above = [_float32(band.above) for band in self.bands]
        if above != sorted(set(above), reverse=True) or not all(0 < a < 1 for a in above):
            raise ConfigError(
                "Expected bands in falling order between 0 and 1 in float32, got "
                f"{[band.above for band in self.bands]} - at the policy."
            )
        if above and first_margin_above(above[-1]) == -math.inf:
            raise ConfigError(
                f"Expected a band that a probability can be below, got {self.bands[-1].above} - at "
                f"the policy. Every probability is above it, so that '{self.otherwise}' is never "
                "answered."
            )
        if len(set(self.answers)) != len(self.answers):
            raise ConfigError(
                f"Expected every answer once, got {list(self.answers)} - at the policy."
            )
        if len(self.answers) > MOST_ANSWERS:
            raise ConfigError(
                f"Expected at most {MOST_ANSWERS} answers, got {len(self.answers)} - at the policy."
            )

    @classmethod
    def of_threshold(cls, threshold: float, key: str = "Status") -> Policy:
        """The policy of a model with one cut-off: DECLINED above it, APPROVED up to it.

        The words are those of the default policy, without its band MAYBE. A probability that equals
        the threshold in float32 is APPROVED.

        Args:
            threshold: a probability between 0 and 1.
            key: name of the answer.

        Raises:
            ConfigError: as `Policy`.
        """
        return cls(key, (Band(threshold, "DECLINED"),), "APPROVED")

    @classmethod
    def from_file(cls, path: Path) -> Policy:
        """Read a policy that somebody wrote.

        Args:
            path: JSON, in the form of policy.json, or a short one in any order, in which `key` may
                be left out: `{"key": "Status", "DECLINED": 0.5, "otherwise": "APPROVED"}`.

        Raises:
            ConfigError: no such file, or no policy. The message names file and fault.
        """
        try:
            text = files.read(path, files.MOST_TEXT_BYTES).decode("utf-8-sig")
            plain = json.loads(text, object_pairs_hook=_once)
            return msgspec.convert(_long(plain), cls)
        except OSError as error:
            raise ConfigError(
                f"Expected a policy's file, got {error.strerror} - at {path}."
            ) from error
        except (ValueError, RecursionError, ConfigError) as error:
            reason = str(error).rstrip(".")
            raise ConfigError(
                f"Expected a policy in JSON, got {reason} - at {path}. Write it as "
                '{"DECLINED": 0.5, "MAYBE": 0.3, "otherwise": "APPROVED"}.'
            ) from error

    @property
    def answers(self) -> tuple[str, ...]:
        """Every answer, that of the highest band first."""
        return (*(band.answer for band in self.bands), self.otherwise)

    def to_json(self) -> bytes:
        """policy.json."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, data: bytes) -> Policy:
        """Read policy.json.

        Raises:
            BundleError: not a policy.
        """
        try:
            return msgspec.json.decode(data, type=cls)
        # Bands raise ConfigError; for a body not in UTF-8 msgspec raises UnicodeDecodeError.
        except (msgspec.DecodeError, UnicodeDecodeError, ConfigError) as error:
            raise BundleError(f"Expected a policy, got {error} - at policy.json.") from error


def _float32(bound: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(bound))


def _key(value: Any) -> str:
    key = _text(value, f"the policy's '{KEY}'")
    if key.strip().casefold() in RESERVED:
        raise ConfigError(
            f"Expected a key other than {', '.join(sorted(RESERVED))}, got {key!r} - at the "
            "policy's 'key'. An answer has these beside its key: give the key another name."
        )
    return key


def _bands(value: Any) -> tuple[Band, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"Expected a tuple of bands, got {value!r} - at the policy's 'bands'.")
    for band in value:
        if not isinstance(band, Band):
            raise ConfigError(
                f"Expected Band(above, answer), got {band!r} - at the policy's 'bands'."
            )
    return tuple(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; `json` would keep the last of two."""
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"'{min(twice)}' twice")
    return dict(pairs)


def _long(plain: Any) -> dict[str, Any]:
    """The form of policy.json of either form."""
    if not isinstance(plain, dict):
        raise ValueError(f"{type(plain).__name__}")
    # A default would be an answer that nobody wrote.
    if OTHERWISE not in plain:
        raise ValueError(f"no '{OTHERWISE}'")
    if isinstance(plain.get("bands"), list):
        return plain
    named = {name: plain.pop(name) for name in (KEY, OTHERWISE) if name in plain}
    bands = [Band(above, answer) for answer, above in plain.items()]
    return {**named, "bands": sorted(bands, key=lambda band: -band.above)}
