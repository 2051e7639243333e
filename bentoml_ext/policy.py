"""Policy: bands over the probability, taken on the margin at the exact float32 crossing."""

from __future__ import annotations

import msgspec
import numpy as np

from bentoml_ext.errors import BundleError, ConfigError

__all__ = ["Band", "Policy"]


class Band(msgspec.Struct, frozen=True):
    """Answers above a probability.

    Args:
        above: the band begins just above this probability; compared in float32, as numpy 2 does
            with a Python number.
        answer: what is answered in it.
    """

    above: float
    answer: str


class Policy(msgspec.Struct, frozen=True):
    """Which answer a probability gets: the first band that it is above, else `otherwise`.

    Raises:
        ConfigError: bands not in falling order, outside (0, 1), or two with one answer.
    """

    key: str = "Status"
    bands: tuple[Band, ...] = (Band(0.5, "DECLINED"), Band(0.3, "MAYBE"))
    otherwise: str = "APPROVED"

    def __post_init__(self) -> None:
        # As they are compared: in float32 a bound next to 1 is 1, and no probability is above.
        above = [_float32(band.above) for band in self.bands]
        if above != sorted(set(above), reverse=True) or not all(0 < a < 1 for a in above):
            raise ConfigError(
                "Expected bands in falling order between 0 and 1 in float32, got "
                f"{[band.above for band in self.bands]} - at the policy."
            )
        if len(set(self.answers)) != len(self.answers):
            raise ConfigError(
                f"Expected every answer once, got {list(self.answers)} - at the policy."
            )

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
        # ConfigError is that of the bands; not UTF-8 is no DecodeError to msgspec.
        except (msgspec.DecodeError, UnicodeDecodeError, ConfigError) as error:
            raise BundleError(f"Expected a policy, got {error} - at policy.json.") from error


def _float32(bound: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(bound))
