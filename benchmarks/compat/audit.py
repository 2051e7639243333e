"""Audit: looks the versions of requirements.lock up among known vulnerabilities.

python -m benchmarks.compat.audit
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import click
import msgspec

from benchmarks.compat.environments import ROOT

__all__ = ["IGNORED", "Audited", "verdict"]

LOCK: Final = ROOT / "requirements.lock"
LIMIT_S: Final = 300.0

IGNORED: Final[Mapping[str, str]] = {}
"""By id of a vulnerability: why it does not concern this project."""


class Vulnerability(msgspec.Struct, frozen=True):
    """One of a package's; `fix_versions` have it no more."""

    id: str
    fix_versions: list[str] = []
    aliases: list[str] = []


class Package(msgspec.Struct, frozen=True):
    """What pip-audit says of one package; with a `skip_reason` it was not looked up."""

    name: str
    version: str = ""
    vulns: list[Vulnerability] = []
    skip_reason: str = ""


class Audited(msgspec.Struct, frozen=True):
    """pip-audit's report."""

    dependencies: list[Package]


def verdict(audited: Audited, ignored: Mapping[str, str] = IGNORED) -> tuple[int, list[str]]:
    """The exit code, 1 for a known vulnerability, and what to say."""
    packages = audited.dependencies
    asked = [package for package in packages if not package.skip_reason]
    # pip-audit calls a package that its service does not answer for "not found", and ends well.
    if not asked:
        return 0, [
            "Not audited: the service with known vulnerabilities cannot be reached from here."
        ]
    lines, code = [], 0
    for package in asked:
        for found in package.vulns:
            what = f"{package.name} {package.version}: {found.id}"
            reasons = [ignored[name] for name in (found.id, *found.aliases) if name in ignored]
            fix = ", ".join(found.fix_versions) or "no version"
            lines.append(
                f"{what}, ignored: {reasons[0]}" if reasons else f"{what}, mended in {fix}"
            )
            code = code if reasons else 1
    if len(asked) < len(packages):
        skipped = ", ".join(package.name for package in packages if package.skip_reason)
        lines.append(f"Not audited: {skipped}.")
    return code, [*lines, f"Audited {len(asked)} of {len(packages)} packages."]


@click.command()
@click.pass_context
def audit(context: click.Context) -> None:
    """Look every pinned version up; exit 1 if one has a known vulnerability."""
    ended = _pip_audit()
    try:
        code, lines = verdict(msgspec.json.decode(ended.stdout, type=Audited))
    except msgspec.DecodeError:
        last = (ended.stderr.decode(errors="replace").strip().splitlines() or ["no report"])[-1]
        code, lines = 0, [f"Not audited: pip-audit cannot run or ask from here: {last[:200]}"]
    click.echo("\n".join(lines))
    context.exit(code)


def _pip_audit() -> subprocess.CompletedProcess[bytes]:
    """Run it in an environment of its own: the development set stays without it."""
    tool = [sys.executable, "-m", "uv", "tool", "run", "--quiet", "pip-audit"]
    options = ["--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json"]
    try:
        return subprocess.run(
            [*tool, f"--requirement={LOCK}", *options],
            capture_output=True,
            check=False,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(tool, 1, b"", f"no answer in {LIMIT_S:g} s".encode())


if __name__ == "__main__":
    audit()
