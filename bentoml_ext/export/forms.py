"""Forms: the files of a bundle that hold the model, and who writes each of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, Protocol

from bentoml_ext.errors import ConfigError, ExportRefused
from bentoml_ext.export.graph.model import to_onnx
from bentoml_ext.proof.record import PROOF
from bentoml_ext.proof.stored_rows import PROOF_ROWS
from bentoml_ext.store.bundle import BOOSTER, ENCODER, GRAPH, MANIFEST, POLICY

if TYPE_CHECKING:
    import xgboost

__all__ = ["GROUP", "Form", "FormLeftOut", "Forms", "written"]

GROUP: Final = "bentoml_ext.forms"
"""Entry-point group in which other packages register theirs: `name = "package.module:Class"`."""

OTHERS: Final = frozenset({ENCODER, MANIFEST, POLICY, PROOF, PROOF_ROWS})
"""Files of a bundle besides the forms of the model."""


class Form(Protocol):
    """A file that a backend scores with. A class of it is made without arguments."""

    filename: str
    """In the bundle; the `filename` of each backend that reads it."""

    def write(self, booster: xgboost.Booster) -> bytes:
        """The file's bytes.

        Args:
            booster: the model, with the trees that count and no others; not to be changed.

        Raises:
            ExportRefused: the form cannot hold this booster exactly. The model is stored without
                it, and the manifest keeps the message as the reason.
        """
        ...


class FormLeftOut(UserWarning):
    """A model was stored without the form of another package, which cannot hold it."""


@dataclass(frozen=True)
class Forms:
    """The forms of a booster, by file name.

    Args:
        files: the bytes of those that hold it.
        left_out: the reasons of those that cannot.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class NativeBooster:
    """The booster in XGBoost's own file."""

    filename = BOOSTER

    def write(self, booster: xgboost.Booster) -> bytes:
        return bytes(booster.save_raw("ubj"))


class FastGraph:
    """The ONNX graph in the form that is fast on one thread, with the margin as its one output."""

    filename = GRAPH

    def write(self, booster: xgboost.Booster) -> bytes:
        # ONNX Runtime computes every output of a graph, asked for or not.
        graph = to_onnx(booster, deterministic_threads=False, with_prediction=False)
        return bytes(graph.SerializeToString())


OURS: Final = (NativeBooster, FastGraph)
"""Forms without which nothing is stored."""


def written(booster: xgboost.Booster) -> Forms:
    """Every form of a booster, ours and those that other packages registered.

    Raises:
        ConfigError: two forms write one file, or a registered class is not a form.
        ExportRefused: no exact graph covers the booster.
    """
    forms = Forms()
    for form in _registered():
        name = form.filename
        if name in OTHERS | forms.files.keys() | forms.left_out.keys():
            raise ConfigError(
                f"Expected a free file name, got '{name}' again - at form "
                f"{type(form).__qualname__}. Uninstall one of the two."
            )
        try:
            forms.files[name] = form.write(booster)
        except ExportRefused as refusal:
            if isinstance(form, OURS):
                raise
            # At the call of `save_model`; where warnings are errors, nothing is stored.
            warnings.warn(f"Stored without {name}: {refusal}", FormLeftOut, stacklevel=3)
            forms.left_out[name] = str(refusal)
    return forms


def _registered() -> list[Form]:
    forms: list[Form] = [made() for made in OURS]
    for point in entry_points(group=GROUP):
        made = point.load()()
        if not (isinstance(getattr(made, "filename", None), str) and hasattr(made, "write")):
            raise ConfigError(
                f"Expected a form with `filename` and `write`, got {made!r} - at entry point "
                f"'{point.name} = {point.value}'."
            )
        forms.append(made)
    return forms
