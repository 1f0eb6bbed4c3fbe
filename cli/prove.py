"""`mend prove`: the certificate that every offset is in exactly one place, or the first one that is not."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(prove)


def prove(
    pipeline: Annotated[str | None, typer.Option(help="Only this pipeline, by its name or file.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Read only the runs settled since then: a length of time, such as 7d or 12h.")
    ] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Read only this run.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove from the files that every offset is in exactly one place. Changes no data.

    Exit code 0: it is so. 1: the first offset, file or count that is not as it must be.

    [dim]Examples:[/dim] mend prove · mend prove --since 7d --json · mend prove --run customers-1a2b3c4d-000007
    """
    import orjson

    from mend.proof.prove import Scope
    from mend.runtime import clock
    from mend.runtime.pipeline_file import find_pipeline, load_pipeline
    from mend.runtime.settings import load_settings
    from mend.store.engine import open_store
    from orchestration.prove import as_document, certify, known_run
    from orchestration.storage import refusals_told

    settings, now = load_settings(), clock.now()
    asked = [load_pipeline(find_pipeline(settings.pipelines, pipeline))] if pipeline else []
    scope = Scope(
        pipeline=asked[0].name if asked else None, since=start(since, now).isoformat() if since else None, run_id=run_id
    )
    with refusals_told(), open_store(settings.store_url) as store:
        if run_id:
            known_run(store, run_id)
        certificate = certify(settings, store, scope, now=now, pipelines=asked)
    if as_json:
        typer.echo(orjson.dumps(as_document(certificate), option=orjson.OPT_INDENT_2).decode())
    else:
        from rich.console import Console

        from cli.proof_view import shown

        Console().print(shown(certificate))
    raise typer.Exit(0 if certificate.proof.holds else 1)


def start(span: str, now: "datetime") -> "datetime":
    """Return the time that lies a span such as 7d or 90min back."""
    import re
    from datetime import timedelta

    from mend.runtime.errors import UserError

    units = {"d": "days", "h": "hours", "min": "minutes"}
    found = re.fullmatch(r"(\d{1,5})\s*(d|h|min)", span.strip())
    if not found:
        raise UserError(f"--since: '{span}' is no length of time. Write it like 7d, 12h or 30min.")
    return now - timedelta(**{units[found[2]]: int(found[1])})
