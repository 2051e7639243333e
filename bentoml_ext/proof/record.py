"""Record: what a proof found. `proof.json` is for people and for programs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from bentoml_ext.distributions import number
from bentoml_ext.errors import BundleError
from bentoml_ext.proof import environment
from bentoml_ext.proof.part import Difference, Part

__all__ = [
    "PROOF",
    "SERVICE",
    "STRUCTURE",
    "Acceptance",
    "Difference",
    "Part",
    "Proof",
    "Summary",
]

PROOF = "proof.json"
STRUCTURE = "structure"
SERVICE = "service"
"""Subject of the parts that judge what comes before and after the margin."""


class Acceptance(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a model answered the applications of a file that holds the trainer's own predictions.

    Neither the applications nor the predictions are stored.

    Args:
        file: its name, without the folder.
        sha256: its checksum in hex.
        rows: applications in it; all agree.
        column: of the predictions.
        kind: what they are: probability, margin (log-odds) or label.
        agreement: how they agree, in words: "every bit equal", "rounded to 4 decimals", ...
        tolerance: the largest difference that was let through; 0 where bits or labels are equal.
        reading: how the source was read, as options of `bentoml ext import`.
        note: limits of the comparison, in sentences; may be empty.
    """

    file: str
    sha256: str
    rows: int
    column: str
    kind: str
    agreement: str
    tolerance: float = 0.0
    reading: str = ""
    note: str = ""

    def __str__(self) -> str:
        return f"accepted on {self.rows:,} of the trainer's predictions, {self.agreement}"


class Summary(msgspec.Struct, frozen=True):
    """A proof in a few words, for GET /model.

    Args:
        holds: the verdict.
        made: when, ISO 8601 in UTC.
        rows: that were scored, by each subject.
        compared: values that were compared by their bits.
        equal: how many of them are equal.
        largest_gap_ulp: between two values that should be equal, in steps of float32.
        decision_flips: rows that get another answer.
        subjects: what was judged against the booster.
        sha256: checksum of proof.json; empty if it is not in a bundle.
        acceptance: what the trainer's own predictions said; None where nothing was compared.
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
    acceptance: Acceptance | None = None


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
        files: sha256 by name of what was judged, and in a bundle of proof.npy.
        stored_rows: rows in proof.npy.
        made_with: XGBoost that wrote the model, where a verification knows it.
        facts: in a bundle, what its manifest says of the model.
        acceptance: what the trainer's own predictions said; None where nothing was compared.
        tag: of the stored model that was judged, or by which a file was; empty otherwise.
        limit: what could not be judged where this was made, in a sentence; empty for a whole proof.
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
    made_with: str = ""
    facts: dict[str, Any] = {}
    acceptance: Acceptance | None = None
    tag: str = ""
    limit: str = ""

    @classmethod
    def of(
        cls, start: float, files: Mapping[str, bytes], *, objective: str, oracle: str, **found: Any
    ) -> Proof:
        """A proof that was made here and now.

        Args:
            start: `time.perf_counter()` when it began.
            files: what was judged.
            objective, oracle: as above.
            found: parts, seed, stored_rows, acceptance, made_with and limit.
        """
        return cls(
            objective=objective,
            oracle=oracle,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.perf_counter() - start, 3),
            versions=environment.versions(),
            machine=environment.machine(),
            files=_checksums(files),
            **found,
        )

    def binding(self, files: Mapping[str, bytes], facts: dict[str, Any]) -> Proof:
        """The same proof, which vouches for more files and for facts, too."""
        return msgspec.structs.replace(self, files=self.files | _checksums(files), facts=facts)

    @property
    def holds(self) -> bool:
        """Whether every part does."""
        return bool(self.parts) and all(part.holds for part in self.parts)

    @property
    def provenance(self) -> str:
        """Which XGBoost made the model and what proved it, in words."""
        names = {"xgboost": "XGBoost", "onnxruntime": "ONNX Runtime"}
        here = [f"{names[name]} {self.versions[name]}" for name in names if name in self.versions]
        made = f"made with XGBoost {self.made_with}, " if self.made_with else ""
        older = number(self.versions.get("xgboost", self.made_with)) < number(self.made_with)
        return (
            f"{made}proven with {' and '.join(here) or 'neither XGBoost nor ONNX Runtime'}"
            + "; that XGBoost is older" * older
        )

    @property
    def difference(self) -> Difference | None:
        """The first one: that of a row before that of the structure, because it names both."""
        found = [part.difference for part in self.parts if part.difference and not part.holds]
        return next((one for one in found if one.row is not None), found[0] if found else None)

    @property
    def reason(self) -> str:
        """Why it does not hold, in a sentence or two."""
        failed = [part for part in self.parts if not part.holds]
        if not failed:
            return "Expected a proof with parts, got none - at the proof."
        if (first := self.difference) is None:
            return failed[0].reason
        reason = next(part for part in failed if part.difference is first).reason
        built = next((part.difference for part in failed if part.name == STRUCTURE), None)
        return f"{reason} {built}" if built and built is not first else reason

    @property
    def caveat(self) -> str:
        """What differs by the machine alone, in a sentence; empty where nothing does."""
        facts = [part for part in self.parts if part.bound_ulp is not None]
        return " ".join(
            f"{part.note[:1].upper()}{part.note[1:]}: {part.compared - part.equal:,} of "
            f"{part.compared:,} differ, by up to {part.largest_gap_ulp} ulp, and "
            f"{part.decision_flips or 0:,} decisions on them."
            for part in facts
            if part.equal < part.compared
        )

    def summary(self, sha256: str = "") -> Summary:
        """The verdict and the sums over all parts but facts of the machine."""
        parts = [part for part in self.parts if part.bound_ulp is None]
        numeric = [part for part in parts if part.name != STRUCTURE and part.subject != SERVICE]
        subjects = list(dict.fromkeys(part.subject for part in numeric))
        rows = [sum(p.checked for p in numeric if p.subject == subject) for subject in subjects]
        return Summary(
            holds=self.holds,
            made=self.made,
            rows=max(rows, default=0),
            compared=sum(part.compared for part in parts),
            equal=sum(part.equal for part in parts),
            largest_gap_ulp=max((part.largest_gap_ulp or 0 for part in parts), default=0),
            decision_flips=sum(part.decision_flips or 0 for part in parts),
            subjects=subjects,
            sha256=sha256,
            acceptance=self.acceptance,
        )

    def to_json(self) -> bytes:
        """proof.json, the verdict in front."""
        plain = msgspec.to_builtins(self)
        for part, written in zip(self.parts, plain["parts"], strict=True):
            written |= {"equal_share": part.share, "holds": part.holds}
        return msgspec.json.format(msgspec.json.encode({"holds": self.holds} | plain), indent=1)

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


def _checksums(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
