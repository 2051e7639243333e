"""`bentoml ext`: convert, import and inspect models; a module for each verb.

BentoML imports this package on every call of its command line. So nothing is imported before a
command runs but click and what BentoML has loaded by then.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from bentoml_ext.cli.compare import compare_command
from bentoml_ext.cli.export import export_command
from bentoml_ext.cli.history import history_command
from bentoml_ext.cli.import_ import import_command
from bentoml_ext.cli.inspect import inspect_command
from bentoml_ext.cli.migrate import migrate_command
from bentoml_ext.cli.promote import promote_command
from bentoml_ext.cli.releases import releases_command
from bentoml_ext.cli.rollback import rollback_command
from bentoml_ext.cli.score import score_command
from bentoml_ext.cli.verify import verify_command

__all__ = ["ext"]

EXTRAS = dict.fromkeys(
    ("xgboost", "sklearn", "scipy", "onnx", "onnxmltools", "skl2onnx"), "convert"
) | {"pyarrow": "bulk", "rich": "bulk", "ray": "ray", "pandas": "pipelines", "skops": "pipelines"}
"""The extra that installs each library of a command."""


class _Group(click.Group):
    """Turns what the caller can mend into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        from bentoml.exceptions import BentoMLException

        from bentoml_ext.memory_limit import within_memory

        try:
            with within_memory():
                return super().invoke(ctx)
        except BentoMLException as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except BrokenPipeError:
            # The reader has closed the pipe. Without a new stdout Python's last flush would fail.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)
        except OSError as error:
            from bentoml_ext.disk_errors import refusal

            raise click.ClickException(refusal(error)) from error
        except ImportError as error:
            if (library := str(error.name).partition(".")[0]) not in EXTRAS:
                raise
            from bentoml_ext.distributions import the_extra

            message = f"This needs {library}. Install it with {the_extra(EXTRAS[library])}."
            raise click.ClickException(message) from error


# Where `bentoml` runs: this is the one moment before BentoML looks at its home.
if "bentoml_cli.cli" in sys.modules:
    from bentoml_ext.internals.builds import leave_nothing_of_failed_builds
    from bentoml_ext.internals.home import tolerate_read_only
    from bentoml_ext.internals.lost_log import say_once_that_a_log_is_lost
    from bentoml_ext.internals.one_line import say_in_one_line
    from bentoml_ext.internals.printing import escape_what_output_lacks

    escape_what_output_lacks()
    say_once_that_a_log_is_lost()
    tolerate_read_only()
    say_in_one_line()
    leave_nothing_of_failed_builds()


@click.group(cls=_Group)
def ext() -> None:
    """Convert XGBoost models to exact ONNX, import and inspect them, score portfolios."""


for command in (
    compare_command,
    export_command,
    history_command,
    import_command,
    inspect_command,
    migrate_command,
    promote_command,
    releases_command,
    rollback_command,
    score_command,
    verify_command,
):
    ext.add_command(command)
