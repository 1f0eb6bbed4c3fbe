"""`mend setup`: what a checkout needs before its first run."""

import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes, token_urlsafe

import typer

FOLDERS = ("ops", "out/parquet", "quarantine", "dead_letters", "checkpoints/spark")
NOBODYS = 50_000
CONTAINERS: dict[str, Callable[[], str]] = {
    "AIRFLOW_UID": lambda: str(os.getuid() or NOBODYS),
    "AIRFLOW_PASSWORD": lambda: "airflow",
    "POSTGRES_PASSWORD": lambda: token_urlsafe(24),
    "AIRFLOW__CORE__FERNET_KEY": lambda: urlsafe_b64encode(token_bytes(32)).decode(),
    "AIRFLOW__WEBSERVER__SECRET_KEY": lambda: token_urlsafe(32),
    "AIRFLOW__API_AUTH__JWT_SECRET": lambda: token_urlsafe(32),
}
"""What docker-compose.yml asks of .env, made anew for each checkout. Containers never run as root."""
HEADING = """# For the containers, whose ports are open to this machine only. Before you open them to others,
# change the password of the login airflow."""


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(setup)


def setup() -> None:
    """Write .env with the containers' user, passwords and keys, and create the folders of MEND_HOME.

    Nothing is overwritten; what an older .env lacks is added to it.

    [dim]Example:[/dim] mend setup
    """
    from mend.runtime.settings import env_example, load_settings

    env = Path(".env")
    if env.exists():
        before = env.read_text(encoding="utf-8")
        missing = lacking(before)
        if missing:
            write_private(env, f"{before.rstrip()}\n\n{containers_part(missing)}")
        typer.echo(f"kept: .env{', added: ' + ', '.join(missing) if missing else ''}")
    else:
        write_private(env, f"{env_example()}\n{containers_part(list(CONTAINERS))}")
        typer.echo("written: .env")
    home = load_settings().home
    for folder in FOLDERS:
        (home / folder).mkdir(parents=True, exist_ok=True)
    typer.echo(f"ready: {home}")


def lacking(text: str) -> list[str]:
    """Return what the containers need and a .env does not say."""
    said = set(re.findall(r"^(\w+)=.", text, re.MULTILINE))
    return [name for name in CONTAINERS if name not in said]


def containers_part(names: list[str]) -> str:
    """Return lines with new values."""
    return "\n".join([HEADING, *(f"{name}={CONTAINERS[name]()}" for name in names), ""])


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")
