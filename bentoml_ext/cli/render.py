"""Render: what the commands print."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml
import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table

from bentoml_ext.proof.record import Acceptance, Part, Proof
from bentoml_ext.scoring.self_test import load_proof
from bentoml_ext.store.bundle import GRAPH, Bundle, Manifest
from bentoml_ext.store.provenance import Provenance

if TYPE_CHECKING:
    from bentoml_ext.offline.summary import Summary
    from bentoml_ext.proving.exported_application import WholeGraph
    from bentoml_ext.proving.exported_margins import RowsGraph

__all__ = [
    "accepted",
    "exported",
    "exported_for_one_thread",
    "exported_whole",
    "imported",
    "inspected",
    "proven",
    "scored",
    "show",
]


def accepted(acceptance: Acceptance | None) -> str:
    """Whether the model was compared with the trainer's own predictions, and how."""
    if acceptance is None:
        return (
            "Not checked: nothing compared it with predictions of the model as it was trained. "
            "`bentoml ext import --check FILE` does, and `save_model(..., check=FILE)`."
        )
    said = str(acceptance)
    sentences = [
        f"{said[:1].upper()}{said[1:]}: column '{acceptance.column}' of {acceptance.file}, "
        f"sha256 {acceptance.sha256[:12]}...",
        f"Read with {acceptance.reading}." if acceptance.reading else "",
        acceptance.note,
    ]
    return " ".join(filter(None, sentences))


def exported(stored: bentoml.Model, bundle: Bundle, made: RowsGraph, output: Path) -> str:
    """After `export`: what was written, how to feed it, and what was checked."""
    proof = made.proof
    *some, most = map(str, proof.threads)
    return (
        f"{_written(output, made.data)}\n"
        f"Input: rows float32 (n, {bundle.manifest.n_features}), columns as in the metadata "
        f"bentoml_ext.features, NaN for missing. Output: margin float32 (n, {bundle.n_margins}).\n"
        f"Checked for {stored.tag}: {_facts(bundle)}; {proof.nodes:,} nodes equal the booster's. "
        f"The margins of {proof.rows:,} rows are its own bit for bit on {', '.join(some)} and "
        f"{most} threads, in batches of {', '.join(map(str, proof.batches))} and all.\n"
        f"{_evidence(bundle)}\n"
        "It needs no setting: no number of threads and no size of a batch changes a bit."
    )


def exported_for_one_thread(stored: bentoml.Model, bundle: Bundle, output: Path) -> str:
    """After `export --one-thread`: what was written, what was checked, and what must be set."""
    return (
        f"{_written(output, bundle.file(GRAPH))}\n"
        f"Checked: every file of {stored.tag} has the checksum of its manifest; {_facts(bundle)}.\n"
        f"{_evidence(bundle)}\n"
        "Set intra_op_num_threads = 1 where it runs: with more, ONNX Runtime adds the trees in "
        "another order from 51 rows on. Without --one-thread the file is exact with any number."
    )


def _written(output: Path, data: bytes) -> str:
    place = "to standard output" if str(output) == "-" else str(output)
    return f"Wrote {place}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}."


def _facts(bundle: Bundle) -> str:
    manifest = bundle.manifest
    return f"{manifest.n_trees} trees, {manifest.n_features} features, {manifest.objective}"


def exported_whole(stored: bentoml.Model, made: WholeGraph, output: Path) -> str:
    """After `export --with-encoder`: what was written, how to feed it, and what was checked."""
    threads = " and ".join(map(str, made.proof.threads))
    return (
        f"{_written(output, made.data)}\nInputs, each (n, 1): {', '.join(made.inputs)}.\n"
        f"{made.outputs_said}\n"
        f"Checked for {stored.tag}: {made.proof.nodes:,} nodes equal the booster's. "
        f"{made.names_said} of {made.proof.applications:,} applications are its own bit for "
        f"bit on {threads} threads; {made.proof.refused} that the service refuses are INVALID."
    )


def imported(stored: bentoml.Model, bundle: Bundle, source: str) -> RenderableType:
    """After `import`: the new tag, what was assumed, and what to do with it."""
    from bentoml_ext.export.speed import slowness

    manifest = bundle.manifest
    head = (
        f"Imported {source} as {stored.tag}: {manifest.n_trees} trees, "
        f"{manifest.n_features} features, {len(bundle.encoder.fields)} fields, "
        f"{manifest.objective}."
    )
    lines: list[RenderableType] = [head, *_read_as(manifest), *_left_out(manifest)]
    lines.append(accepted(bundle.proof.acceptance))
    if (slow := slowness(bundle.file(GRAPH))) is not None:
        lines.append(slow)
    return Group(
        *lines,
        f"{_evidence(bundle)}\n"
        "Serve it with `bentoml serve service:svc`, where service.py holds:\n"
        f'    import bentoml_ext\n    svc = bentoml_ext.get_service("{stored.tag}")',
    )


def migrated(old: bentoml.Model, new: bentoml.Model, bundle: Bundle) -> str:
    """After `migrate`: both versions, and what was proven of the new one."""
    head = f"Wrote {old.tag} as {new.tag}, in format {bundle.manifest.format}: {_facts(bundle)}."
    tail = f"{old.tag} stays. `latest` of {new.tag.name} is the new version."
    return "\n".join([head, *_left_out(bundle.manifest), _evidence(bundle), tail])


def _left_out(manifest: Manifest) -> list[str]:
    """A line for each form of another package that cannot hold the model."""
    return [f"Stored without {name}: {why}" for name, why in (manifest.left_out or {}).items()]


def _read_as(manifest: Manifest) -> list[Table]:
    """A table of what was assumed, unless nothing was."""
    assumptions = manifest.origin.assumptions if manifest.origin else manifest.assumptions
    table = _table("Part", "Read as", "Because")
    for assumption in assumptions or ():
        table.add_row(assumption.part, assumption.read_as, assumption.why)
    return [table] if assumptions else []


def inspected(stored: bentoml.Model, bundle: Bundle) -> RenderableType:
    """For `inspect`: the bundle as tables."""
    manifest = bundle.manifest
    facts = _table("Bundle", "", str(stored.tag))
    facts.add_row("path", stored.path)
    facts.add_row("created", stored.info.creation_time.isoformat(timespec="seconds"))
    answered = ", answered as the sigmoid of its margin" * bundle.objective.predicts_margins
    facts.add_row("objective", manifest.objective + answered)
    facts.add_row("trees", _trees(manifest))
    facts.add_row("features", str(manifest.n_features))
    facts.add_row(bundle.policy.key, str(bundle.policy))
    facts.add_row("versions", ", ".join(f"{k} {v}" for k, v in manifest.versions.items()))
    facts.add_row("xgboost", str(Provenance.of(manifest, bundle.proof)))
    facts.add_row("proof", _evidence(bundle))
    for line in _left_out(manifest):
        facts.add_row("left out", line)
    facts.add_row("check", accepted(bundle.proof.acceptance))
    for kind, values in (("labels", stored.info.labels), ("metadata", stored.info.metadata)):
        if values:
            facts.add_row(kind, ", ".join(f"{name}={value!s}" for name, value in values.items()))

    files = _table("File", "Bytes", "sha256")
    files.columns[1].justify = "right"
    for name, entry in manifest.files.items():
        files.add_row(name, f"{entry.size_bytes:,}", entry.sha256)

    fields = _table("Field", "Columns", "Takes")
    encoder = bundle.encoder
    for field, steps in zip(encoder.fields, encoder.steps_by_field, strict=True):
        columns = sum(len(step.columns_filled) for step in steps)
        takes = ", ".join(filter(None, (field.expected, field.trained)))
        fields.add_row(field.name, str(columns), takes)
    return Group(facts, files, fields, *_read_as(manifest))


def proven(proof: Proof, features: Sequence[str] = ()) -> RenderableType:
    """For `verify`: every part as a table, and the verdict.

    Args:
        proof: what was found.
        features: names of the columns, for the first row that differs.
    """
    numbers = ("Checked", "Compared", "Equal", "Share", "Gap", "Flips")
    table = _table("Part", "Judged", *numbers)
    for column in table.columns[2:]:
        column.justify = "right"
    for part in proof.parts:
        table.add_row(
            part.name,
            part.subject,
            f"{part.checked:,}",
            f"{part.compared:,}",
            f"{part.equal:,}",
            _share(part),
            _or_dash(part.largest_gap_ulp),
            _or_dash(part.decision_flips),
        )
    expected = f"Expected: the bits of {proof.oracle}, {proof.objective}."
    model = f"The model: {proof.provenance}."
    lines = [*_notes(proof.parts), "", f"{expected} Took {proof.seconds:.1f} s.", model]
    if proof.acceptance is not None:
        lines.append(accepted(proof.acceptance))
    if proof.limit:
        lines.append(proof.limit)
    if proof.holds:
        lines.append(f"Every bit is equal. {proof.caveat}".rstrip())
    else:
        lines.append(f"{_verdict(proof)}. {proof.reason}")
        if proof.difference and proof.difference.values:
            lines.append("That row: " + _row(proof.difference.values, features))
    return Group(table, "", *lines)


def _verdict(proof: Proof) -> str:
    """Name of a proof that does not hold: without a comparison nothing differs."""
    return "Not proven" if proof.difference is None else "Different"


def _notes(parts: Sequence[Part]) -> list[str]:
    """Notes of the parts, each once for all parts or subjects that share it."""
    lines = []
    for note in dict.fromkeys(part.note for part in parts):
        names = dict.fromkeys(part.name for part in parts if part.note == note)
        subjects = dict.fromkeys(part.subject for part in parts if part.note == note)
        lines.append(f"{', '.join(names if len(names) == 1 else subjects)}: {note}")
    return lines


def _share(part: Part) -> str:
    # Rounded down: 100 % is said of nothing but all.
    return f"{math.floor(part.share * 1e5) / 1e3:.3f} %"


def _or_dash(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _row(values: Sequence[str], features: Sequence[str]) -> str:
    names = features if len(features) == len(values) else [f"f{i}" for i in range(len(values))]
    numbers = (float("nan") if text == "nan" else float.fromhex(text) for text in values)
    shown = ("missing" if math.isnan(x) else str(np.float32(x)) for x in numbers)
    return ", ".join(f"{name}={number}" for name, number in zip(names, shown, strict=True))


def _evidence(bundle: Bundle) -> str:
    """The bundle's proof in a sentence."""
    proof, sha256 = load_proof(bundle)
    summary = proof.summary(sha256)
    # A proof cannot check the assumptions of an import.
    alone = bundle.manifest.origin is not None and proof.acceptance is None
    # A Pipeline itself said what its rows are.
    alone = alone and not any(part.name == "pipeline" for part in proof.parts)
    proven = "The booster alone is proven, on" if alone else "Proven on"
    verdict = "every bit equal" if proof.holds else f"{_verdict(proof).upper()}: {proof.reason}"
    return (
        f"{proven} {proof.made}: {verdict}; {summary.compared:,} values compared on "
        f"{summary.rows:,} rows, {summary.decision_flips} decisions flipped, "
        f"by {', '.join(summary.subjects)} against {proof.oracle}. {proof.caveat}".rstrip()
    )


def scored(summary: Summary) -> str:
    """After `score`: what was scored, in a line."""
    skipped = f", {summary.skipped:,} parts were there already" if summary.skipped else ""
    return (
        f"Scored {summary.scored:,} of {summary.rows:,} applications, rejected "
        f"{summary.rejected:,}{skipped}: {summary.output}. {summary.model} by {summary.backend}, "
        f"{summary.seconds:.1f} s, {summary.rows_per_s:,.0f} rows/s."
    )


def show(what: RenderableType) -> None:
    """Print to stdout; whole lines where nobody watches, so that they can be searched."""
    # Names and labels are the user's: nothing in them is a style or an emoji.
    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(what, highlight=False)


def _trees(manifest: Manifest) -> str:
    """How many count, and of how many."""
    origin = manifest.origin
    return f"{manifest.n_trees}" + (f" of {origin.trees} in {origin.source}" if origin else "")


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
