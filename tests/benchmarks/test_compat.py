"""The environments of `make compat` cover the ends; the audit says what it did not look up."""

from __future__ import annotations

from itertools import product

import pytest
from click import ClickException

from benchmarks.compat.__main__ import PAGE
from benchmarks.compat.audit import Audited, Package, Vulnerability, verdict
from benchmarks.compat.environments import ENVIRONMENTS, Environment, python_of
from benchmarks.compat.page import Line, page
from benchmarks.compat.probe import Found

HOLE = Vulnerability("CVE-1", ["2.1"], ["GHSA-1"])
KNOWN = Package("bentoml", "2.0", [HOLE])
SAFE = Package("numpy", "2.0")
SKIPPED = Package("kantoku", skip_reason="Dependency not found on PyPI")


def held(environment: Environment, library: str) -> str:
    """The version that an environment holds a library to, or "oldest" or "newest"."""
    found = [pin for pin in environment.pins if pin.startswith(library)]
    if found:
        return found[0].partition("==")[2].removesuffix(".*")
    return "oldest" if environment.oldest else "newest"


def test_every_xgboost_stands_beside_both_ends_of_onnx_runtime() -> None:
    # pyproject.toml's lower bounds are 2.1 and 1.20.
    names = {"oldest": "oldest", "2.1": "oldest", "1.20": "oldest"}
    pairs = {
        tuple(names.get(version, version) for version in map(held, [env] * 2, LIBRARIES))
        for env in ENVIRONMENTS
    }

    assert pairs >= set(product(("oldest", "3.0", "3.2", "newest"), ("oldest", "newest")))


LIBRARIES = ("xgboost", "onnxruntime")


def test_a_python_that_is_not_here_is_none_and_no_fault() -> None:
    environment = Environment("of the past", ("3.2",))

    assert python_of(environment) is None
    assert Line(environment, reason="not run").holds
    assert not Line(environment, reason="cannot be built", failed=True).holds


def found(xgboost: str = "3.2.0", same_bytes: str = "", quantiles: str = "exact") -> Found:
    checks = ("train and prove", "verify", "served by onnx", "portfolio")
    return Found(
        python="3.11.7",
        versions={"bentoml": "1.4.40", "xgboost": xgboost},
        models={"dart": "exact", "quantiles": quantiles, "new": "unknown to it"},
        checks=dict.fromkeys(checks, "") | {"same bytes": same_bytes},
        seconds=1,
        run="2026-11-26, 1234567, Linux x86_64, glibc 2.36",
    )


def test_the_page_tells_what_did_not_hold() -> None:
    bad = found(same_bytes="two\nlines", quantiles="NOT EXACT: 98.00 %")

    text = page([Line(ENVIRONMENTS[0], bad), Line(ENVIRONMENTS[1], reason="not run: no CPython")])

    assert not bad.holds
    assert "| 1 of 2 | yes | NO | yes | 2026-11-26, 1234567, Linux x86_64, glibc 2.36 |" in text
    assert "- quantiles: NOT EXACT: 98.00 %\n" in text
    assert "- same bytes: two lines\n" in text
    assert f"| {ENVIRONMENTS[1].name} | not run: no CPython |" in text


def test_a_run_of_some_environments_leaves_the_other_lines_as_they_are() -> None:
    first, second, third = ENVIRONMENTS[:3]
    bad = found(same_bytes="other bytes")
    before = page([Line(first, bad), Line(third, bad)])

    text = page([Line(second, found("3.0.5")), Line(third, found("3.3.0"))], before)

    both = [Line(first, bad), Line(second, found("3.0.5")), Line(third, found("3.3.0"))]
    assert text == page(both)
    assert text.count("other bytes") == 1


def test_the_page_in_the_repository_is_one_that_lines_can_be_added_to() -> None:
    text = PAGE.read_text("utf-8")

    assert page([], text) == text


def test_lines_are_not_added_to_a_page_with_other_columns() -> None:
    before = page([Line(ENVIRONMENTS[0], found())]).replace("| pyarrow |", "| pandas |")

    with pytest.raises(ClickException, match="Run every environment"):
        page([], before)


@pytest.mark.parametrize(
    ("packages", "ignored", "code", "said"),
    [
        ([SKIPPED, SKIPPED], {}, 0, "Not audited: the service"),
        ([SAFE], {}, 0, "Audited 1 of 1 packages."),
        ([SAFE, KNOWN], {}, 1, "bentoml 2.0: CVE-1, mended in 2.1"),
        ([KNOWN], {"GHSA-1": "not used"}, 0, "bentoml 2.0: CVE-1, ignored: not used"),
        ([SAFE, SKIPPED], {}, 0, "Not audited: kantoku."),
        ([KNOWN, SKIPPED], {"CVE-2": "another"}, 1, "bentoml 2.0: CVE-1, mended in 2.1"),
    ],
)
def test_the_audit_fails_for_a_known_vulnerability_alone(
    packages: list[Package], ignored: dict[str, str], code: int, said: str
) -> None:
    found, told = verdict(Audited(packages), ignored)

    assert found == code
    assert said in " ".join(told)
