"""`mend report`: the pages of a run: its own, and Great Expectations' Data Docs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from cli.run_facts import RunFacts
    from mend.runtime.layout import Layout
    from orchestration.workspace import Workspace

DOCS = "data_docs.html"


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(report)


def report(
    run_id: Annotated[str | None, typer.Argument(help="The run; by default the last finished one.")] = None,
    pipeline: Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")] = "customers",
    show: Annotated[bool, typer.Option("--open", help="Open the run's page in the browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the pages of a run into its folder and print where they are. They need no network.

    [dim]Examples:[/dim] mend report · mend report customers-1a2b3c4d-000007 --open · mend report --json
    """
    import orjson

    from cli.gather import gather
    from mend.runtime.settings import load_settings
    from orchestration.workspace import open_workspace

    with open_workspace(load_settings(), pipeline) as workspace:
        run = run_id or last_finished(workspace)
        folder = write_pages(workspace.layout, gather(workspace, run))
    page, docs = folder / "run.html", folder / DOCS
    if as_json:
        found = {
            "run_id": run,
            "folder": str(folder),
            "page": str(page),
            "data_docs": str(docs) if docs.exists() else None,
        }
        typer.echo(orjson.dumps(found).decode())
    else:
        typer.echo(page)
    if show and typer.launch(str(page)) != 0:
        raise UserError(f"no browser could be started. Open {page} by hand.", exit_code=1)


def last_finished(workspace: "Workspace") -> str:
    """Return the newest run that went through all steps."""
    from mend.store.tables import RunState

    for run in workspace.store.runs.recent(workspace.pipeline.name, limit=100):
        if run.state is RunState.VALIDATED:
            return run.run_id
    raise UserError(f"no run of {workspace.pipeline.name} is finished yet. Start one: mend run", exit_code=1)


def write_pages(layout: "Layout", facts: "RunFacts") -> Path:
    """Write the run's page and its Data Docs side by side, with the step times; returns their folder."""
    from dataclasses import asdict

    from cli.gather import STEPS
    from cli.run_page import render
    from mend.runtime.files import write_atomic, write_json

    run_id = facts.report.run_id or "run"
    folder = layout.run_file(run_id, "run_report").parent
    docs = DOCS if write_docs(layout, facts, folder / DOCS) else None
    write_atomic(folder / "run.html", render(facts, docs=docs).encode())
    if facts.steps:
        write_json(layout.run_file(run_id, STEPS), [asdict(step) for step in facts.steps])
    return folder


def write_docs(layout: "Layout", facts: "RunFacts", path: Path) -> bool:
    """Write the Data Docs; False where the library audited nothing."""
    import orjson

    from mend.runtime.files import write_atomic
    from orchestration.audit_step import LIBRARY_RESULT

    kept = layout.run_file(facts.report.run_id or "run", LIBRARY_RESULT)
    if not kept.exists():
        return False
    from cli.data_docs import render
    from mend.quality.audit import silence

    with silence():
        write_atomic(
            path, render(orjson.loads(kept.read_bytes()), run_id=facts.report.run_id or "run", pii=facts.pii).encode()
        )
    return True
