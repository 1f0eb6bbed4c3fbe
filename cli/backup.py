"""`mend backup` and `mend restore`: everything in one file, and back again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestration.backup import Kept

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(backup)
    cli.command()(restore)


def backup(
    file: Annotated[Path | None, typer.Argument(help="A new file [default: mend-<time>.tar here].")] = None,
    as_json: Json = False,
) -> None:
    """Write everything that Mend keeps into one file, as of one moment: store, rows, reports, checkpoints.

    Runs wait meanwhile, and while one is at work this is refused (exit code 3). Secrets and .env are not in it.

    [dim]Examples:[/dim] mend backup · mend backup /backups/tonight.tar --json
    """
    from mend.runtime.clock import now
    from mend.runtime.settings import load_settings
    from orchestration.backup import back_up
    from orchestration.storage import refusals_told

    at = now()
    with refusals_told():
        kept = back_up(load_settings(), file or Path(f"mend-{at:%Y%m%dT%H%M%SZ}.tar"), at, say)
    show("written", kept, as_json=as_json)


def restore(
    file: Annotated[Path, typer.Argument(help="What `mend backup` wrote.")],
    as_json: Json = False,
) -> None:
    """Put a backup back into an empty MEND_HOME and an empty store, then prove every offset from the files.

    The store may be another database than before: SQLite or PostgreSQL, as DATABASE_URL says. Exit code 1: the archive
    is not whole, or the proof finds a hole. 3: something is there already.

    [dim]Example:[/dim] mend restore /backups/tonight.tar
    """
    from mend.runtime.settings import load_settings
    from orchestration.restore import restore as put_back
    from orchestration.storage import refusals_told

    settings = load_settings()
    with refusals_told():
        kept = put_back(settings, file, say)
    show("put back", kept, as_json=as_json)
    say("proving it")
    prove_all(as_json=as_json)


def prove_all(*, as_json: bool) -> None:
    """Prove what lies there now; its exit code is ours."""
    from cli.prove import prove

    prove(pipeline=None, since=None, run_id=None, as_json=as_json)


def say(what: str) -> None:
    """Say what is being done."""
    typer.echo(what, err=True)


def show(done: str, kept: "Kept", *, as_json: bool) -> None:
    """Print what the archive holds."""
    from dataclasses import asdict

    import orjson

    if as_json:
        typer.echo(orjson.dumps(asdict(kept)).decode())
        return
    typer.echo(f"{done}: {kept.path}: {kept.files} files, {kept.rows} rows of the store, {kept.bytes / 2**20:.1f} MB, "
               f"of {kept.at}")  # fmt: skip
