"""Import: `bentoml ext import`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bentoml_ext.cli.options import EXISTING_FILE

__all__ = ["import_command"]

CHOICE_FILL = click.Choice(["zero", "missing"])


@click.command("import")
@click.argument("source")
@click.option("--name", required=True, help="Name of the new model; NAME:VERSION sets both.")
@click.option(
    "--features",
    type=EXISTING_FILE,
    help="For a booster's file: its feature names, a JSON list or a name a line.  "
    "[default: the booster's own]",
)
@click.option(
    "--check",
    type=EXISTING_FILE,
    help="Your applications with your own model's predictions (Parquet, CSV, NDJSON, Arrow): the "
    "import gives the same, or says which option cures it.",
)
@click.option(
    "--example",
    type=EXISTING_FILE,
    help="Of a Pipeline: applications that say which fields there are.  [default: --check]",
)
@click.option(
    "--allow-pickle",
    is_flag=True,
    help="Read a Pipeline from a pickle, as far as scikit-learn's known classes go.",
)
@click.option("--prediction", metavar="COLUMN", help="For --check: the column of predictions.")
@click.option(
    "--absent",
    type=CHOICE_FILL,
    help="What a column of a category holds for another category: 0 in dense rows, missing in "
    "sparse ones.",
)
@click.option(
    "--null",
    type=CHOICE_FILL,
    help="What a number that is null becomes.  [default: null is refused]",
)
@click.option(
    "--unknown",
    type=click.Choice(["refuse", "zero"]),
    help="What becomes of a category that the model has no column for.  [default: refuse]",
)
@click.option(
    "--rounds",
    type=click.Choice(["best", "all"]),
    help="Of a Booster whose training stopped early: the rounds that count.",
)
@click.option(
    "--missing",
    type=float,
    help="A number that means missing, as an estimator's missing=.  [default: NaN alone]",
)
@click.option(
    "--separator",
    help="What stands between field and category in a feature name.  "
    "[default: the DictVectorizer's, or =]",
)
@click.option(
    "--fields",
    type=EXISTING_FILE,
    help="Rules of fields as JSON: unit, minimum, maximum, nullable, sentinels, ...",
)
@click.option(
    "--policy",
    type=EXISTING_FILE,
    help="What is answered, as JSON: bands over a probability, labels of classes, names of values."
    "  [default: DECLINED above 0.5, MAYBE above 0.3; of other models the prediction]",
)
def import_command(
    source: str,
    *,
    name: str,
    features: Path | None,
    check: Path | None,
    prediction: str | None,
    fields: Path | None,
    policy: Path | None,
    example: Path | None,
    allow_pickle: bool,
    **reading: Any,
) -> None:
    """Make a bundle of SOURCE and store it.

    SOURCE is the tag of a model that bentoml.xgboost saved, with its DictVectorizer among the
    custom objects or with feature names of its own. Or it is a booster's file, JSON or UBJSON,
    under whatever name. Or it is a Pipeline of scikit-learn that ends in an estimator of XGBoost,
    in a skops file. With --allow-pickle it may be a file of joblib or pickle, or a tag that
    bentoml.sklearn or bentoml.picklable_model saved. What SOURCE does not say, an option says, or
    --check finds out.
    """
    from bentoml_ext import framework
    from bentoml_ext.cli import progress, render
    from bentoml_ext.encoders.reading import Reading
    from bentoml_ext.importers import importing

    if prediction is not None and check is None:
        raise click.UsageError("--prediction is for --check.")
    request = importing.ImportRequest(
        source,
        features,
        Reading(**reading),
        fields,
        policy,
        check,
        prediction,
        example,
        allow_pickle,
    )
    with progress.proving() as on_progress:
        stored = importing.import_model(request, name, on_progress)
    render.show(render.imported(stored, framework.load_bundle(stored), source))
