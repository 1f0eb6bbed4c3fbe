"""`mend decide`: what the table decides about a context, without doing any of it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.decide import Judgement
    from agent.matrix import Matrix


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(decide)


def decide(
    context: Annotated[
        Path | None, typer.Option(help="A context: run_report, ge_results, history. - reads stdin.", show_default=False)
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(help="A context a line, a decision a line. - reads stdin.", show_default=False)
    ] = None,
    matrix: Annotated[
        Path | None, typer.Option(help="Another decision matrix.", exists=True, dir_okay=False, show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Decide by the table alone: nothing is done, written or sent, and no model is asked.

    A context that cannot be read is decided about, too: unknown is not healthy. Exit code 1: a person is to be called
    (with --jsonl always 0, each line says it).

    [dim]Examples:[/dim] mend decide --context ctx.json --json · mend decide --jsonl contexts.jsonl > decisions.jsonl
    """
    from agent.matrix_file import MATRIX, load_matrix
    from mend.runtime.errors import UserError

    if (context is None) == (jsonl is None):
        raise UserError("give --context FILE for one decision or --jsonl FILE for one a line; - reads stdin")
    table = load_matrix(matrix or MATRIX)
    if context is None:
        for line in lines(jsonl):
            sys.stdout.buffer.write(as_line(judged(line, table)))
        return
    judgement = judged(b"".join(lines(context)), table)
    if as_json:
        sys.stdout.buffer.write(as_line(judgement))
    else:
        from agent.explain import explain

        typer.echo(str(explain(judgement, table)))
    raise typer.Exit(int(judgement.decision.escalation_required))


def lines(path: Path | None) -> Iterator[bytes]:
    """Read a file or stdin line by line; what cannot be read is an error."""
    from mend.runtime.errors import UserError

    if path is None or str(path) == "-":
        yield from sys.stdin.buffer
        return
    try:
        with path.open("rb") as content:
            yield from content
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}. Give a JSON file.") from error


def judged(content: bytes, table: "Matrix") -> "Judgement":
    """Decide about a context as JSON; whatever fails on the way is a decision that calls a person."""
    from agent.context import read_context
    from agent.decide import foreseen, judge, judge_failure
    from mend.runtime.clock import now

    context = read_context(content, now=now().isoformat())
    try:
        return foreseen(judge(context, table))
    except Exception as error:  # noqa: BLE001 - as the service does: unknown is not healthy
        return judge_failure(context, error)


def as_line(judgement: "Judgement") -> bytes:
    """Write a decision as one line of JSON."""
    from mend.contracts import codec

    return codec.dumps(judgement.decision) + b"\n"
