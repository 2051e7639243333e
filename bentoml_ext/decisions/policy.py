"""Policy: what is answered, as data: bands over a probability, a value, or classes."""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from bentoml_ext.decisions import checked
from bentoml_ext.decisions.checked import Label
from bentoml_ext.errors import BundleError, ConfigError
from bentoml_ext.objectives.logistic import first_margin_above

__all__ = [
    "Band",
    "Bands",
    "Classes",
    "Policy",
    "Value",
    "ValueBands",
    "policy_from_json",
    "policy_of",
]

MOST_ANSWERS: Final = 128
"""Arrow's answers are codes of one signed byte."""

PREDICTION: Final = "prediction"
PROBABILITIES: Final = "probabilities"
"""Of a policy of classes, the key beside its own."""


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answers above a probability.

    Args:
        above: the band begins just above this probability; compared in float32, as numpy 2 does
            with a Python number.
        answer: what is answered in it, a text or a whole number.

    Raises:
        ConfigError: the bound is not a number, or the answer neither.
    """

    above: float
    answer: Label

    def __post_init__(self) -> None:
        # msgspec checks types in a file alone; and it writes no subclass of float, as numpy's.
        msgspec.structs.force_setattr(self, "above", checked.number(self.above, "a band's bound"))
        msgspec.structs.force_setattr(self, "answer", checked.label(self.answer, "a band's answer"))


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """A policy as a file."""

    def to_json(self) -> bytes:
        """policy.json."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


class _Banded(_Written, frozen=True):
    """What all policies of bands have."""

    key: str
    bands: tuple[Band, ...]
    otherwise: Label

    @property
    def answers(self) -> tuple[Label, ...]:
        """Every answer, that of the highest band first."""
        return (*(band.answer for band in self.bands), self.otherwise)

    def __str__(self) -> str:
        """The policy in words."""
        bands = [f"{band.answer} above {band.above:g}" for band in self.bands]
        return ", ".join([*bands, f"otherwise {self.otherwise}"])


class Bands(_Banded, frozen=True, tag="bands"):
    """Which answer a probability gets: the first band that it is above, or `otherwise`.

    Args:
        key: name of the answer in JSON, and of its column in a portfolio.
        bands: that of the highest probability first.
        otherwise: the answer where no band is.

    Raises:
        ConfigError: bands not in falling order, outside (0, 1), or two with one answer. An answer
            that is empty or not a text. A key that an answer has already, such as "probability".
    """

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "key", checked.key(self.key))
        msgspec.structs.force_setattr(self, "bands", _bands(self.bands))
        otherwise = checked.label(self.otherwise, "the policy's 'otherwise'")
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
        _check_answers(self.answers)


class ValueBands(_Banded, frozen=True, tag="value_bands"):
    """Which answer a predicted number gets, as a price: the first band that it is above.

    Args:
        key: name of the answer in JSON, and of its column in a portfolio.
        bands: that of the highest number first; each compared in float32.
        otherwise: the answer where no band is.
        value: name of the number, which is answered, too.

    Raises:
        ConfigError: bounds that are not finite or do not fall, two bands with one answer, or a key
            that an answer has already.
    """

    value: str = PREDICTION

    def __post_init__(self) -> None:
        for name in ("key", "value"):
            msgspec.structs.force_setattr(self, name, checked.key(getattr(self, name)))
        if self.key.casefold() == self.value.casefold():
            raise ConfigError(
                f"Expected two names, got {self.key!r} twice - at the policy's 'key' and 'value'. "
                "The number is answered beside the band: name one of them otherwise."
            )
        msgspec.structs.force_setattr(self, "bands", _bands(self.bands))
        otherwise = checked.label(self.otherwise, "the policy's 'otherwise'")
        msgspec.structs.force_setattr(self, "otherwise", otherwise)
        above = [_float32(band.above) for band in self.bands]
        if above != sorted(set(above), reverse=True) or not all(map(math.isfinite, above)):
            raise ConfigError(
                "Expected bands in falling order, finite in float32, got "
                f"{[band.above for band in self.bands]} - at the policy."
            )
        _check_answers(self.answers)

    def __str__(self) -> str:
        """The policy in words."""
        return f"{super().__str__()}, by `{self.value}`"


class Value(_Written, frozen=True, tag="value"):
    """The prediction itself is answered.

    Args:
        key: name of the answer in JSON, and of its column in a portfolio.
        names: of several targets or levels, in the model's order; without names they are an array.

    Raises:
        ConfigError: a key that an answer has already, such as "margin"; names that are not texts,
            or not each once.
    """

    key: str = PREDICTION
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "key", checked.key(self.key))
        names = checked.texts(self.names, "a prediction's name", "names")
        msgspec.structs.force_setattr(self, "names", names)

    def __str__(self) -> str:
        """The policy in words."""
        of = f" of {', '.join(self.names)}" if self.names else ""
        return f"the model's prediction{of}"


class Classes(_Written, frozen=True, tag="classes"):
    """The label of the predicted class is answered.

    Args:
        labels: of the classes, in the order of the model's indices; texts or whole numbers.
        key: name of the answer in JSON, and of its column in a portfolio.
        with_probabilities: whether the probability of each class is answered, too; not of
            multi:softmax and binary:hinge, which predict none.

    Raises:
        ConfigError: labels that are neither, or not each once; a key that an answer has already.
    """

    labels: tuple[Label, ...]
    key: str = PREDICTION
    with_probabilities: bool = True

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "key", checked.key(self.key))
        if self.key.strip().casefold() == PROBABILITIES:
            raise ConfigError(
                f"Expected a key other than {PROBABILITIES}, got {self.key!r} - at the policy's "
                "'key'. An answer has it beside its key: give the key another name."
            )
        labels = checked.labels(self.labels, "a class's label", "labels")
        msgspec.structs.force_setattr(self, "labels", labels)
        if not 2 <= len(labels) <= MOST_ANSWERS:
            raise ConfigError(
                f"Expected 2 to {MOST_ANSWERS} labels, got {len(labels)}: {list(labels)[:5]} - at "
                "the policy's 'labels'."
            )

    def __str__(self) -> str:
        """The policy in words."""
        return f"one of {', '.join(map(str, self.labels))}"


Policy: TypeAlias = Bands | ValueBands | Value | Classes
"""What is answered; in JSON its `kind` says which one."""


def policy_of(plain: Any) -> Policy:
    """The policy in a decoded policy.json; without a kind, as in format 2, its bands.

    Raises:
        ConfigError: a value of it is not allowed.
        msgspec.ValidationError: another form.
    """
    has_kind = not isinstance(plain, dict) or "kind" in plain
    return msgspec.convert(plain, Policy if has_kind else Bands)


def policy_from_json(data: bytes) -> Policy:
    """Read policy.json.

    Raises:
        BundleError: not a policy.
    """
    try:
        return policy_of(msgspec.json.decode(data))
    # Bands raise ConfigError; for a body not in UTF-8 msgspec raises UnicodeDecodeError.
    except (msgspec.DecodeError, UnicodeDecodeError, ConfigError) as error:
        raise BundleError(f"Expected a policy, got {error} - at policy.json.") from error


def _check_answers(answers: tuple[Label, ...]) -> None:
    checked.of_one_kind(answers, "the policy")
    if len(set(answers)) != len(answers):
        raise ConfigError(f"Expected every answer once, got {list(answers)} - at the policy.")
    if len(answers) > MOST_ANSWERS:
        raise ConfigError(
            f"Expected at most {MOST_ANSWERS} answers, got {len(answers)} - at the policy."
        )


def _float32(bound: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(bound))


def _bands(value: Any) -> tuple[Band, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"Expected a tuple of bands, got {value!r} - at the policy's 'bands'.")
    for band in value:
        if not isinstance(band, Band):
            raise ConfigError(
                f"Expected Band(above, answer), got {band!r} - at the policy's 'bands'."
            )
    return tuple(value)
