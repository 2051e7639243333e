"""Evidence: what a proof found, and the rows that let it be repeated without the booster.

`proof.json` is for people and for `bentoml ext verify`; `proof.npy` holds rows with the booster's
own answers. Both are read by the serving process, so this needs numpy and msgspec alone.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Margins, Probabilities, Rows
from bentoml_ext.errors import BundleError

__all__ = [
    "PROOF",
    "PROOF_ROWS",
    "STRUCTURE",
    "Difference",
    "Part",
    "Proof",
    "ProofRows",
    "Summary",
]

PROOF = "proof.json"
PROOF_ROWS = "proof.npy"
STRUCTURE = "structure"


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first place where two forms of the model disagree.

    Args:
        part: of the proof.
        subject: what was judged, as "onnx".
        what: "margin", "prediction", "decision", "threshold", ...
        expected: what the booster says; a float32 in hex.
        got: what the subject says.
        row: in that part, from 0; None in the structural part.
        tree: the first tree that takes part in it, from 0; None if no tree does or none is known.
        node: of that tree, as the booster numbers it.
        values: the row, float32 in hex, "nan" for missing.
    """

    part: str
    subject: str
    what: str
    expected: str
    got: str
    row: int | None = None
    tree: int | None = None
    node: int | None = None
    values: list[str] = []

    @property
    def place(self) -> str:
        """Where, in words."""
        parts = [("row", self.row), ("tree", self.tree), ("node", self.node)]
        known = ", ".join(f"{name} {at}" for name, at in parts if at is not None)
        of = f"{self.part} part of '{self.subject}'"
        return f"{known}, {of}" if known else of

    def __str__(self) -> str:
        return f"Expected {self.what} {self.expected}, got {self.got} - at {self.place}."


class Part(msgspec.Struct, frozen=True):
    """What one part of the proof found of one subject.

    Args:
        name: structure, boundary, random, single or applications.
        subject: what was judged, as "onnx".
        checked: rows, or nodes of trees.
        compared: values that were compared by their bits.
        equal: how many of them are equal.
        largest_gap_ulp: between two margins, in steps of float32; None where no numbers are.
        decision_flips: rows that get another answer; None where the objective has no answers.
        note: what was compared, in words.
        difference: the first one.
    """

    name: str
    subject: str
    checked: int
    compared: int
    equal: int
    largest_gap_ulp: int | None = None
    decision_flips: int | None = None
    note: str = ""
    difference: Difference | None = None

    @property
    def holds(self) -> bool:
        """Whether everything is equal, and there was something to compare."""
        return self.equal == self.compared > 0 and not self.decision_flips

    @property
    def share(self) -> float:
        """Equal among compared; 1 if nothing was."""
        return self.equal / self.compared if self.compared else 1.0


class Summary(msgspec.Struct, frozen=True):
    """A proof in a few words, for GET /model.

    Args:
        holds: the verdict.
        made: when, ISO 8601 in UTC.
        rows: that were scored, by each subject.
        compared: values that were compared by their bits.
        equal: how many of them are equal.
        largest_gap_ulp: between two margins.
        decision_flips: rows that get another answer.
        subjects: what was judged against the booster.
        sha256: checksum of proof.json; empty if it is not in a bundle.
    """

    holds: bool
    made: str
    rows: int
    compared: int
    equal: int
    largest_gap_ulp: int
    decision_flips: int
    subjects: list[str]
    sha256: str = ""


class Proof(msgspec.Struct, frozen=True):
    """proof.json.

    Args:
        objective: XGBoost's name.
        oracle: whose bits were expected, in words.
        parts: in the order in which they were looked at.
        made: when, ISO 8601 in UTC.
        seconds: how long it took.
        seed: of the random rows.
        versions: libraries by name, the C library and Python among them.
        machine: system, processor and its extensions as the system names them.
        files: sha256 by name of what was judged.
        stored_rows: rows in proof.npy.
    """

    objective: str
    oracle: str
    parts: list[Part]
    made: str
    seconds: float
    seed: int
    versions: dict[str, str]
    machine: dict[str, str]
    files: dict[str, str]
    stored_rows: int = 0

    @property
    def holds(self) -> bool:
        """Whether every part does."""
        return bool(self.parts) and all(part.holds for part in self.parts)

    @property
    def difference(self) -> Difference | None:
        """The first one: that of a row before that of the structure, because it names both."""
        found = [part.difference for part in self.parts if part.difference]
        return next((one for one in found if one.row is not None), found[0] if found else None)

    @property
    def reason(self) -> str:
        """Why it does not hold, in a sentence or two."""
        if (first := self.difference) is None:
            return "Expected something to compare, got nothing - at the proof."
        structural = (part.difference for part in self.parts if part.name == STRUCTURE)
        built = next(filter(None, structural), None)
        return f"{first} {built}" if built and built is not first else str(first)

    def summary(self, sha256: str = "") -> Summary:
        """The verdict and the sums over all parts."""
        numeric = [part for part in self.parts if part.name != STRUCTURE]
        subjects = list(dict.fromkeys(part.subject for part in numeric))
        rows = [sum(p.checked for p in numeric if p.subject == subject) for subject in subjects]
        return Summary(
            holds=self.holds,
            made=self.made,
            rows=max(rows, default=0),
            compared=sum(part.compared for part in self.parts),
            equal=sum(part.equal for part in self.parts),
            largest_gap_ulp=max((part.largest_gap_ulp or 0 for part in self.parts), default=0),
            decision_flips=sum(part.decision_flips or 0 for part in self.parts),
            subjects=subjects,
            sha256=sha256,
        )

    def to_json(self) -> bytes:
        """proof.json."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, data: bytes) -> Proof:
        """Read proof.json.

        Raises:
            BundleError: not a proof.
        """
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BundleError(f"Expected a proof, got {error} - at {PROOF}.") from error


@dataclass(frozen=True, eq=False)
class ProofRows:
    """Rows and the booster's own answers to them.

    Args:
        rows: float32, (n, n_features).
        margins: float32, (n, n_targets).
        probabilities: float32, (n,), what `Booster.predict` gave; None if it gives none.
    """

    rows: Rows
    margins: Margins
    probabilities: Probabilities | None

    def to_npy(self) -> bytes:
        """proof.npy: one record a row; numbers as float32 in little endian, no objects."""
        kinds = [
            ("row", "<f4", self.rows.shape[1:]),
            ("margin", "<f4", self.margins.shape[1:]),
        ]
        columns = [self.rows, self.margins]
        if self.probabilities is not None:
            kinds.append(("probability", "<f4", ()))
            columns.append(self.probabilities)
        records = np.empty(len(self.rows), np.dtype(kinds))
        for (name, *_), column in zip(kinds, columns, strict=True):
            records[name] = column
        file = io.BytesIO()
        np.save(file, records, allow_pickle=False)
        return file.getvalue()

    @classmethod
    def from_npy(cls, data: bytes) -> ProofRows:
        """Read proof.npy.

        Raises:
            BundleError: not such a file; one that holds objects is refused unread.
        """
        try:
            records = np.load(io.BytesIO(data), allow_pickle=False)
            names = records.dtype.names or ()
            if not len(records):
                raise ValueError("no rows")
            return cls(
                rows=_native(records["row"]),
                margins=_native(records["margin"]),
                probabilities=_native(records["probability"]) if "probability" in names else None,
            )
        except (ValueError, IndexError, EOFError, TypeError) as error:
            raise BundleError(
                f"Expected rows of a proof, got {error} - at {PROOF_ROWS}."
            ) from error


def _native(column: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    if column.dtype != np.dtype("<f4"):
        raise ValueError(f"numbers of type {column.dtype}")
    return np.ascontiguousarray(column, np.float32)
