"""The command `python -m models.train`: from data to a model in BentoML's store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from models.fields import FIELDS
from models.synthetic import DEFAULT_ROWS, DEFAULT_SEED, generate

# Only click and numpy so far: `--help` and `--if-empty` answer before a training library is loaded.
if TYPE_CHECKING:
    import bentoml
    from rich.console import Console

    from models.dataset import Dataset
    from models.training import Trained

MODEL_NAME: Final = "credit_risk_model"
_PROOF_APPLICATIONS: Final = 500
_LIBRARIES: Final = ("xgboost", "sklearn", "rich", "onnx", "onnxmltools")


def _tag(_: click.Context, __: click.Parameter, name: str) -> str:
    from bentoml import Tag

    try:
        return str(Tag.from_taglike(name))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(context_settings={"show_default": True})
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Train on the course's CSV file instead of generated applications.",
)
@click.option(
    "--name", default=MODEL_NAME, callback=_tag, help="Name of the model in BentoML's store."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=DEFAULT_SEED, help="Seed of the generator."
)
@click.option(
    "--rows",
    type=click.IntRange(min=100, max=10_000_000),
    default=DEFAULT_ROWS,
    help="Applications to generate.",
)
@click.option(
    "--without",
    multiple=True,
    type=click.Choice([field.name for field in FIELDS]),
    help="Field that the model must not see; repeatable.",
)
@click.option("--if-empty", is_flag=True, help="Do nothing if the store holds a model of the name.")
@click.pass_context
def train(
    context: click.Context,
    *,
    data: Path | None,
    name: str,
    seed: int,
    rows: int,
    without: tuple[str, ...],
    if_empty: bool,
) -> None:
    """Train the credit model by the course's recipe and save it, proven on both backends."""
    _refuse_both(context)
    with _one_line_errors():
        held = _held(name) if if_empty else None
        if held:
            click.echo(f"The store holds {held}: nothing to train.")
        else:
            _run(data, name, seed, rows, without)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """What the caller can mend, said in one line; our own faults keep their traceback."""
    from bentoml.exceptions import BentoMLException

    from bentoml_ext.disk_errors import refusal
    from bentoml_ext.memory_limit import within_memory
    from bentoml_ext.signals import ended_by_signal

    try:
        with ended_by_signal(), within_memory():
            yield
    except ModuleNotFoundError as error:
        library = str(error.name).partition(".")[0]
        if library not in _LIBRARIES:
            raise
        raise click.ClickException(
            f"Training needs {library}. Install it with the 'train' extra."
        ) from error
    except OSError as error:
        raise click.ClickException(refusal(error)) from error
    except BentoMLException as error:
        raise click.ClickException(" ".join(str(error).split())) from error


def _refuse_both(context: click.Context) -> None:
    """A seed of generated applications beside a file of real ones would be a misunderstanding."""
    if context.params["data"] is None:
        return
    for option in ("seed", "rows"):
        if context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{option} is for generated applications, not for --data.")


def _held(name: str) -> bentoml.Tag | None:
    """The tag of the plugin's own model of that name, if the store holds one."""
    from bentoml.exceptions import NotFound

    import bentoml_ext

    try:
        return bentoml_ext.get(name).tag
    except NotFound:
        return None


def _run(data: Path | None, name: str, seed: int, rows: int, without: tuple[str, ...]) -> None:
    from rich.console import Console

    from bentoml_ext.internals.store import check_store
    from models.course_csv import load
    from models.summary import summary

    check_store()
    dataset = load(data) if data else generate(rows, seed).dataset()
    trained = _train(dataset, without, Console(stderr=True))
    console = Console(highlight=False, markup=False)
    console.print(summary(dataset, trained))
    console.print("\nSaving: converting to ONNX and proving that both backends agree ...")
    tag = _save(name, dataset, trained, Console(stderr=True)).tag
    console.print(f"Saved     {tag}\n")
    step = "bentoml serve" if tag.name == MODEL_NAME else f"bentoml ext inspect {tag}"
    console.print(f"Next      {step}", soft_wrap=True)


def _train(dataset: Dataset, without: tuple[str, ...], console: Console) -> Trained:
    from rich.progress import Progress

    from models.training import ROUNDS
    from models.training import train as train_on

    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Training", total=ROUNDS)
        return train_on(dataset, without=without, on_round=lambda: progress.advance(task))


def _save(name: str, dataset: Dataset, trained: Trained, console: Console) -> bentoml.Model:
    from rich.progress import Progress

    import bentoml_ext

    # Generated ones even for a model of real data: an application in a bundle would carry a
    # person's affairs to wherever the model is served.
    known = {field.name: field for field in trained.encoder.fields}
    fields = [known.get(field.name, field) for field in FIELDS]
    generated = generate(_PROOF_APPLICATIONS, fields=fields).dataset()
    proof = generated.without([field.name for field in FIELDS if field.name not in known])
    evaluation = trained.evaluation
    metadata: dict[str, Any] = {
        **dataset.origin,
        "auc": evaluation.auc,
        "default_rate": dataset.default_rate,
        "trained_rows": trained.trained_rows,
        "held_out_rows": evaluation.rows,
        "confusion": {answer: list(counts) for answer, counts in evaluation.confusion.items()},
    }
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Proving", total=None)
        return bentoml_ext.save_model(
            name,
            trained.booster,
            encoder=trained.encoder,
            policy=trained.policy,
            applications=proof.applications,
            labels={"data": "generated" if "seed" in dataset.origin else "csv"},
            metadata=metadata,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


if __name__ == "__main__":
    train(prog_name="python -m models.train")
