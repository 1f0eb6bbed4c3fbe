"""What the commands of the quarantine share: their options, the opened pipeline, and the filter of what is meant."""

import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mend.contracts.quarantine import Selection
    from mend.quarantine.work import Bench
    from orchestration.workspace import Workspace

What = Annotated[list[str] | None, typer.Argument(help="Causes (eight digits of `group`) or runs; by default all.")]
Pipeline = Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reasons = Annotated[list[str] | None, typer.Option("--reason-is", help="Only rows of this reason, such as type.")]
Columns = Annotated[list[str] | None, typer.Option("--column", help="Only rows whose reason is about this column.")]
Places = Annotated[list[str] | None, typer.Option("--place", help="Only rows that are held, rejected or dead_letter.")]
Partition = Annotated[int | None, typer.Option(min=0, help="Only rows of this partition.")]
From = Annotated[int | None, typer.Option("--from-offset", min=0, help="Only rows from this offset on.")]
Until = Annotated[int | None, typer.Option("--until-offset", min=0, help="Only rows before this offset.")]
By = Annotated[str, typer.Option("--by", help="Who does it; by default the user of this machine.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it, without a question.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; the default where nobody can be asked.")]


@contextmanager
def opened(pipeline: str, *, at_work: bool = False) -> "Iterator[tuple[Workspace, Bench]]":
    """Open the pipeline and its quarantine; whoever moves rows keeps other processes from it."""
    from mend.runtime.settings import load_settings
    from orchestration.held import bench_of
    from orchestration.storage import at_work as locked
    from orchestration.storage import refusals_told
    from orchestration.workspace import open_workspace

    with (
        refusals_told(),
        open_workspace(load_settings(), pipeline) as workspace,
        locked(workspace) if at_work else nullcontext(workspace) as held,
    ):
        yield held, bench_of(held)


def selected(
    bench: "Bench", what: "Sequence[str] | None" = None, reasons: "Sequence[str] | None" = None,
    columns: "Sequence[str] | None" = None, places: "Sequence[str] | None" = None,
    offsets: tuple[int | None, int | None, int | None] = (None, None, None), *, for_replay: bool = False,
) -> "Selection":  # fmt: skip
    """Make a typed filter of what was written; a name that is no cause and no run is refused."""
    from mend.contracts.codec import ContractError, parse
    from mend.contracts.quarantine import Selection

    runs = {one.run.run_id for one in bench.index.sources}
    named = [one for one in what or () if one in runs]
    causes = [one for one in what or () if one not in runs]
    for one in causes:
        if len(one) != 8 or any(digit not in "0123456789abcdef" for digit in one):  # noqa: PLR2004 - as in Cause.id
            raise UserError(f"'{one}' is neither a cause nor a run with something in the quarantine.")
    chosen = list(places or ())
    if for_replay and not (chosen or causes):
        chosen = ["rejected", "dead_letter"]
    partition, begin, end = offsets
    document = {"causes": causes, "runs": named, "reasons": list(reasons or ()), "columns": list(columns or ()),
                "places": chosen, "partition": partition, "from_offset": begin, "until_offset": end}  # fmt: skip
    try:
        return parse(Selection, document)
    except ContractError as error:
        raise UserError(f"--place: expected held, rejected or dead_letter ({error}).") from error


def agreed(question: str, *, dry_run: bool, yes: bool) -> bool:
    """Ask, where somebody can be asked and has not answered yet."""
    if dry_run or yes:
        return yes and not dry_run
    return sys.stdin.isatty() and typer.confirm(question, err=True)


def show_json(document: Any) -> None:
    """Print a document."""
    import orjson

    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def show(shown: Any) -> None:
    """Print a table."""
    from rich.console import Console

    Console().print(shown)
