"""What a newcomer writes who follows CONTRIBUTING.md: an objective, a step, and a backend.

The objective and the step go into a copy of this package, file by file as the pages say. The
backend is a package of its own. The copy has first lost an objective, as if XGBoost had it anew.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.support import packages
from tests.support.commands import ROOT

__all__ = ["add_backend", "add_objective", "add_step", "scratch_copy"]

OBJECTIVE = '''
class Gamma(Objective):
    """The mean of a gamma distribution: the exponential in float32."""

    output: ClassVar[Output] = "value"
    uses_expf: ClassVar[bool] = True

    def predict(self, margins: Margins) -> Predictions:
        return expf(margins)
'''

STEP = '''
class Remainder(msgspec.Struct, frozen=True, tag="remainder"):
    """What is left of a number that is divided: the month of 202611 by 100."""

    field: str
    column: int
    divisor: float

    @property
    def columns_filled(self) -> tuple[int, ...]:
        return (self.column,)


'''

FILLING = """        case Remainder():
            row[step.column] = math.nan if value is None else math.fmod(value, step.divisor)
"""

JSON_WRITER = """

def _remainder(step: Remainder) -> tuple[OneWriter, ManyWriter]:
    def one(value: Any, cells: memoryview[float], start: int) -> None:
        cells[start + step.column] = math.nan if value is None else math.fmod(value, step.divisor)

    def many(values: npt.NDArray[np.float64], rows: Rows) -> None:
        rows[:, step.column] = np.fmod(values, step.divisor)

    return one, many
"""

ARROW_CHOICE = """        if isinstance(step, Remainder):
            return self._write_remainder(field, step, column, rows)
"""

ARROW_WRITER = """
    def _write_remainder(
        self, field: Field, step: Remainder, column: pa.Array, rows: Rows
    ) -> Iterator[InvalidApplication]:
        numbers = self._numbers_or_nulls(field, column)
        values = without_nulls(numbers, 0.0).astype(np.float64)
        rows[:, step.column] = np.fmod(values, step.divisor)
        rows[is_null(numbers), step.column] = np.nan
        return doubted(field, column, numbers, values)

"""

ONNX_WRITER = '''
def _remainder(ops: GraphBuilder, _: Encoder, field: Field, step: Remainder) -> str:
    """float32, (n, 1)."""
    left = ops.add("Mod", field.name, ops.constant(step.divisor, np.float64), fmod=1)
    return ops.cast(left, TensorProto.FLOAT)


'''

BACKEND = """
import numpy as np
import onnxruntime
from bentoml_ext.backends import Backend


class MyBackend(Backend):
    name = "mine"
    filename = "graph.onnx"

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._model = onnxruntime.InferenceSession(str(path), options)

    def margins(self, rows):
        return self._model.run(["margin"], {"rows": rows})[0]
"""


def scratch_copy(folder: Path) -> Path:
    """A copy of the package that knows no reg:gamma."""
    shutil.copytree(ROOT / "bentoml_ext", folder / "bentoml_ext")
    package = folder / "bentoml_ext"
    edit(package / "objectives/table.py", '"reg:gamma", ', "")
    edit(package / "boosters/xgb/document.py", '    "reg:gamma": _REGRESSION,\n', "")
    edit(package / "export/graph/predictions.py", '    "reg:gamma": expf,\n', "")
    return package


def add_objective(package: Path) -> None:
    """The class, and a line in each of the three tables."""
    values = package / "objectives/values.py"
    values.write_text(values.read_text() + "\n" + OBJECTIVE)
    table = package / "objectives/table.py"
    edit(table, "    Identity,\n", "    Gamma,\n    Identity,\n")
    hinge = '    Hinge: ("binary:hinge",),\n'
    edit(table, hinge, hinge + '    Gamma: ("reg:gamma",),\n')
    edit(
        package / "boosters/xgb/document.py",
        '    "reg:linear": _REGRESSION,\n',
        '    "reg:gamma": _REGRESSION,\n    "reg:linear": _REGRESSION,\n',
    )
    edit(
        package / "export/graph/predictions.py",
        '    "reg:linear": _identity,\n',
        '    "reg:gamma": expf,\n    "reg:linear": _identity,\n',
    )


def add_step(package: Path) -> None:
    """The struct, and a place in each interpreter that the table of CONTRIBUTING.md names."""
    steps = package / "encoders/steps.py"
    edit(steps, "\nStep: TypeAlias = ", STEP + "\nStep: TypeAlias = Remainder | ")
    filling = package / "encoders/filling.py"
    import_step(filling)
    edit(filling, "        case Indicator():\n", FILLING + "        case Indicator():\n")
    writers = package / "encoders/json_steps.py"
    import_step(writers, "import math\n")
    choice = "        case Remainder():\n            return _remainder(step)\n"
    edit(writers, "        case Indicator():\n", choice + "        case Indicator():\n")
    writers.write_text(writers.read_text() + JSON_WRITER)
    arrow = package / "encoders/arrow_columns.py"
    import_step(arrow)
    edit(
        arrow,
        "        if isinstance(step, Indicator):\n",
        ARROW_CHOICE + "        if isinstance(step, Indicator):\n",
    )
    edit(arrow, "    def _write_null(", ARROW_WRITER.lstrip("\n") + "    def _write_null(")
    graph = package / "export/graph/encoder_rows.py"
    import_step(graph)
    edit(graph, "\n_WRITERS: Final", ONNX_WRITER + "\n_WRITERS: Final")
    edit(
        graph,
        "    Indicator: _indicator,\n",
        "    Indicator: _indicator,\n    Remainder: _remainder,\n",
    )


def add_backend(site: Path) -> None:
    """A package with the entry point."""
    packages.install(
        site, "my_package", BACKEND, "[bentoml_ext.backends]\nmine = my_package:MyBackend\n"
    )


def import_step(path: Path, others: str = "") -> None:
    """Import the new step, and what else its code needs."""
    first = "from __future__ import annotations\n"
    edit(path, first, f"{first}\n{others}from bentoml_ext.encoders.steps import Remainder\n")


def edit(path: Path, before: str, after: str) -> None:
    """Replace a text that stands once in a file.

    Raises:
        AssertionError: it stands there never or twice, so that the page is to be read again.
    """
    text = path.read_text()
    assert len(re.findall(re.escape(before), text)) == 1, f"{before!r} in {path.name}"
    path.write_text(text.replace(before, after))
