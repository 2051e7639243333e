"""The shape of the code: which way imports point, what a start loads, how long things are."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import bentoml
import pytest

import bentoml_ext
from tests.support import small
from tests.support.commands import ROOT, python_code

# From the ground up. A room imports from floors below its own, and from itself.
FLOORS = (
    ("arrays", "choices", "disk_errors", "distributions", "errors", "signals"),
    ("backends", "files", "internals", "memory_limit", "misspelt", "objectives"),
    ("decisions", "encoders"),
    ("formats", "proof"),
    ("boosters", "store"),
    ("export", "scoring", "settings"),
    ("acceptance", "offline", "preprocessing", "proving", "serving"),
    ("compare", "framework"),
    ("importers", "releases"),
    ("cli",),
)
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
NEVER = (
    # The proof shares no code with what it judges.
    ("export", "proving"),
    ("proving/structure", "export"),
    ("proving/graph_reader", "export"),
    # A worker has neither xgboost nor onnx.
    ("serving", "boosters"),
    ("serving", "export"),
    ("serving", "proving"),
)
"""Rooms of which the first never imports the second."""
OTHER_TESTS = ("benchmarks", "models", "support", "whole")
"""Folders of tests that are of no room of the package."""

OURS = sorted(path.relative_to(ROOT) for path in (ROOT / "bentoml_ext").rglob("*.py"))
MODULES = set(OURS)
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

from bentoml_ext.store.bundle import Bundle
from bentoml_ext.scoring.opening import open_scorer
scorer = open_scorer(Bundle(Path(sys.argv[1])), "onnx")
print(scorer.classify({"age": 1, "home": "rent", "income": 2}).status)
"""


def ids(paths: list[Path]) -> list[str]:
    return [str(path) for path in paths]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file names, in whatever function and for whatever annotation."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            # `from bentoml_ext.internals import telemetry` names the module last.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place(module: str) -> Path | None:
    """The file of a module, or of the module that has this name; None of another package."""
    if not module.startswith("bentoml_ext."):
        return None
    for name in (module, module.rpartition(".")[0]):
        base = Path(*name.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path in MODULES:
                return path
    return None


@cache
def named(path: Path) -> frozenset[Path]:
    """The files of this package that a file imports."""
    return frozenset(found for module in imports(path) if (found := place(module))) - {path}


def rooms(path: Path, depth: int) -> str:
    """The folder of a module as deep as that, or the module where it lies less deep."""
    return "/".join(path.with_suffix("").parts[1 : depth + 1])


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Every function with its number of lines, less its docstring."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if ast.get_docstring(node):
                lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
            yield node.name, lines


def test_every_room_has_a_floor() -> None:
    assert {rooms(path, 1) for path in OURS} - {"__init__"} == set(FLOOR)


@pytest.mark.parametrize("path", OURS, ids=ids(OURS))
def test_imports_point_one_way(path: Path) -> None:
    own = rooms(path, 1)
    others = {rooms(other, 1) for other in named(path)} - {own}

    # The package's own `__init__` stands above all of it.
    assert [room for room in others if FLOOR[room] >= FLOOR.get(own, len(FLOORS))] == []


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_no_rooms_import_each_other(depth: int) -> None:
    graph: dict[str, set[str]] = {}
    for path in OURS:
        own = rooms(path, depth)
        graph.setdefault(own, set()).update(rooms(other, depth) for other in named(path))
    for own, others in graph.items():
        # A room's `__init__` hands on names of the room.
        others -= {own, *(other for other in others if other.endswith("__init__"))}

    # Raises CycleError, which names the circle.
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(("room", "other"), NEVER)
def test_rooms_that_are_kept_apart(room: str, other: str) -> None:
    inside = [path for path in OURS if path.is_relative_to(f"bentoml_ext/{room}")]
    inside += [path for path in OURS if path == Path(f"bentoml_ext/{room}.py")]
    found = {(str(path), str(to)) for path in inside for to in named(path)}

    assert inside
    assert [pair for pair in found if pair[1].startswith(f"bentoml_ext/{other}/")] == []


def test_the_tests_mirror_the_rooms() -> None:
    of_rooms = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("*.py")}
    strange = [
        str(folder)
        for folder in of_rooms - {Path()}
        if folder.parts[0] not in OTHER_TESTS and not (ROOT / "bentoml_ext" / folder).is_dir()
    ]

    assert strange == []


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
    code = "import bentoml_ext, bentoml_ext.cli, bentoml_ext.framework, bentoml_ext.scoring.scorer"

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
