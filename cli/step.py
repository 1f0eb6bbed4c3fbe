"""`mend step`: one of the six steps of a run, for schedulers and by hand."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

if TYPE_CHECKING:
    from orchestration.steps import StepResult
    from orchestration.workspace import Workspace

OF_A_RUN = ("run_data_quality", "agent_decide", "validate_load")
TELLING = {"agent_decide", "cleanup_old_data"}
ONLY_LOOKS = {"monitor_kafka"}
NAMES = ("monitor_kafka", "run_spark_job", *OF_A_RUN, "cleanup_old_data")


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(step)


def step(
    name: Annotated[str, typer.Argument(help=" · ".join(NAMES))],
    run_id: Annotated[
        str | None, typer.Option("--run-id", help="The run; by default the oldest unfinished one.")
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Every run that waits for the step; agent_decide: also a failed job; no Spark for nothing.",
        ),
    ] = False,
    pipeline: Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")] = "customers",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="cleanup_old_data only: say what would go, and why what stays stays.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Do one step of a run. Exit code 1: it failed, or a person was called. 4: it waits for a person.

    [dim]Examples:[/dim] mend step monitor_kafka · mend step agent_decide --run-id customers-1a2b3c4d-000007 --json ·
    mend step agent_decide --all --json · mend step cleanup_old_data --dry-run --json
    """
    from dataclasses import asdict

    import orjson

    from cli.spark_choice import spark_for
    from mend.runtime.settings import load_settings
    from orchestration.alerts import telling
    from orchestration.storage import at_work, refusals_told
    from orchestration.workspace import open_workspace

    if name not in NAMES:
        raise UserError(f"no step '{name}'.{nearest(name, NAMES)}")
    if dry_run and name != "cleanup_old_data":
        raise UserError("--dry-run: only cleanup_old_data has it.")
    if every and run_id:
        raise UserError("--all and --run-id exclude each other.")
    settings = load_settings()
    platform = spark_for(name)
    lock: Callable[[Workspace], AbstractContextManager[Workspace]] = nullcontext if name in ONLY_LOOKS else at_work
    tells = name in TELLING and not dry_run
    with (
        refusals_told(),
        open_workspace(settings, pipeline, platform) as opened,
        lock(opened) as workspace,
        telling(workspace, alive=name == "cleanup_old_data") if tells else nullcontext(),
    ):
        result = perform(workspace, name, run_id, every=every, dry_run=dry_run)
    typer.echo(
        orjson.dumps(asdict(result)).decode() if as_json else f"{result.step}: {result.outcome}: {result.message}"
    )
    raise typer.Exit(result.exit_code)


def perform(
    workspace: "Workspace", name: str, run_id: str | None, *, every: bool = False, dry_run: bool = False
) -> "StepResult":
    """Call the step's function; the steps that are of no run do everything anyway."""
    from orchestration import steps
    from orchestration.backlog import over_all, stage_new

    if name in OF_A_RUN and every:
        return over_all(workspace, name)
    if name == "run_spark_job" and every:
        return stage_new(workspace)
    if name in OF_A_RUN:
        of_a_run = {"run_data_quality": steps.run_data_quality, "agent_decide": steps.agent_decide,
                    "validate_load": steps.validate_load}  # fmt: skip
        waiting = [run_id] if run_id else steps.unfinished_runs(workspace)
        if not waiting:
            return steps.StepResult(step=name, outcome="nothing_to_do", message="no run waits for it")
        return of_a_run[name](workspace, waiting[0])
    if name == "cleanup_old_data":
        return steps.cleanup_old_data(workspace, dry_run=dry_run)
    return (steps.monitor_kafka if name == "monitor_kafka" else steps.run_spark_job)(workspace)
