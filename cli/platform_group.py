"""`mend platform`: the containers, or what runs on this machine without them; each command finds out which."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

if TYPE_CHECKING:
    from embedded.airflow_platform import Standing

cli = typer.Typer(
    help="The platform: containers, or this machine's own: up, down, logs, status, check, run.", no_args_is_help=True
)

PARTS = {
    "airflow": ("airflow-webserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-init"),
    "kafka": ("broker", "schema-registry"),
    "spark": ("spark-master", "spark-worker"),
    "producer": ("producer",),
}
WORKPLACE = "airflow-scheduler"
"""The service in which Mend's own commands run."""
LONGEST_START_S = "600"
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@cli.command()
def up(
    kafka: Annotated[bool, typer.Option("--kafka", help="Only Kafka, its schema registry and its UI.")] = False,
    llm: Annotated[bool, typer.Option("--llm", help="Ollama, too.")] = False,
) -> None:
    """Start the containers, wait until all are healthy, and say where they are reached.

    [dim]Examples:[/dim] mend platform up · mend platform up --kafka
    """
    from orchestration.containers import ALL, KAFKA, addresses, compose_words, require_docker, taken_ports

    require_docker()
    require_env()
    file = KAFKA if kafka else ALL
    taken = taken_ports(file)
    if taken:
        what = ", ".join(f"{one.place} ({one.service})" for one in taken)
        raise UserError(
            f"another program has {what}. End it, or set another port in .env: see docs/deployment.md", exit_code=1
        )
    profile = ["--profile", "llm"] if llm else []
    words = compose_words(*profile, "up", "--detach", "--wait", "--wait-timeout", LONGEST_START_S, file=file)
    if subprocess.run(words, check=False).returncode != 0:
        subprocess.run(compose_words("ps", "--all", file=file), check=False)
        raise UserError(
            "not all containers became healthy. Look with: make logs, make logs-airflow, make logs-kafka", exit_code=1
        )
    for one in addresses(file):
        if llm or one.service != "ollama":
            typer.echo(f"{one.place:<24} {one.what}")


@cli.command()
def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Destroy their data, too; asks first.")] = False,
    yes: Yes = False,
) -> None:
    """Stop what runs: the containers, or Airflow without containers. Data stay unless --volumes.

    [dim]Examples:[/dim] mend platform down · mend platform down --volumes --yes
    """
    from orchestration.containers import compose_words, containers, require_docker

    if not volumes and not containers():
        if here() is None:
            typer.echo("nothing runs here, neither in containers nor without")
            return
        become_mend("airflow", "down")
    require_docker()
    if volumes and not yes:
        typer.confirm("Events, results and history of the containers will be gone. Destroy them?", abort=True, err=True)
    words = ["--profile", "*", "down", "--remove-orphans", *(["--volumes"] if volumes else [])]
    raise typer.Exit(subprocess.run(compose_words(*words), check=False).returncode)


@cli.command()
def logs(
    part: Annotated[str, typer.Argument(help="airflow · kafka · spark · producer; by default all.")] = "",
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Go on until Ctrl-C.")] = True,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many old lines.")] = 100,
) -> None:
    """Show the logs of what runs: of the containers, or of the processes on this machine.

    [dim]Examples:[/dim] mend platform logs · mend platform logs spark --no-follow
    """
    from orchestration.containers import compose_words, containers

    if part and part not in PARTS:
        raise UserError(f"no logs of '{part}'.{nearest(part, PARTS)}")
    if containers():
        options = ["--tail", str(lines), *(["--follow"] if follow else [])]
        become(compose_words("logs", *options, *PARTS.get(part, ())))
    files = [str(path) for path in log_files(part) if path.exists()]
    if not files:
        raise UserError(
            f"nothing here has written a log of {part or 'anything'} yet, and no containers are there.", exit_code=1
        )
    become(["tail", "-n", str(lines), *(["-F"] if follow else []), *files])


@cli.command()
def status() -> None:
    """Say what runs and how healthy it is, then the last runs. Exit code 1: something that runs is not healthy.

    [dim]Example:[/dim] mend platform status
    """
    from orchestration.containers import containers

    found, standing = containers(), here()
    for one in found:
        typer.echo(f"{one.service:<22} {one.state:<10} {one.health}")
    if standing is not None:
        typer.echo(f"Airflow without containers: {standing.phase}, {standing.url}; Kafka: {standing.kafka}")
    if not found and standing is None:
        typer.echo("nothing runs here, neither in containers nor without: make up, make airflow, make demo")
    typer.echo()
    code = subprocess.run(in_the_right_place(["status"], terminal=False), env=environment(), check=False).returncode
    ended_well = {"airflow-init"}
    if any(not one.well and one.service not in ended_well for one in found):
        raise typer.Exit(1)
    raise typer.Exit(code)


@cli.command()
def check() -> None:
    """Let Compose read the compose files; says so where there is no Docker to do it.

    [dim]Example:[/dim] mend platform check
    """
    from orchestration.containers import ALL, KAFKA, addresses, compose_there

    for file in (ALL, KAFKA):
        if compose_there():
            addresses(file)
            typer.echo(f"{file}: good")
        else:
            typer.echo(f"{file}: not checked, there is no Docker Compose here")


@cli.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(words: Annotated[list[str], typer.Argument(help="A command of mend, and its options.")]) -> None:
    """Run a command of mend where the data are: in the containers while they run, else on this machine.

    [dim]Examples:[/dim] mend platform run monitor · mend platform run step run_spark_job
    """
    become(in_the_right_place(words, terminal=sys.stdin.isatty() and sys.stdout.isatty()))


def in_the_right_place(words: Sequence[str], *, terminal: bool) -> list[str]:
    """Return the command line of a mend command, inside the container where Mend works, or here."""
    from orchestration.containers import compose_words, running

    if WORKPLACE in running():
        return compose_words("exec", *([] if terminal else ["--no-TTY"]), WORKPLACE, "mend", *words)
    return [str(Path(sys.executable).with_name("mend")), *words]


def environment() -> dict[str, str]:
    """Return this environment, turned to the home and the Kafka of an Airflow that runs here without containers."""
    known = here()
    return dict(os.environ) | ({"MEND_HOME": known.mend_home, "KAFKA_BROKER": known.kafka} if known else {})


def here() -> "Standing | None":
    """Return how Airflow without containers stands on this machine."""
    from embedded.airflow_platform import standing
    from mend.runtime.settings import load_settings

    return standing(load_settings().home / "airflow")


def log_files(part: str) -> list[Path]:
    """Return where processes on this machine write what they say."""
    from mend.runtime.settings import load_settings

    home = Path(environment().get("MEND_HOME") or load_settings().home)
    airflow = load_settings().home / "airflow"
    files = {
        "spark": [home / "ops" / "logs" / "spark.log"],
        "kafka": [airflow / "kafka" / "broker.log"],
        "airflow": sorted((airflow / "logs").glob("*.log")),
        "producer": [],
    }
    return files[part] if part else [path for paths in files.values() for path in paths]


def require_env() -> None:
    """Refuse to start containers without what only `mend setup` makes."""
    from cli.setup import lacking

    env = Path(".env")
    missing = lacking(env.read_text(encoding="utf-8") if env.exists() else "")
    if missing:
        raise UserError(f".env lacks {', '.join(missing)}. Run: make setup", exit_code=1)


def become_mend(*words: str) -> None:
    """Become another command of mend."""
    become([str(Path(sys.executable).with_name("mend")), *words])


def become(words: Sequence[str]) -> None:
    """Become another program: its signals, its output and its exit code are ours."""
    sys.stdout.flush()
    os.execvpe(words[0], list(words), environment())  # noqa: S606 - nothing of ours is left to do
