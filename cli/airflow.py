"""`mend airflow`: Airflow on this machine without containers, and runs of its DAGs through its REST API."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from agent.adapters.airflow_api import AirflowApi
    from embedded.airflow_platform import Standing
    from mend.runtime.settings import Settings

cli = typer.Typer(help="Airflow without containers: up, down, status; and trigger a DAG.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option(help="Where it lives; default: MEND_HOME/airflow.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cli.command()
def up(
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port of its UI and API.")] = 8080,
    kafka: Annotated[
        str, typer.Option(help="host:port of a Kafka of yours, with your MEND_HOME; default: one of its own for both.")
    ] = "",
    events: Annotated[int, typer.Option(min=0, help="Made-up events for an empty Kafka of its own.")] = 1000,
    folder: Folder = None,
    stay: Annotated[bool, typer.Option("--stay", help="Stay until Ctrl-C, which ends all of it.")] = False,
) -> None:
    """Start Airflow's four processes on loopback, with Kafka and a store, and wait until all are healthy.

    It goes on when this command ends: until `mend airflow down`.

    [dim]Examples:[/dim] mend airflow up · mend airflow up --port 8090 --kafka broker:9092 --stay
    """
    import time
    from contextlib import suppress

    from cli.airflow_start import started
    from embedded.airflow_platform import end, standing
    from mend.runtime.settings import load_settings

    settings, place = load_settings(), folder_of(folder)
    known = standing(place)
    if known is None:
        known = started(settings, place, port, kafka, events)
    typer.echo(told(known, settings))
    if stay:
        with suppress(KeyboardInterrupt):
            while standing(place):
                time.sleep(1)
        end(known)
        typer.echo("ended", err=True)


@cli.command()
def down(folder: Folder = None) -> None:
    """End Airflow, its Kafka and the tasks at work. What a task had begun is picked up after the next start.

    [dim]Example:[/dim] mend airflow down
    """
    from embedded.airflow_platform import end, standing

    known = standing(folder_of(folder))
    if known is None:
        typer.echo("Airflow is not running here")
        return
    left = end(known)
    typer.echo("ended" + (f"; {left} processes had to be killed" if left else ""))


@cli.command()
def status(folder: Folder = None, as_json: Json = False) -> None:
    """Say whether Airflow runs here, where, how healthy, and in how much memory. Exit code 1: it does not.

    [dim]Example:[/dim] mend airflow status --json
    """
    from dataclasses import asdict

    import orjson

    from cli.airflow_start import health
    from embedded.airflow_platform import memory, standing
    from mend.runtime.settings import load_settings

    known = standing(folder_of(folder))
    if known is None:
        typer.echo("null" if as_json else "Airflow is not running here. Start it with: make airflow")
        raise typer.Exit(1)
    found = health(known.url)
    used = memory(known.mark)
    if as_json:
        shown = {name: value for name, value in asdict(known).items() if name != "mark"}
        typer.echo(orjson.dumps(shown | {"health": found, "memory_bytes": used}).decode())
    else:
        typer.echo(told(known, load_settings()))
        typer.echo("health    " + (", ".join(f"{k} {v}" for k, v in found.items()) or "does not answer"))
        typer.echo(f"memory    {used / 2**20:.0f} MB")
    raise typer.Exit(0 if known.phase == "up" and set(found.values()) == {"healthy"} else 1)


@cli.command()
def trigger(
    dag: Annotated[str, typer.Option(help="The DAG's id.")] = "autonomous_data_pipeline",
    run_id: Annotated[str, typer.Option("--run-id", help="Id of the run; one that is there already is followed.")] = "",
    enable: Annotated[bool, typer.Option("--enable", help="Enable a DAG that is paused.")] = False,
    minutes: Annotated[float, typer.Option(min=0.01, help="Follow it for so long.")] = 30.0,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Start a run of a DAG through Airflow's REST API, follow it to its end, and say what was decided.

    Exit code 0: done. 1: it failed, or a person was called. 3: the DAG is paused, or Airflow refuses. 4: it waits for
    a person. Airflow is that of AIRFLOW_URL, else the one that `mend airflow up` started.

    [dim]Examples:[/dim] mend airflow trigger · mend airflow trigger --dag my_dag --enable --json
    """
    import orjson

    from cli.airflow_follow import follow, summary
    from mend.runtime.settings import load_settings

    api = api_of(load_settings(), folder_of(folder))
    if api.is_paused(dag):
        if not enable:
            raise UserError(f"{dag} is paused: its runs wait. Add --enable, or enable it at {api.url}", exit_code=3)
        api.enable(dag)
    ended = follow(api, dag, run_id or fresh_id(), seconds=60 * minutes)
    typer.echo(orjson.dumps(ended.document()).decode() if as_json else summary(ended))
    raise typer.Exit(ended.exit_code)


def folder_of(folder: Path | None) -> Path:
    """Return the folder of the platform."""
    from mend.runtime.settings import load_settings

    return (folder or load_settings().home / "airflow").absolute()


def fresh_id() -> str:
    """Return an id that no run has."""
    from mend.runtime.clock import now

    return f"manual__{now():%Y-%m-%dT%H:%M:%S.%f}"


def api_of(settings: "Settings", folder: Path) -> "AirflowApi":
    """Return the API of AIRFLOW_URL, else of the platform in the folder."""
    from agent.adapters.airflow_api import airflow_of
    from embedded.airflow_platform import standing

    if not settings.airflow_url:
        known = standing(folder)
        if known is None:
            raise UserError("no Airflow is running here, and AIRFLOW_URL names none. Start it with: make airflow")
        settings = settings.model_copy(update={"airflow_url": known.url})
    return airflow_of(settings)


def told(known: "Standing", settings: "Settings") -> str:
    """Return where it is and how to look into it."""
    from agent.adapters.airflow_api import USUAL_PASSWORD

    own = settings.airflow_password.get_secret_value()
    return "\n".join(
        (
            f"Airflow   {known.url}   user {settings.airflow_user}, password "
            + ("that of AIRFLOW_PASSWORD" if own else USUAL_PASSWORD),
            f"Kafka     {known.kafka}",
            f"home      {known.mend_home}   (MEND_HOME={known.mend_home} mend status)",
            "next      make airflow-trigger   ·   end with: make airflow-down",
        )
    )
