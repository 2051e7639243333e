"""Builds each environment, looks at what holds in it, and writes docs/compatibility.md.

python -m benchmarks.compat --help
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import click
import msgspec

from benchmarks.compat.environments import (
    ENVIRONMENTS,
    FOLDER,
    ROOT,
    BuildFailedError,
    Environment,
    build,
    python_of,
)
from benchmarks.compat.matrix import EXACT
from benchmarks.compat.page import Line, page
from benchmarks.compat.probe import Found
from bentoml_ext import files

PAGE = ROOT / "docs" / "compatibility.md"
LIMIT_S = 3600.0
TOLD = ("xgboost", "onnxruntime", "numpy")


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([environment.folder for environment in ENVIRONMENTS]),
    help="Environments to look at; may be given several times. The page keeps the other lines.",
)
@click.option("--resume", is_flag=True, help="Take what was found before, where it was.")
@click.pass_context
def compat(context: click.Context, *, only: tuple[str, ...], resume: bool) -> None:
    """Look at every environment and write the page; exit 1 where something does not hold."""
    before = PAGE.read_text("utf-8") if only and PAGE.exists() else ""
    page([], before)
    lines = []
    for environment in ENVIRONMENTS:
        if only and environment.folder not in only:
            continue
        lines.append(_looked_at(environment, resume))
        click.echo(_described(lines[-1]))
    # A Python that is not here says nothing against a line that was run where it is.
    ran = [line for line in lines if line.found or line.failed or not only]
    files.write(PAGE, page(ran, before).encode())
    context.exit(0 if all(line.holds for line in lines) else 1)


def _looked_at(environment: Environment, resume: bool) -> Line:
    if (python := python_of(environment)) is None:
        wanted = " or ".join(environment.pythons)
        return Line(environment, reason=f"not run: no CPython {wanted} here")
    output = FOLDER / f"{environment.folder}.json"
    if not (resume and output.exists()):
        output.unlink(missing_ok=True)
        try:
            _probe(build(environment, python), output)
        except BuildFailedError as error:
            return Line(environment, reason=f"not run: {error}", failed=True)
    return Line(environment, msgspec.json.decode(output.read_bytes(), type=Found))


def _probe(python: Path, output: Path) -> None:
    command = list(map(str, (python, "-m", "benchmarks.compat.probe", output)))
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    if not output.exists():
        raise click.ClickException(f"{output.stem}: {ended.stderr[-3000:]}")


def _described(line: Line) -> str:
    """One line for the terminal, and one more for each thing that does not hold."""
    found, name = line.found, line.environment.name
    if found is None:
        return f"{name}: {line.reason}"
    versions = [f"{library} {found.versions[library]}" for library in TOLD]
    exact = sum(verdict == EXACT for verdict in found.models.values())
    return "\n".join(
        [
            f"{name}: Python {found.python}, {', '.join(versions)}: {exact} of "
            f"{len(found.models)} kinds of model exact, {found.seconds:.0f} s",
            *(f"  {what}: {why}" for what, why in found.wanting()),
        ]
    )


if __name__ == "__main__":
    compat()
