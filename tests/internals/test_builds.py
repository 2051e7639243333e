"""Builds: whatever ends one leaves nothing in the home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import python_code

pytestmark = pytest.mark.slow
"""Starts a process with BentoML."""

SERVICE = """
import bentoml

@bentoml.service
class Plain:
    @bentoml.api
    def say(self, word: str) -> str:
        return word
"""

BUILD = """
import shutil, sys
from bentoml_cli.cli import cli

def interrupted(*given, **how):
    own(*given, **how)
    raise KeyboardInterrupt

if sys.argv.pop() == "interrupted":
    own, shutil.copytree = shutil.copytree, interrupted
cli(["build"], prog_name="bentoml", standalone_mode=True)
"""

BROKEN = "service: 'service:Plain'\npython:\n  requirements_txt: missing.txt\n"


@pytest.mark.parametrize(
    ("bentofile", "how"), [(BROKEN, "as it is"), ("service: 'service:Plain'\n", "interrupted")]
)
def test_a_build_that_fails_leaves_nothing(tmp_path: Path, bentofile: str, how: str) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    (project / "service.py").write_text(SERVICE)
    (project / "bentofile.yaml").write_text(bentofile)

    done = python_code(BUILD, home, how, cwd=project)

    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr or how == "as it is"
    assert sorted(path.name for path in home.rglob("*")) == ["bentos", "envs", "models", "tmp"]
