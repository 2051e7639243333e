"""ONNX targets: an ONNX file is verified by a booster, a stored model or its own pipeline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from bentoml_ext import files
from bentoml_ext.backends.native_sum import as_its_estimator
from bentoml_ext.boosters.xgb.files import BoosterFile, read_booster
from bentoml_ext.boosters.xgb.rounds import best_rounds, counting
from bentoml_ext.errors import ConfigError, UnreadableInput
from bentoml_ext.proof.record import Part, Proof
from bentoml_ext.store.bundle import BOOSTER
from bentoml_ext.store.models import load_bundle
from bentoml_ext.store.provenance import made_with
from bentoml_ext.store.targets import stored_model

if TYPE_CHECKING:
    import onnx
    import xgboost

    from bentoml_ext.proving.every_form import ProofProgress

__all__ = [
    "RANDOM_ROWS",
    "How",
    "by_booster",
    "by_model",
    "by_pipeline",
    "check_is_onnx",
    "model_of",
    "verify_file",
]

RANDOM_ROWS: Final = 100_000
Judgement = tuple[Proof, Sequence[str]]
"""The proof, and the names of the columns as far as they are known."""


class How(TypedDict, total=False):
    """Options of a comparison: number and seed of the random rows, and a callback of progress."""

    random_rows: int
    seed: int
    on_progress: ProofProgress | None


def verify_file(
    graph: Path,
    booster: Path,
    rounds: str | None = None,
    missing: float | None = None,
    **how: Unpack[How],
) -> Proof:
    """Judge any ONNX file by a booster's own answers.

    Args:
        graph: an ONNX file, whoever made it.
        booster: a .json or .ubj file of XGBoost. Where a scikit-learn estimator wrote it, the trees
            that the estimator uses count.
        rounds: of a Booster whose training stopped early: "best" or "all".
        missing: a number that means missing besides NaN, as an estimator's `missing=`. By default
            the marker in the booster's file, which XGBoost 2.0 and later no longer write.
        how: random_rows, seed, on_progress.

    Raises:
        ImportRefused: not a booster.
        ExportRefused: the booster cannot be read.
        ConfigError: training stopped early, and nothing says which rounds count.
        BackendError: ONNX Runtime refuses the file, or it gives nothing to compare.
        FeatureMismatch: it takes other rows.
    """
    return by_booster(graph, booster, rounds, missing, **how)[0]


def by_booster(
    graph: Path, file: Path, rounds: str | None, missing: float | None, **how: Unpack[How]
) -> Judgement:
    """As `verify_file`."""
    from bentoml_ext.boosters.xgb.document import version_text
    from bentoml_ext.boosters.xgb.loading import decode

    start = time.perf_counter()
    read = BoosterFile.read(files.read(file), str(file))
    booster = _counting(read.booster, rounds, file)
    if read.estimator:
        booster = as_its_estimator(booster, read.kind)
    missing = read.missing if missing is None else missing
    parts, facts = _parts(graph, booster, how, missing)
    if read.estimator and missing is None:
        facts["oracle"] += ", NaN alone missing (--missing NUMBER)"
    judged = {path.name: files.read(path) for path in (graph, file)}
    made = version_text(decode(judged[file.name]))
    proof = Proof.of(start, judged, parts=parts, seed=how.get("seed", 0), made_with=made, **facts)
    return proof, booster.feature_names or ()


def by_model(graph: Path, tag: str, **how: Unpack[How]) -> Judgement:
    """Judge a file by a stored model: rows by its booster, fields by its encoder and policy, too.

    Raises:
        NotFound: no such model.
        BackendError, FeatureMismatch: as `verify_file`.
    """
    from bentoml_ext.export.graph.application import outputs_of
    from bentoml_ext.proving.application_graph import judge_application_graph

    start = time.perf_counter()
    bundle = load_bundle(stored := stored_model(tag))
    booster = read_booster(bundle.path / BOOSTER)
    seed, model = how.get("seed", 0), _loaded(graph)
    outputs, inputs = (
        {one.name for one in some} for some in (model.graph.output, model.graph.input)
    )
    # The one input of a file of rows is not a field; its outputs may have the same names.
    takes_fields = len(inputs) > 1 or inputs <= {*bundle.encoder.names}
    if takes_fields and outputs_of(bundle.decider).keys() <= outputs:
        parts = judge_application_graph(model, booster, bundle.encoder, bundle.policy, seed=seed)
        facts = {"objective": bundle.manifest.objective, "oracle": f"the service of {stored.tag}"}
    else:
        parts, facts = _parts(graph, booster, how)
        facts["oracle"] += f" of {stored.tag}"
    judged = {graph.name: files.read(graph), BOOSTER: bundle.file(BOOSTER)}
    facts |= {"tag": str(stored.tag), "made_with": made_with(bundle.manifest)}
    proof = Proof.of(start, judged, parts=parts, seed=seed, **facts)
    return proof, bundle.manifest.features


def by_pipeline(
    graph: Path, file: Path, data: Path | None, *, allow_pickle: bool, **how: Unpack[How]
) -> Judgement:
    """Judge a file by the scikit-learn pipeline that it was made of.

    Raises:
        ConfigError, ImportRefused: the pipeline's file is not read.
        UnreadableInput: the rows are neither Parquet nor CSV.
        BackendError, FeatureMismatch: as `verify_file`.
    """
    from bentoml_ext.export.pipelines.files import read_pipeline
    from bentoml_ext.proving.pipeline import judge_by_pipeline

    start = time.perf_counter()
    pipeline = read_pipeline(file, allow_pickle=allow_pickle)
    seed = how.get("seed", 0)
    parts = judge_by_pipeline(
        files.read(graph),
        pipeline,
        None if data is None else _frame(data),
        random_rows=how.get("random_rows", RANDOM_ROWS),
        seed=seed,
    )
    paths = [graph, file, *([data] if data else [])]
    proof = Proof.of(
        start,
        {path.name: files.read(path) for path in paths},
        objective=type(pipeline).__name__,
        oracle=f"the pipeline in {file.name}",
        parts=parts,
        seed=seed,
    )
    return proof, [str(name) for name in getattr(pipeline, "feature_names_in_", ())]


def model_of(graph: Path) -> str | None:
    """The tag that a file of `bentoml ext export` says it was made of."""
    entries = {one.key: one.value for one in _loaded(graph).metadata_props}
    return entries.get("bentoml_ext.model")


def check_is_onnx(path: Path) -> None:
    """Refuse a file that is not ONNX.

    Raises:
        ConfigError: names the accepted targets.
    """
    if not _loaded(path).graph.output:
        raise ConfigError(
            f"Expected an ONNX file, got another - at {path}. "
            "TARGET is an ONNX file or the tag of a stored model."
        )


def _parts(
    graph: Path, booster: xgboost.Booster, how: How, missing: float | None = None
) -> tuple[list[Part], dict[str, str]]:
    """Every output on one thread; the margin on more, too, where the file says that it may be."""
    from bentoml_ext.proving.margin_graph import parts_on_threads
    from bentoml_ext.proving.onnx_file import compare_onnx_file

    model = _loaded(graph)
    rows = {"random_rows": RANDOM_ROWS} | how
    found = compare_onnx_file(files.read(graph), booster, **rows, missing=missing)
    entries = {one.key: one.value for one in model.metadata_props}
    parts = list(found.parts)
    outputs = {one.name for one in model.graph.output}
    if entries.get("bentoml_ext.thread_proof") == "true" and "margin" in outputs:
        parts += parts_on_threads(model, booster, seed=how.get("seed", 0), missing=missing)
    return parts, {"objective": found.oracle.objective.name, "oracle": found.oracle.name}


def _loaded(graph: Path) -> onnx.ModelProto:
    """The file's model; an empty model if the file is not ONNX."""
    import onnx

    from bentoml_ext.proving.foreign import MOST_NODES, node_count, outside_of

    data = files.read(graph)
    try:
        model = onnx.load_from_string(data)
    except Exception:
        # ONNX Runtime says what is wrong with it.
        return onnx.ModelProto()
    if place := outside_of(model):
        raise ConfigError(
            f"Expected an ONNX file with all its data, got data in '{place:.100}' - at {graph}. "
            "Nothing of it was read. Write it as one file: `onnx.save(onnx.load(FILE), NEW)`."
        )
    if (count := node_count(model)) > MOST_NODES:
        raise ConfigError(
            f"Expected at most {MOST_NODES:,} nodes, got {count:,.0f} - at {graph}, its "
            "functions written out. Nothing of it was run."
        )
    return model


def _counting(booster: xgboost.Booster, rounds: str | None, place: Path) -> xgboost.Booster:
    """The booster with the rounds that count."""
    best, there = best_rounds(booster), booster.num_boosted_rounds()
    if rounds is None and booster.attr("scikit_learn") is not None:
        rounds = "best"
    if rounds is None and best is not None:
        raise ConfigError(
            f"Expected --rounds best or --rounds all, got neither - at {place}. Training stopped "
            f"early: the first {best} of {there} rounds are the best. Booster.predict uses all, a "
            "scikit-learn estimator the best."
        )
    return counting(booster, rounds)


def _frame(path: Path) -> Any:
    """Rows of a Parquet or CSV file as a DataFrame."""
    import pandas as pd

    readers = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
    if path.suffix not in readers:
        raise UnreadableInput(f"Expected a .parquet or .csv file, got '{path.name}' - at --data.")
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError) as error:
        raise UnreadableInput(f"Expected rows, got {error} - at {path}.") from error
