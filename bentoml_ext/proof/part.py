"""Part: what one part of a proof found, and the first place where it found a difference."""

from __future__ import annotations

import msgspec

__all__ = ["Difference", "Part"]


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
        """The place of the difference, in words."""
        parts = [("row", self.row), ("tree", self.tree), ("node", self.node)]
        known = ", ".join(f"{name} {at}" for name, at in parts if at is not None)
        of = f"{self.part} part of '{self.subject}'"
        return f"{known}, {of}" if known else of

    def __str__(self) -> str:
        return f"Expected {self.what} {self.expected}, got {self.got} - at {self.place}."


class Part(msgspec.Struct, frozen=True):
    """The result of one part of the proof for one subject.

    Args:
        name: structure, boundary, random, ...; docs/proof.md lists them.
        subject: what was judged, as "onnx".
        checked: rows, or nodes of trees.
        compared: values that were compared by their bits.
        equal: how many of them are equal.
        largest_gap_ulp: between two values that should be equal, in steps of float32; None where
            there are no numbers.
        decision_flips: rows that get another answer; None where the objective has no answers.
        note: what was compared, in words.
        bound_ulp: how far values may lie apart, for a fact of the machine that is reported but not
            served. None where every bit must be equal.
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
    bound_ulp: int | None = None
    difference: Difference | None = None

    @property
    def holds(self) -> bool:
        """Whether everything is equal, or near enough, and there was something to compare."""
        if self.bound_ulp is not None:
            return self.compared > 0 and (self.largest_gap_ulp or 0) <= self.bound_ulp
        return self.equal == self.compared > 0 and not self.decision_flips

    @property
    def reason(self) -> str:
        """Why it does not hold, in a sentence."""
        if self.difference is not None and self.bound_ulp is None:
            return str(self.difference)
        place = f"the {self.name} part of '{self.subject}'"
        if not self.compared:
            return f"Expected something to compare, got nothing - at {place}."
        if self.bound_ulp is not None:
            return (
                f"Expected values within {self.bound_ulp} ulp, got some {self.largest_gap_ulp} ulp "
                f"apart - at {place}."
            )
        flips = f" and {self.decision_flips:,} other decisions" if self.decision_flips else ""
        return f"Expected {self.compared:,} equal values, got {self.equal:,}{flips} - at {place}."

    @property
    def share(self) -> float:
        """Equal among compared; 1 if nothing was."""
        return self.equal / self.compared if self.compared else 1.0
