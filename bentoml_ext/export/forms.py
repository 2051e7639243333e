"""Forms: the files of a bundle that hold the model, and who writes each of them."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, Protocol

from bentoml_ext.errors import ConfigError
from bentoml_ext.export.graph.model import to_onnx
from bentoml_ext.proof.record import PROOF
from bentoml_ext.proof.stored_rows import PROOF_ROWS
from bentoml_ext.store.bundle import BOOSTER, ENCODER, GRAPH, MANIFEST, POLICY

if TYPE_CHECKING:
    import xgboost

__all__ = ["GROUP", "Form", "written"]

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
            ExportRefused: the form cannot hold this booster exactly. Nothing is stored.
        """
        ...


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


def written(booster: xgboost.Booster) -> dict[str, bytes]:
    """Every form of a booster, ours and those that other packages registered, by file name.

    Raises:
        ConfigError: two forms write one file, or a registered class is not a form.
        ExportRefused: as `Form.write`.
    """
    files: dict[str, bytes] = {}
    for form in _registered():
        if form.filename in files or form.filename in OTHERS:
            raise ConfigError(
                f"Expected a free file name, got '{form.filename}' again - at form "
                f"{type(form).__qualname__}. Uninstall one of the two."
            )
        files[form.filename] = form.write(booster)
    return files


def _registered() -> list[Form]:
    forms: list[Form] = [NativeBooster(), FastGraph()]
    for point in entry_points(group=GROUP):
        made = point.load()()
        if not (isinstance(getattr(made, "filename", None), str) and hasattr(made, "write")):
            raise ConfigError(
                f"Expected a form with `filename` and `write`, got {made!r} - at entry point "
                f"'{point.name} = {point.value}'."
            )
        forms.append(made)
    return forms
