"""Verify: a proof made again today, on this machine, for a stored model or any ONNX file."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import msgspec

from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.registry import form_names
from bentoml_ext.boosters.xgb.files import read_booster
from bentoml_ext.distributions import the_extra
from bentoml_ext.errors import BackendMissing, BundleError, ConfigError
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.record import PROOF, Part, Proof
from bentoml_ext.proof.reference_decisions import compare_decider
from bentoml_ext.proof.stored_rows import PROOF_ROWS, ProofRows
from bentoml_ext.proving import onnx_targets
from bentoml_ext.proving.onnx_targets import RANDOM_ROWS, How, verify_file
from bentoml_ext.scoring.opening import open_backend
from bentoml_ext.scoring.self_test import load_rows, one_by_one
from bentoml_ext.store.bundle import BOOSTER, Bundle
from bentoml_ext.store.models import load_bundle
from bentoml_ext.store.provenance import made_with
from bentoml_ext.store.targets import stored_model

if TYPE_CHECKING:
    from bentoml_ext.proving.every_form import ProofProgress

__all__ = ["RANDOM_ROWS", "Measure", "verify", "verify_bundle", "verify_file"]

PROVERS: Final = ("xgboost", "onnx", "sklearn")
"""Libraries without which a stored model is compared with its stored answers alone."""

NOTE: Final = "the rows and answers stored with the proof"


@dataclass(frozen=True)
class Measure:
    """The standard for an ONNX file: one of booster, model and pipeline.

    Args:
        booster: a file of XGBoost.
        rounds: of a Booster whose training stopped early: "best" or "all".
        missing: a number that means missing besides NaN, as an estimator's `missing=`.
        model: tag of a stored model; by default the one that the file's metadata name.
        pipeline: a file that `bentoml_ext.export.pipelines.files` reads.
        allow_pickle: whether it may be a pickle.
        data: rows for the pipeline, Parquet or CSV.
    """

    booster: Path | None = None
    rounds: str | None = None
    missing: float | None = None
    model: str | None = None
    pipeline: Path | None = None
    allow_pickle: bool = False
    data: Path | None = None

    @property
    def is_given(self) -> bool:
        """Whether it says anything."""
        return self != Measure()


def verify(
    target: str, by: Measure | None = None, **how: Unpack[How]
) -> tuple[Proof, Sequence[str]]:
    """Verify what a command names.

    Args:
        target: a tag, or an ONNX file.
        by: for a file, what it must agree with.
        how: as `verify_bundle`.

    Returns:
        The proof, and the names of the columns as far as they are known.

    Raises:
        NotFound: no such model.
        ConfigError: no such file, a file that nothing says the model of, or two measures.
    """
    by, path = by or Measure(), Path(target)
    if not by.is_given and path.suffix != ".onnx" and not path.is_file():
        bundle = load_bundle(stored := stored_model(target))
        proof = verify_bundle(bundle, **how)
        return msgspec.structs.replace(proof, tag=str(stored.tag)), bundle.manifest.features
    given = [one for one in (by.booster, by.model, by.pipeline) if one is not None]
    if len(given) > 1:
        raise ConfigError("Expected one of --booster, --model and --pipeline, got more.")
    if not path.is_file():
        raise ConfigError(f"Expected an ONNX file, got none - at {target}.")
    onnx_targets.check_is_onnx(path)
    if by.pipeline is not None:
        return onnx_targets.by_pipeline(
            path, by.pipeline, by.data, allow_pickle=by.allow_pickle, **how
        )
    if by.booster is not None:
        return onnx_targets.by_booster(path, by.booster, by.rounds, by.missing, **how)
    tag = by.model or onnx_targets.model_of(path)
    if tag is None:
        raise ConfigError(
            f"Expected --booster FILE for an ONNX file, got none - at {target}. Give what it must "
            "agree with: --booster FILE, --pipeline FILE or --model TAG."
        )
    return onnx_targets.by_model(path, tag, **how)


def verify_bundle(
    bundle: Bundle,
    *,
    random_rows: int = RANDOM_ROWS,
    seed: int = 0,
    on_progress: ProofProgress | None = None,
) -> Proof:
    """Prove a stored model again.

    Every backend whose library is installed is compared with the answers that the booster gave when
    the model was stored. Where xgboost and onnx are installed, it is compared with the booster's
    today, too.

    Args:
        bundle: an opened bundle.
        random_rows: how many.
        seed: of what is random.
        on_progress: called now and then with the rows that are done and all that there will be.

    Raises:
        BundleError: the bundle carries no proof, or has changed.
    """
    start = time.perf_counter()
    stored = bundle.proof
    parts = _stored_parts(bundle, load_rows(bundle))
    names = [name for name in bundle.manifest.files if name not in (PROOF, PROOF_ROWS)]
    files = {name: bundle.file(name) for name in names}
    if not (limit := _limit(stored)):
        from bentoml_ext.proving.every_form import prove

        booster = read_booster(bundle.path / BOOSTER)
        proof = prove(
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
        made_with=made_with(bundle.manifest),
        limit=limit,
    )


def _limit(stored: Proof) -> str:
    """Why the booster itself is not asked here; empty where it is."""
    missing = [name for name in PROVERS if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return (
        f"Only the {stored.stored_rows:,} rows stored with the proof were compared: not installed "
        f"here {'is' if len(missing) == 1 else 'are'} {', '.join(missing)}. The whole proof is "
        f"made again with {the_extra('convert')}."
    )


def _stored_parts(bundle: Bundle, stored: ProofRows) -> list[Part]:
    """Each form of the model against the answers in the bundle, in a batch and one by one."""
    parts = []
    for name, backend in _backends(bundle):
        comparison = BitComparison("stored", name, NOTE)
        for margins in (backend.margins(stored.rows), one_by_one(backend, stored.rows)):
            comparison.compare("margin", stored.margins, margins, stored.rows)
            if (predictions := stored.predictions) is not None:
                compare_decider(
                    comparison, bundle.decider, margins, predictions, stored.rows, singly=True
                )
        comparison.seen(len(stored.rows))
        parts.append(comparison.part())
    return parts


def _backends(bundle: Bundle) -> Iterator[tuple[str, Backend]]:
    """The backends that can score here, by name."""
    for name in form_names():
        with suppress(BackendMissing, BundleError):
            yield name, open_backend(bundle, name)
