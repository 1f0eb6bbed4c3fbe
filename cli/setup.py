"""`mend setup`: what a checkout needs before its first run."""

import os
from pathlib import Path

import typer

FOLDERS = ("ops", "out/parquet", "quarantine", "dead_letters", "checkpoints/spark")


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(setup)


def setup() -> None:
    """Write .env with your AIRFLOW_UID, and create the folders of MEND_HOME. Nothing is overwritten.

    [dim]Example:[/dim] mend setup
    """
    from mend.runtime.settings import env_example, load_settings

    env = Path(".env")
    if env.exists():
        typer.echo("kept: .env")
    else:
        env.write_text(f"{env_example()}\nAIRFLOW_UID={os.getuid()}\n", encoding="utf-8")
        typer.echo("written: .env")
    home = load_settings().home
    for folder in FOLDERS:
        (home / folder).mkdir(parents=True, exist_ok=True)
    typer.echo(f"ready: {home}")
