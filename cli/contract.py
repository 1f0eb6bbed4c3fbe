"""`mend contract`: whether schemas fit each other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mend.compat.modes import Dialect, Mode

if TYPE_CHECKING:
    from mend.compat.modes import Finding, Verdict

cli = typer.Typer(help="Schemas: may one follow another?", no_args_is_help=True)


@cli.callback()
def group() -> None:
    """Keep `compat` a command of its own."""


@cli.command()
def compat(
    reader: Annotated[Path, typer.Option(help="The new schema.", exists=True, dir_okay=False)],
    writer: Annotated[
        list[Path], typer.Option(help="An older schema; repeat it for the history, oldest first.", exists=True)
    ],
    mode: Annotated[Mode, typer.Option(help="What must hold.", case_sensitive=False)] = Mode.BACKWARD,
    dialect: Annotated[Dialect | None, typer.Option("--format", help="Default: seen from the file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether a schema may follow older ones, by the rules of a schema registry, and where and why not.

    BACKWARD: --reader reads what --writer wrote. FORWARD: --writer reads what --reader writes. FULL: both ways.
    With _TRANSITIVE every --writer counts, else only the last one. Exit code 1: it may not follow.

    [dim]Examples:[/dim]
    mend contract compat --reader v3.avsc --writer v2.avsc
    mend contract compat --reader v3.avsc --writer v1.avsc --writer v2.avsc --mode FULL_TRANSITIVE --json
    """
    from mend.compat.modes import check, dialect_of

    documents = [read(path) for path in (reader, *writer)]
    verdict = check(documents[0], documents[1:], mode, dialect or dialect_of(documents[0]))
    if as_json:
        import orjson

        typer.echo(orjson.dumps(as_document(verdict)).decode())
    else:
        show(verdict, [str(path) for path in writer])
    raise typer.Exit(0 if verdict.compatible else 1)


def read(path: Path) -> Any:
    """Read a schema file."""
    import orjson

    from mend.runtime.errors import UserError

    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}. Give an .avsc or JSON Schema file.") from error


def as_document(verdict: "Verdict") -> dict[str, Any]:
    """Write the verdict as one object; a finding is flat."""
    return {
        "compatible": verdict.compatible,
        "mode": verdict.mode.value,
        "format": verdict.dialect.value,
        "incompatibilities": [flat(one) for one in verdict.incompatibilities],
        "warnings": [flat(one) for one in verdict.warnings],
    }


def flat(one: "Finding") -> dict[str, Any]:
    """Write a finding."""
    problem = one.problem
    place = {"version": one.version, "direction": one.direction}
    return {"kind": problem.kind, "path": problem.path, "reason": problem.reason, **place}


def show(verdict: "Verdict", names: list[str]) -> None:
    """Print the verdict for people."""
    for one in (*verdict.incompatibilities, *verdict.warnings):
        mark = "warning" if one in verdict.warnings else one.problem.kind
        typer.echo(f"{one.problem.path}: {one.problem.reason}  [{mark}; {one.direction}: {names[one.version - 1]}]")
    typer.echo(f"{'compatible' if verdict.compatible else 'NOT compatible'} ({verdict.mode.value})")
