"""Machine: where and with what figures were measured; without it they say nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from bentoml_ext.proof import environment

__all__ = ["Machine"]


class Machine(msgspec.Struct, frozen=True):
    """Where figures were measured.

    Args:
        made: when, ISO 8601 in UTC.
        machine: system and processor.
        versions: of Python and of the libraries that take part.
    """

    made: str
    machine: dict[str, str]
    versions: dict[str, str]

    @classmethod
    def here(cls) -> Machine:
        """This one, now."""
        made = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(made, environment.machine(), environment.versions())

    def __str__(self) -> str:
        names = ("python", "bentoml_ext", "numpy", "xgboost", "onnxruntime")
        libraries = ", ".join(f"{n} {self.versions[n]}" for n in names if n in self.versions)
        here = self.machine
        processor = f"{here['processor']}, {here['processors']} processors"
        return f"{processor}, {here['system']}; {libraries}"
