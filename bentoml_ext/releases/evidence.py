"""Evidence: what a version must show again before a name moves to it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bentoml_ext import files
from bentoml_ext.backends.registry import form_names
from bentoml_ext.distributions import the_extra
from bentoml_ext.errors import BackendMissing, NotPromoted, ProofFailed
from bentoml_ext.formats.spelling import PLAIN, Spelling
from bentoml_ext.proving.verify import RANDOM_ROWS, verify_bundle
from bentoml_ext.scoring.opening import open_backend
from bentoml_ext.scoring.self_test import self_test
from bentoml_ext.store.history import Compared

if TYPE_CHECKING:
    from bentoml_ext.compare.applications import Progress
    from bentoml_ext.compare.scored import Scoring
    from bentoml_ext.proving.every_form import ProofProgress
    from bentoml_ext.store.bundle import Bundle

__all__ = ["Trial", "prove_again", "score_again"]

NOTHING: Final = "Nothing was promoted."


@dataclass(frozen=True)
class Trial:
    """Gates, and the applications to judge them on.

    Args:
        gates: TOML file of limits.
        data: file of applications.
        outcome: column with their outcomes; empty for none.
        form: of the data; None for what its suffix says.
        spelling: of a file of text.
    """

    gates: Path
    data: Path
    outcome: str = ""
    form: str | None = None
    spelling: Spelling = PLAIN

    def judge(
        self, champion: str, challenger: str, on_progress: Progress | None = None
    ) -> Compared:
        """Compare two versions by their tags, and judge the gates on the challenger.

        Raises:
            NotPromoted: a gate fails; its sentence says by how much.
            ConfigError, UnreadableInput: as `gates_of`, `judged` and `compare_versions`.
        """
        from bentoml_ext.compare.gates import gates_of, judged
        from bentoml_ext.compare.versions import compare_versions

        limits = gates_of(self.gates)
        sides = (self._side(champion), self._side(challenger))
        report = compare_versions(*sides, on_progress)
        results = judged(report, limits)
        if failed := [one.text for one in results if not one.holds]:
            raise NotPromoted(
                f"Expected every gate to hold, got: {' '.join(failed)} - at {challenger} against "
                f"{champion} on {self.data}. {NOTHING}"
            )
        return Compared(
            champion=champion,
            data=report.data.name,
            data_sha256=report.data.sha256,
            gates_sha256=_sha256(self.gates),
            rows=report.rows,
            outcome=self.outcome,
            gates=[one.text for one in results],
        )

    def _side(self, tag: str) -> Scoring:
        from bentoml_ext.compare.applications import Applications
        from bentoml_ext.compare.beside import Named
        from bentoml_ext.compare.scored import Scoring
        from bentoml_ext.compare.subject import Subject

        subject = Subject.of(tag)
        named, encoder = Named(self.outcome), subject.bundle.encoder
        data = Applications(self.data, encoder, named.columns, self.form, self.spelling)
        return Scoring(subject, data, named)


def prove_again(bundle: Bundle, on_progress: ProofProgress | None = None) -> str:
    """Prove every backend of a bundle on this machine.

    Returns:
        The verdict in a sentence or two.

    Raises:
        ProofFailed: says where and by how much.
        BundleError: as `verify_bundle`.
    """
    proof = verify_bundle(bundle, random_rows=RANDOM_ROWS, on_progress=on_progress)
    if not proof.holds:
        raise ProofFailed(f"{proof.reason} {NOTHING}")
    facts = proof.summary()
    said = (
        f"{facts.equal:,} of {facts.compared:,} values on {facts.rows:,} rows are equal, "
        f"{proof.provenance}."
    )
    return f"{said} {proof.limit}".rstrip()


def score_again(bundle: Bundle) -> str:
    """Score the stored rows of a bundle on every installed backend: quick enough to go back by.

    Returns:
        The verdict in a sentence.

    Raises:
        SelfTestFailed: a backend gives other bits here than were proven.
        BackendMissing: no backend is installed.
        BundleError: as `self_test`.
    """
    names, rows = [], 0
    for name in form_names():
        with suppress(BackendMissing):
            rows = self_test(bundle, open_backend(bundle, name)).rows
            names.append(name)
    if not names:
        raise BackendMissing(
            f"Expected a backend of {', '.join(form_names())}, got none installed - at "
            f"{bundle.path}. Install {the_extra('auto')}."
        )
    return f"The {rows:,} stored rows have the proven bits on {', '.join(names)}."


def _sha256(path: Path) -> str:
    return hashlib.sha256(files.read(path)).hexdigest()
