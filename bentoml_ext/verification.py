"""Verification: a proof made again today, on this machine, for a stored model or any ONNX file."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import numpy as np

from bentoml_ext import framework, importer
from bentoml_ext.backends import Backend, form_names
from bentoml_ext.bundle import BOOSTER, Bundle
from bentoml_ext.comparing import Decisions, Tally
from bentoml_ext.errors import BackendMissing, BundleError, ConfigError
from bentoml_ext.evidence import PROOF, Part, Proof
from bentoml_ext.probability import probabilities
from bentoml_ext.proof_rows import PROOF_ROWS, ProofRows
from bentoml_ext.selftest import load_proof, load_rows, one_by_one

if TYPE_CHECKING:
    from bentoml_ext.export.proof import Progress

__all__ = ["RANDOM_ROWS", "verify", "verify_bundle", "verify_file"]

RANDOM_ROWS: Final = 100_000
PROVERS: Final = ("xgboost", "onnx", "sklearn")
"""Libraries without which a stored model is compared with its stored answers alone."""

NOTE: Final = "the rows and answers stored with the proof"


class How(TypedDict, total=False):
    """See `verify_bundle`."""

    random_rows: int
    seed: int
    on_progress: Progress | None


def verify(
    target: str, booster: Path | None = None, **how: Unpack[How]
) -> tuple[Proof, Sequence[str]]:
    """Verify what a command names.

    Args:
        target: a tag, or with `booster` an ONNX file.
        booster: its file.
        how: as `verify_bundle`.

    Returns:
        The proof, and the names of the columns as far as they are known.

    Raises:
        NotFound: no such model.
        ConfigError: an ONNX file without a booster, or no such file.
    """
    path = Path(target)
    if booster is not None:
        if not path.is_file():
            raise ConfigError(f"Expected an ONNX file, got none - at {target}.")
        proof = verify_file(path, booster, **how)
        return proof, importer.read_booster(booster).feature_names or ()
    if path.suffix == ".onnx":
        raise ConfigError(
            f"Expected --booster FILE for an ONNX file, got none - at {target}. "
            "Give the .json or .ubj file of the booster that it must agree with."
        )
    bundle = framework.load_bundle(target)
    return verify_bundle(bundle, **how), bundle.manifest.features


def verify_bundle(
    bundle: Bundle,
    *,
    random_rows: int = RANDOM_ROWS,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Proof:
    """Prove a stored model again.

    Every backend whose library is installed is compared with the answers that the booster gave when
    the model was stored and, where xgboost and onnx are installed, with the booster's today.

    Args:
        bundle: an opened bundle.
        random_rows: how many.
        seed: of what is random.
        on_progress: called now and then with the rows that are done and all that there will be.

    Raises:
        BundleError: the bundle carries no proof, or has changed.
    """
    start = time.perf_counter()
    stored, _ = load_proof(bundle)
    parts = _stored_parts(bundle, load_rows(bundle))
    names = [name for name in bundle.manifest.files if name not in (PROOF, PROOF_ROWS)]
    files = {name: bundle.file(name) for name in names}
    if all(importlib.util.find_spec(name) for name in PROVERS):
        from bentoml_ext import export

        booster = importer.read_booster(bundle.path / BOOSTER)
        proof = export.prove(
            booster,
            files,
            encoder=bundle.encoder,
            policy=bundle.policy,
            random_rows=random_rows,
            seed=seed,
            on_progress=on_progress,
        ).proof
        parts, oracle = [*proof.parts, *parts], proof.oracle
    else:
        oracle = f"the stored answers of {stored.oracle}"
    return Proof.of(
        start,
        files,
        objective=stored.objective,
        oracle=oracle,
        parts=parts,
        seed=seed,
        stored_rows=stored.stored_rows,
        acceptance=stored.acceptance,
    )


def _stored_parts(bundle: Bundle, stored: ProofRows) -> list[Part]:
    """Each backend against the answers in the bundle, in a batch and one by one."""
    parts = []
    for name in form_names():
        try:
            backend = bundle.backend(name)
        except (BackendMissing, BundleError):
            continue
        if stored.margins.shape[1] > 1:
            continue
        tally = Tally("stored", name, NOTE)
        for score in _ways(backend):
            margins = score(stored.rows)
            tally.compare("margin", stored.margins[:, 0], margins, stored.rows)
            if (chances := stored.probabilities) is not None:
                decisions, order = Decisions(bundle.policy), bundle.policy.answers[::-1]
                tally.compare("probability", chances, probabilities(margins), stored.rows)
                expected = decisions.by_probability(chances)
                tally.decide(expected, decisions.by_margin(margins), order, stored.rows)
        tally.seen(stored.rows)
        parts.append(tally.part())
    return parts


def _ways(backend: Backend) -> list[Callable[[np.ndarray], np.ndarray]]:
    return [backend.margins, lambda rows: one_by_one(backend, rows)]


def verify_file(
    graph: Path,
    booster: Path,
    *,
    random_rows: int = RANDOM_ROWS,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Proof:
    """Judge any ONNX file by a booster's own answers.

    Args:
        graph: an ONNX file, whoever made it.
        booster: a .json or .ubj file of XGBoost; all of its trees count.
        random_rows, seed, on_progress: as `verify_bundle`.

    Raises:
        ImportRefused: not a booster.
        ExportRefused: the booster cannot be read.
        BackendError: ONNX Runtime refuses the file, or it gives nothing to compare.
        FeatureMismatch: it takes other rows.
    """
    from bentoml_ext.export.judging import judge

    start = time.perf_counter()
    found = judge(
        graph.read_bytes(),
        importer.read_booster(booster),
        random_rows=random_rows,
        seed=seed,
        on_progress=on_progress,
    )
    files = {path.name: path.read_bytes() for path in (graph, booster)}
    return Proof.of(
        start,
        files,
        objective=found.oracle.objective,
        oracle=found.oracle.name,
        parts=found.parts,
        seed=seed,
    )
