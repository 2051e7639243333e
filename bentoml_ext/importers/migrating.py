"""Migrating: a stored bundle becomes a new version in the present format, proven again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bentoml
import msgspec

from bentoml_ext.boosters.xgb.files import read_booster
from bentoml_ext.errors import ConfigError
from bentoml_ext.proof.record import PROOF
from bentoml_ext.proof.stored_rows import PROOF_ROWS
from bentoml_ext.store.bundle import BOOSTER, ENCODER, POLICY, Bundle
from bentoml_ext.store.models import load_bundle, store
from bentoml_ext.store.tags import tag_of

if TYPE_CHECKING:
    from bentoml_ext.export.forms import Forms
    from bentoml_ext.proof.record import Acceptance
    from bentoml_ext.proving.every_form import ProofProgress

__all__ = ["FROM", "migrate"]

FROM = "migrated-from"
"""BentoML's label of the new version, with the tag of the old one."""


def migrate(stored: bentoml.Model, on_progress: ProofProgress | None = None) -> bentoml.Model:
    """Write a stored model as a new version of its name, in the format that this release writes.

    The booster's file, the encoder and the policy stay. The forms are written anew, those of other
    packages among them, and the proof is made again on this machine. The old version stays, too.

    Args:
        stored: a model of this package, of any format that this release reads.
        on_progress: called now and then with the rows that are proven and all that will be.

    Returns:
        The new version.

    Raises:
        BundleError: the old version is damaged, or of a format that this release does not read.
        ConfigError: no installed package writes one of its forms.
        ImportRefused: the installed XGBoost would misread the booster's file.
        ExportRefused, ProofFailed: as `framework.save_model`. Nothing is stored.
    """
    from bentoml_ext.boosters.xgb.confirm import read
    from bentoml_ext.export.forms import written
    from bentoml_ext.proving.every_form import prove

    bundle = load_bundle(stored)
    booster = read_booster(bundle.path / BOOSTER)
    forms = written(booster)
    files = forms.files | {
        # Byte for byte: it names the XGBoost that made the model.
        BOOSTER: bundle.file(BOOSTER),
        ENCODER: bundle.encoder.to_json(),
        POLICY: bundle.policy.to_json(),
    }
    _check_forms(bundle, forms)
    proven = prove(
        booster, files, encoder=bundle.encoder, policy=bundle.policy, on_progress=on_progress
    )
    if (acceptance := _acceptance(bundle, stored.tag)) is not None:
        proven = proven.accepted(acceptance)
    transform = read(booster)[1].transform or None
    manifest = msgspec.structs.replace(
        bundle.manifest, transform=transform, left_out=forms.left_out or None
    )
    files |= proven.files(manifest.facts)
    labels = {**stored.info.labels, FROM: str(stored.tag)}
    return store(
        tag_of(stored.tag.name),
        files,
        manifest,
        labels=labels,
        metadata=dict(stored.info.metadata),
    )


def _check_forms(bundle: Bundle, forms: Forms) -> None:
    """Refuse to lose a form that a package of another hand wrote."""
    kept = {*forms.files, ENCODER, POLICY, PROOF, PROOF_ROWS}
    for lost in sorted(bundle.manifest.files.keys() - kept):
        raise ConfigError(
            f"Expected a form that writes {lost}, got none - at {bundle.path}. "
            + forms.left_out.get(
                lost, "Install the package that wrote it, which registers the form."
            )
        )


def _acceptance(bundle: Bundle, tag: bentoml.Tag) -> Acceptance | None:
    """The check by the trainer's own predictions, which the same booster and encoder passed."""
    acceptance = bundle.proof.acceptance
    if acceptance is None:
        return None
    note = f"{acceptance.note} The check was made when {tag} was stored.".strip()
    return msgspec.structs.replace(acceptance, note=note)
