"""`mend matrix`: prove the decision matrix, draw it, and run the scenarios beside it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from agent.matrix_scenarios import Result

cli = typer.Typer(help="The decision matrix: check, show, test.", no_args_is_help=True)

File = Annotated[
    Path | None,
    typer.Argument(help="A matrix; without it the shipped one.", exists=True, dir_okay=False, show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cli.command()
def check(file: File = None, as_json: Json = False) -> None:
    """Prove a matrix over all its cells, exactly: none is sampled.

    Finds gaps, rows that never fire, bounds with no owner or two, rows that contradict each other, and worse signals
    that are treated milder, each with signals that show it. Exit code 1: something was found.

    [dim]Examples:[/dim] mend matrix check · mend matrix check my_matrix.yml --json
    """
    from agent.matrix_check import check as prove
    from agent.matrix_file import MATRIX, load_matrix
    from agent.matrix_proof import Finding
    from mend.runtime.errors import UserError

    path = file or MATRIX
    cells: int | None = None
    owned: list[Any] = []
    try:
        matrix = load_matrix(path)
    except UserError as error:
        place, _, message = str(error).removeprefix(f"{path}:").partition(": ")
        line = int(place) if place.isdigit() else 1
        found: tuple[Finding, ...] = (Finding(kind="refused", message=message or str(error), line=line),)
    else:
        checked = prove(matrix)
        cells, found, owned = checked.cells, checked.findings, list(checked.owned)
    if as_json:
        echo({
            "matrix": str(path),
            "holds": not found,
            "cells": str(cells) if cells else None,
            "findings": found,
            "left_to_fallback": owned,
        })  # fmt: skip
    else:
        from cli.matrix_view import checked as view

        view(path, cells, found, owned)
    raise typer.Exit(1 if found else 0)


@cli.command()
def show(file: File = None, as_json: Json = False) -> None:
    """Draw a matrix: each row with its condition, its actions and what becomes of the rows.

    [dim]Examples:[/dim] mend matrix show · mend matrix show my_matrix.yml
    """
    from agent.matrix_file import MATRIX, load_matrix
    from cli.matrix_view import as_document, drawn

    matrix = load_matrix(file or MATRIX)
    if as_json:
        echo(as_document(matrix))
        return
    from rich.console import Console

    Console().print(drawn(matrix))


@cli.command(name="test")
def run(
    file: Annotated[
        Path | None,
        typer.Argument(help="Scenarios; without it the shipped ones.", exists=True, dir_okay=False, show_default=False),
    ] = None,
    matrix: Annotated[Path | None, typer.Option(help="Another matrix.", exists=True, dir_okay=False)] = None,
    as_json: Json = False,
) -> None:
    """Run scenarios: what is given, and what must be decided.

    Exit code 1: a decision is another than expected, or there is no scenario.

    [dim]Examples:[/dim] mend matrix test · mend matrix test my_scenarios.yml --matrix my_matrix.yml --json
    """
    from agent.matrix_file import MATRIX, load_matrix
    from agent.matrix_scenarios import SCENARIOS, load_scenarios, run_scenario, unreached

    table = load_matrix(matrix or MATRIX)
    results = tuple(run_scenario(one, table) for one in load_scenarios(file or SCENARIOS))
    missed = unreached(results, table)
    if as_json:
        echo({"scenarios": [as_line(one) for one in results], "rows_without_scenario": missed})
    else:
        from cli.matrix_view import tested

        tested(file or SCENARIOS, results, missed)
    raise typer.Exit(0 if results and all(one.passed for one in results) else 1)


def as_line(result: "Result") -> dict[str, Any]:
    """Return how a scenario ended as a flat document."""
    return {
        "name": result.scenario.name,
        "line": result.scenario.line,
        "passed": result.passed,
        "differences": result.differences,
        "rules": [rule.id for rule in result.verdict.rules],
        "actions": [one.value for one in result.verdict.actions],
        "rows": result.verdict.rows.value,
    }


def echo(document: dict[str, Any]) -> None:
    """Print JSON."""
    import orjson

    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
