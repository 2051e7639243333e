"""No test asks how long something took: on a busy machine the answer is another one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
WAITING = {"clusters.py", "servers.py", "test_self_test.py"}
"""Files that poll: they read a clock to give up."""

CLOCKS = {"monotonic", "perf_counter", "perf_counter_ns", "process_time", "thread_time", "time_ns"}


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(TESTS.rglob("*.py")) if path.name not in WAITING],
    ids=lambda path: str(path.relative_to(TESTS)),
)
def test_no_test_reads_a_clock(path: Path) -> None:
    tree = ast.parse(path.read_text())
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    read = [ast.unparse(name) for name in called if isinstance(name, ast.Attribute | ast.Name)]

    assert [name for name in read if name in CLOCKS or name.startswith("time.time")] == []
    assert [name for name in read if name.partition(".")[2] in CLOCKS] == []
