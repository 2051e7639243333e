"""The shape of the code: which way imports point, what a start loads, how long things are."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import bentoml
import pytest

import bentoml_ext
from tests import small
from tests.commands import ROOT, python_code

# From the bottom up. A module imports from layers below its own, and from its own package.
LAYERS = (
    ("errors",),
    (
        "arrays",
        "descriptions",
        "distributions",
        "entering",
        "files",
        "internals",
        "observation",
        "telemetry",
    ),
    ("arbiter", "environment", "names", "native_sum", "rounds"),
    (
        "features",
        "field",
        "json_value",
        "misspelt",
        "part",
        "probability",
        "shortest",
        "steps",
        "tags",
    ),
    (
        "arrow_values",
        "column_types",
        "evidence",
        "field_rules",
        "filling",
        "json_array",
        "policy",
        "proof_rows",
        "ruling",
    ),
    ("encoder", "fields_file"),
    ("backends", "columns", "comparing", "decision", "pickled", "reader", "reading"),
    ("bundle", "deciding", "lines", "settings"),
    ("models", "provenance", "scorer"),
    ("selftest", "targets"),
    ("opening",),
    ("export",),
    ("booster_file", "bulk"),
    ("acceptance",),
    ("acceptance_of_files", "handed_over", "serving", "source"),
    ("sources",),
    ("framework",),
    ("importer", "judged", "progress", "report", "rows_graph", "whole_graph"),
    ("verification",),
    ("file_commands",),
    ("cli",),
)
LAYER = {name: height for height, names in enumerate(LAYERS) for name in names}
OURS = sorted(path.relative_to(ROOT) for path in (ROOT / "bentoml_ext").rglob("*.py"))
ALL = [
    *OURS,
    *sorted(
        path.relative_to(ROOT)
        for part in ("models", "services")
        for path in (ROOT / part).rglob("*.py")
    ),
]
MODULE_LINES = 300
FUNCTION_LINES = 40
"""Without the docstring."""

# What serving ONNX must do without: it may be absent.
HEAVY = ("xgboost", "sklearn", "scipy", "pandas", "onnx", "skl2onnx", "onnxmltools", "pyarrow")

LOADED = f"""
import sys
{{code}}
print([name for name in {HEAVY} if name in sys.modules])
"""
SCORE = """
from pathlib import Path

from bentoml_ext.bundle import Bundle
from bentoml_ext.opening import open_scorer
scorer = open_scorer(Bundle(Path(sys.argv[1])), "onnx")
print(scorer.classify({"age": 1, "home": "rent", "income": 2}).status)
"""


def ids(paths: list[Path]) -> list[str]:
    return [str(path) for path in paths]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file may import, in whatever function; not those for annotations."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield str(node.module)
            # `from bentoml_ext import files` names the module last.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Every function with its number of lines, less its docstring."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if ast.get_docstring(node):
                lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
            yield node.name, lines


def test_every_module_has_a_layer() -> None:
    nouns = {path.parts[1].removesuffix(".py") for path in OURS} - {"__init__"}

    assert sorted(nouns - set(LAYER)) == []


@pytest.mark.parametrize("path", OURS, ids=ids(OURS))
def test_imports_point_one_way(path: Path) -> None:
    own = path.parts[1].removesuffix(".py")
    wrong = []
    for module in imports(path):
        package, _, rest = module.partition(".")
        other = rest.partition(".")[0]
        if package == "bentoml_ext" and other in LAYER and other != own:
            # The package's own `__init__` stands above all of it.
            wrong += [module] if LAYER[other] >= LAYER.get(own, len(LAYERS)) else []

    assert wrong == []


@pytest.mark.parametrize("path", OURS, ids=ids(OURS))
def test_the_plugin_knows_nothing_of_credit(path: Path) -> None:
    packages = {module.partition(".")[0] for module in imports(path)}

    assert not packages & {"models", "services", "tests", "benchmarks"}


@pytest.mark.parametrize("path", OURS, ids=ids(OURS))
def test_the_list_of_public_names_is_sorted_and_true(path: Path) -> None:
    module = importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
    names = getattr(module, "__all__", None)
    if names is None:
        assert not list(functions(path)), "public names without a list"
        return

    assert [name for name in names if not hasattr(module, name)] == []
    # ruff's order: constants, then classes, then the rest.
    kinds = [0 if name.isupper() else 1 if name[0].isupper() else 2 for name in names]
    assert list(names) == sorted(names) or kinds == sorted(kinds)


@pytest.mark.parametrize("path", ALL, ids=ids(ALL))
def test_a_module_is_short(path: Path) -> None:
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= MODULE_LINES


@pytest.mark.parametrize("path", ALL, ids=ids(ALL))
def test_a_function_is_short(path: Path) -> None:
    assert [name for name, lines in functions(path) if lines > FUNCTION_LINES] == []


def test_importing_the_plugin_loads_nothing_heavy(home: Path) -> None:
    code = "import bentoml_ext, bentoml_ext.cli, bentoml_ext.framework, bentoml_ext.scorer"

    printed = python_code(LOADED.format(code=code), home)

    assert printed.stdout == "[]\n", printed.stderr


def test_scoring_with_onnx_loads_nothing_heavy(home: Path) -> None:
    stored = bentoml_ext.save_model("layers_test", small.booster(), encoder=small.encoder())

    printed = python_code(LOADED.format(code=SCORE), home, stored.path)

    status, heavy = printed.stdout.splitlines()
    assert status in ("APPROVED", "MAYBE", "DECLINED")
    assert heavy == "[]"


def test_the_credit_service_on_onnx_loads_nothing_heavy(
    home: Path, credit_model: bentoml.Model
) -> None:
    # `inner()` is what a worker makes: it opens the model and scores a row.
    code = "from services.credit import CreditRiskClassifier\nCreditRiskClassifier.inner()"

    printed = python_code(LOADED.format(code=code), home, BACKEND="onnx")

    assert printed.stdout == "[]\n", printed.stderr
