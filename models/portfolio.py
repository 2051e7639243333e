"""The command `python -m models.portfolio`: generated applications as files, to try things on."""

from __future__ import annotations

import json
from pathlib import Path

import click

from models.synthetic import DEFAULT_SEED, generate

SUFFIXES = (".parquet", ".arrows", ".ndjson")


@click.command(context_settings={"show_default": True})
@click.argument("places", metavar="FILE|FOLDER...", nargs=-1, required=True, type=Path)
@click.option("--rows", type=click.IntRange(1, 10_000_000), default=100_000, help="Applications.")
@click.option("--parts", type=click.IntRange(1, 1000), default=4, help="Files of a folder.")
@click.option("--seed", type=click.IntRange(min=0), default=DEFAULT_SEED, help="Of the generator.")
@click.option("--outcomes", is_flag=True, help="Add a column defaulted to Parquet: 1 or 0.")
def portfolio(
    places: tuple[Path, ...], rows: int, parts: int, seed: int, *, outcomes: bool
) -> None:
    """Write generated applications to each FILE (.parquet, .arrows, .ndjson), or to a new FOLDER.

    Parquet has a column customer_id, too. A FOLDER gets parts in Parquet.
    """
    if odd := [place for place in places if place.suffix not in (*SUFFIXES, "")]:
        raise click.UsageError(f"Expected a name in {', '.join(SUFFIXES)}, got '{odd[0]}'.")
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = generate(rows, seed)
    columns = pa.table(made.to_arrow())
    numbered = columns.append_column("customer_id", pa.array(range(rows)))
    if outcomes:
        numbered = numbered.append_column("defaulted", pa.array(made.defaults))
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix == ".arrows":
            with pa.ipc.new_stream(place, columns.schema) as stream:
                stream.write_table(columns)
        elif place.suffix == ".ndjson":
            with place.open("w") as lines:
                lines.writelines(json.dumps(one) + "\n" for one in made.applications())
        elif place.suffix:
            pq.write_table(numbered, place)
        else:
            place.mkdir()
            size = -(-rows // parts)
            for part in range(parts):
                name = place / f"part-{part:03}.parquet"
                pq.write_table(numbered.slice(part * size, size), name)
        click.echo(f"Wrote {rows:,} applications: {place}")


if __name__ == "__main__":
    portfolio(prog_name="python -m models.portfolio")
