"""Of files: the files of a bundle are compared with the trainer's own predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from bentoml_ext.acceptance import Check, confirm
from bentoml_ext.backends.registry import opened_in
from bentoml_ext.decisions.base import Decider
from bentoml_ext.disk_errors import naming
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.proof.record import Acceptance
from bentoml_ext.scoring.scorer import Scorer

__all__ = ["accepted"]


def accepted(
    check: Check | Path | str,
    prediction: str | None,
    files: Mapping[str, bytes],
    encoder: Encoder,
    decider: Decider,
) -> Acceptance:
    """Compare every backend that is installed, opened from a bundle's files, with a check.

    Args:
        check: applications with predictions, or the file that holds them.
        prediction: column of the predictions in that file.
        files: of a bundle, by name.
        encoder, decider: the bundle's.

    Raises:
        NotAccepted: an answer differs, or an application is refused.
    """
    if not isinstance(check, Check):
        check = Check.read(Path(check), prediction)
    with TemporaryDirectory(prefix="bentoml_ext-check-") as folder:
        for name, data in files.items():
            with naming(place := Path(folder) / name):
                place.write_bytes(data)
        found = [
            confirm(check, Scorer(encoder, backend, decider))
            for _, backend in opened_in(Path(folder))
        ]
    return found[0]
