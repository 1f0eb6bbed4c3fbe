"""`mend remap`: where the values of columns went that are not there any more."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mend.contracts.matching import Matching

cli = typer.Typer(help="Renamed columns: what may be taken for what?", no_args_is_help=True)
MARKS = {"apply": "green", "ask": "yellow", "none": "dim"}


@cli.callback()
def group() -> None:
    """Keep `propose` a command of its own."""


@cli.command()
def propose(
    old_sample: Annotated[Path, typer.Option(help="Rows as they were.", exists=True, dir_okay=False)],
    new_sample: Annotated[Path, typer.Option(help="Rows as they come now.", exists=True, dir_okay=False)],
    old_schema: Annotated[Path | None, typer.Option(help="Avro schema of the old rows.", exists=True)] = None,
    new_schema: Annotated[Path | None, typer.Option(help="Avro schema of the new rows.", exists=True)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two samples (.csv, .jsonl or .parquet) and say for each vanished column which new one carries it on.

    apply: the values can be read as before. ask: a person must say, and why. none: most likely two different things.
    Warnings also tell of columns that kept their name and changed their meaning. Nothing is written.

    [dim]Examples:[/dim]
    mend remap propose --old-sample monday.parquet --new-sample tuesday.jsonl
    mend remap propose --old-sample a.csv --new-sample b.csv --old-schema v1.avsc --new-schema v2.avsc --json
    """
    from mend.remap.matching import match_columns
    from mend.remap.samples import read_sample, read_schema

    schemas = [read_schema(path) if path else None for path in (old_schema, new_schema)]
    found = match_columns(schemas[0], read_sample(old_sample), schemas[1], read_sample(new_sample))
    if as_json:
        import orjson

        from mend.contracts.codec import to_dict

        typer.echo(orjson.dumps(to_dict(found)).decode())
    else:
        show(found)


def show(found: "Matching") -> None:
    """Print the proposals with their reasons, what is left, and the warnings, for people."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True)
    for one in found.proposals:
        mark = MARKS[one.action]
        console.print(
            f"[{mark}]{one.action:5}[/{mark}] {escape(one.old)} → {escape(one.new)}  {one.score:.0%}", highlight=False
        )
        for reason in one.reasons:
            console.print(f"        {escape(reason)}", highlight=False)
    for side, names in (("gone", found.unmatched.old), ("new", found.unmatched.new)):
        if names:
            console.print(f"{side}, matched with nothing: {escape(', '.join(names))}", highlight=False)
    for warning in found.warnings:
        kind = warning.kind.replace("_", " ")
        console.print(
            f"[yellow]warning[/yellow] {escape(warning.column)}: {kind}: {escape(warning.why)}", highlight=False
        )
    if not (found.proposals or found.warnings or found.unmatched.old or found.unmatched.new):
        console.print("no column vanished, none is new, and none changed its meaning")
