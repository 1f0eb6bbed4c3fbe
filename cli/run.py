"""`mend run`: everything that waits in a pipeline's topic, from Kafka to readable and validated."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from cli.run_facts import RunFacts
    from cli.run_steps import Steps
    from orchestration.steps import StepResult
    from orchestration.workspace import Workspace


group = typer.Typer()
Who = Annotated[str, typer.Option("--by", help="Who has looked.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with the run.")]


def register(cli: typer.Typer) -> None:
    """Add the command, and those about one run."""
    group.callback(invoke_without_command=True)(run)
    cli.add_typer(group, name="run")


def run(
    context: typer.Context,
    pipeline: Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")] = "customers",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document of all runs.")] = False,
) -> None:
    """Run the six steps once over everything new. What an earlier run left unfinished is finished first.

    Exit code 1: a job failed, or a person was called. 3: the circuit is open (mend circuit ls). 4: a run waits for
    `mend resume`. `mend run release` and `mend run reject` are about a run whose rows were held.

    [dim]Examples:[/dim] mend run · KAFKA_BROKER=broker:9092 mend run --pipeline pipelines/orders.yml --json
    """
    if context.invoked_subcommand is not None:
        return
    import orjson
    from rich.console import Console

    from cli.run_steps import progress
    from cli.run_view import unsent
    from cli.spark_choice import spark_for
    from mend.runtime.settings import load_settings
    from orchestration.alerts import telling
    from orchestration.storage import at_work, refusals_told
    from orchestration.workspace import open_workspace

    settings = load_settings()
    platform = spark_for("run_spark_job")
    with refusals_told(), open_workspace(settings, pipeline, platform) as opened, at_work(opened) as workspace:
        with progress(Console(stderr=True)) as steps, telling(workspace):
            runs = run_everything(workspace, steps)
        pages = [write_page(workspace, one) for one in runs]
        waiting = unsent(workspace.store.dead_letters.owed(workspace.pipeline.name))
    if as_json:
        documents = [as_document(one) for one in runs]
        typer.echo(orjson.dumps(documents).decode())
    else:
        show(Console(), runs, pages)
        if waiting:
            typer.echo(waiting)
    raise typer.Exit(1 if any(one.decision.escalation_required for one in runs) else 0)


@group.command()
def release(
    run_id: Annotated[str, typer.Argument(help="A run with held rows.")],
    by: Who,
    reason: Why,
    pipeline: Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")] = "customers",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Publish the held rows of a run after a person's look: as a run of their own, with a certificate.

    They are validated by today's contract; that many fail a quality rule is no obstacle, since a person has looked.

    [dim]Example:[/dim] mend run release customers-1a2b3c4d-000007 --by ada --reason "the shop confirmed the prices"
    """
    from cli.quarantine_options import opened, show_json
    from cli.quarantine_view import certificate_text
    from orchestration.certificate import as_document as certificate_document
    from orchestration.held import release as publish

    with opened(pipeline, at_work=True) as (workspace, _):
        made = publish(workspace, run_id, by=by, reason=reason)
    if as_json:
        show_json(certificate_document(made) if made else {"held": 0, "published": 0, "still_held": 0})
    else:
        typer.echo(certificate_text(made) if made else f"{run_id}: none of its held rows waits any more.")
    raise typer.Exit(0 if made is None or (made.proven and not made.still_held) else 1)


@group.command()
def reject(
    run_id: Annotated[str, typer.Argument(help="A run with held rows.")],
    by: Who,
    reason: Why,
    pipeline: Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")] = "customers",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Give the held rows of a run up after a person's look; their bytes stay until retention ends.

    [dim]Example:[/dim] mend run reject customers-1a2b3c4d-000007 --by ada --reason "a test of the shop"
    """
    from cli.quarantine_options import opened, show_json
    from mend.contracts.codec import to_dict
    from orchestration.held import reject as give_up_rows

    with opened(pipeline, at_work=True) as (workspace, _):
        made = give_up_rows(workspace, run_id, by=by, reason=reason)
    if as_json:
        show_json(to_dict(made))
    else:
        typer.echo(f"{made.rows} rows of {run_id} are given up by {made.by}: {made.reason}")


def as_document(run: "RunFacts") -> dict[str, Any]:
    """Return a run for scripts: its four reports under the names of their files."""
    from mend.contracts.codec import to_dict

    return {
        "run_report": to_dict(run.report),
        "ge_results": to_dict(run.quality),
        "agent_decision": to_dict(run.decision),
        "load_validation": run.validation,
    }


def run_everything(workspace: "Workspace", steps: "Steps") -> list["RunFacts"]:
    """Run the steps; returns the finished runs. A failed job is decided about, then raised as a UserError."""
    from cli.gather import gather
    from orchestration import steps as do
    from orchestration.audit_step import import_ahead
    from orchestration.brakes import refuse_open_circuit
    from orchestration.dead_letters import send_dead_letters
    from orchestration.offsets import check_offsets

    run_ids = do.unfinished_runs(workspace)
    refuse_open_circuit(workspace)
    for run_id in run_ids:
        finish(workspace, steps, run_id)
    with steps.step("monitor_kafka") as shown:
        lag = do.monitor_kafka(workspace)
        if check_offsets(workspace).moved:
            lag = do.monitor_kafka(workspace)
        shown.note(must(lag).message)
    if lag.facts["lag"]:
        with steps.step("run_spark_job") as shown:
            import_ahead()
            job = do.run_spark_job(workspace, lag=lag.facts["lag"])
            shown.note(job.message)
        if job.outcome == "failed":
            give_up(workspace, steps, job)
        new = [run_id for run_id in job.facts["run_ids"] if run_id not in run_ids]
        for run_id in new:
            finish(workspace, steps, run_id)
        run_ids += new
    if not run_ids:
        send_dead_letters(workspace)
    found = [gather(workspace, run_id, steps.times) for run_id in run_ids]
    with steps.step("cleanup_old_data"):
        do.cleanup_old_data(workspace)
    return found


def finish(workspace: "Workspace", steps: "Steps", run_id: str) -> None:
    """Take a staged run to its end."""
    from orchestration.steps import FINISHING

    for step in FINISHING:
        with steps.step(step.__name__) as shown:
            result = step(workspace, run_id)
            shown.note(result.message)
            if result.outcome == "failed":
                raise UserError(f"{run_id}: {result.message}", exit_code=1)
            if result.outcome == "paused":
                raise UserError(result.message, exit_code=result.exit_code)


def give_up(workspace: "Workspace", steps: "Steps", job: "StepResult") -> None:
    """Let the agent decide about a failed job, then say so."""
    from orchestration.steps import agent_decide_failure

    with steps.step("agent_decide"):
        decision = agent_decide_failure(workspace, job)
    raise UserError(f"{job.message}\ndecision: {decision.facts['decision']}: {decision.message}", exit_code=1)


def must(result: "StepResult") -> "StepResult":
    """Stop at a step that failed."""
    if result.outcome == "failed":
        raise UserError(result.message, exit_code=1)
    return result


def write_page(workspace: "Workspace", facts: "RunFacts") -> str:
    """Write the run's pages beside its reports, and its own page as the latest one."""
    from cli.report import write_pages
    from cli.run_page import render
    from mend.runtime.files import write_atomic

    write_atomic(workspace.layout.ops / "run.html", render(facts, docs=None).encode())
    return str(write_pages(workspace.layout, facts) / "run.html")


def show(console: "Console", runs: list["RunFacts"], pages: list[str]) -> None:
    """Print the end of each run."""
    from pathlib import Path

    from cli.run_view import summary

    if not runs:
        console.print("Nothing new in the topic.")
    for one, page in zip(runs, pages, strict=True):
        console.print(summary(one, folder=Path.cwd()))
        console.print(f"page: {page}", soft_wrap=True)
