"""`mend mapping`: the versions of a pipeline's mapping, and how a new one is tried and used."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mend.contracts.mapping import Mapping
    from mend.contracts.trial import Trial
    from orchestration.workspace import Workspace

cli = typer.Typer(help="Mappings: list, show, compare, try, use, go back.", no_args_is_help=True)

Pipeline = Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")]
Who = Annotated[str, typer.Option("--by", help="Who does it; by default the user of this machine.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
REFUSED = 3


@cli.command()
def ls(pipeline: Pipeline = "customers", as_json: Json = False) -> None:
    """List all versions, oldest first; the last one is used.

    [dim]Example:[/dim] mend mapping ls --json
    """
    with opened(pipeline) as workspace:
        known = workspace.store.mappings.versions(workspace.pipeline.name)
    if as_json:
        show_json([plain(one) for one in known])
        return
    for before, one in zip((None, *known), known, strict=False):
        typer.echo(f"{one.version}  {one.created_at[:19]}  {one.created_by}: {told(before, one)}")
    if not known:
        typer.echo(f"{pipeline} is read as its contract says; no version was made.")


@cli.command()
def show(
    version: Annotated[int | None, typer.Argument(help="A version; by default the newest.")] = None,
    pipeline: Pipeline = "customers",
    as_json: Json = False,
) -> None:
    """Show what each column of a version is read from.

    [dim]Examples:[/dim] mend mapping show · mend mapping show 2 --json
    """
    from mend.remap.versions import written

    with opened(pipeline) as workspace:
        one = version_of(workspace, version)
    if as_json:
        show_json(plain(one))
        return
    typer.echo(f"version {one.version}, {one.created_at[:19]} by {one.created_by}, trial {(one.trial or 'none')[:12]}")
    for field in one.fields:
        typer.echo(f"  {written(field)}{' (added)' if field.added else ''}")
    if one.declined:
        typer.echo(f"declined: {', '.join(one.declined)}")


@cli.command()
def diff(
    before: Annotated[int, typer.Argument(help="A version.")],
    after: Annotated[int | None, typer.Argument(help="Another one; by default the newest.")] = None,
    pipeline: Pipeline = "customers",
    as_json: Json = False,
) -> None:
    """Say what differs between two versions. Exit code 0: nothing. 1: something.

    [dim]Example:[/dim] mend mapping diff 1 3
    """
    from mend.remap.versions import changes

    with opened(pipeline) as workspace:
        found = changes(version_of(workspace, before), version_of(workspace, after))
    if as_json:
        show_json([str(one) for one in found])
    else:
        for one in found:
            typer.echo(str(one))
    raise typer.Exit(1 if found else 0)


@cli.command(name="try")
def try_(
    file: Annotated[str, typer.Argument(help="A mapping file (YAML).")],
    pipeline: Pipeline = "customers",
    as_json: Json = False,
) -> None:
    """Try a mapping on all set-aside rows and on the last good run; no row moves. Exit code 1: it did not pass.

    [dim]Example:[/dim] mend mapping try rename.yml
    """
    from pathlib import Path

    from orchestration.mapping import try_file

    with opened(pipeline) as workspace:
        name, trial = try_file(workspace, Path(file))
    tell_trial(name, trial, as_json=as_json)
    raise typer.Exit(0 if trial.passed else 1)


@cli.command()
def trial(
    name: Annotated[str, typer.Argument(metavar="TRIAL", help="The beginning of a trial's hash.")],
    pipeline: Pipeline = "customers",
    as_json: Json = False,
) -> None:
    """Show what came of a trial.

    [dim]Example:[/dim] mend mapping trial 3f2a9c
    """
    from orchestration.mapping import known_trial

    with opened(pipeline) as workspace:
        full, found = known_trial(workspace, name)
    tell_trial(full, found, as_json=as_json)


@cli.command()
def apply(
    file: Annotated[str | None, typer.Argument(help="A mapping file (YAML); it is tried first.")] = None,
    trial: Annotated[str | None, typer.Option(help="Use a mapping that was tried: the beginning of its hash.")] = None,
    pipeline: Pipeline = "customers",
    by: Who = "",
    reason: Why = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only try it.")] = False,
    as_json: Json = False,
) -> None:
    """Use a mapping from the next micro-batch on, if its trial passed. Doing it twice changes nothing.

    Exit code 3: its trial did not pass, or another version came in between.

    [dim]Examples:[/dim] mend mapping apply rename.yml · mend mapping apply --trial 3f2a9c --reason "asked the shop"
    """
    from pathlib import Path

    from cli.person import who
    from mend.runtime.errors import UserError
    from orchestration.mapping import try_file, use

    if (file is None) == (trial is None):
        raise UserError("give either a mapping file or --trial.")
    with opened(pipeline) as workspace:
        name = trial
        if file is not None:
            name, found = try_file(workspace, Path(file))
            if dry_run or not found.passed:
                tell_trial(name, found, as_json=as_json)
                raise typer.Exit(0 if found.passed else REFUSED)
        made = use(workspace, name or "", by=who(by), reason=reason)
    say_used(made, as_json=as_json)


@cli.command()
def revert(
    version: Annotated[int, typer.Argument(help="The version whose fields are wanted again.")],
    pipeline: Pipeline = "customers",
    by: Who = "",
    reason: Why = "",
    as_json: Json = False,
) -> None:
    """Use the fields of an earlier version again, as a new version. Rows that are readable stay as they are.

    [dim]Example:[/dim] mend mapping revert 1 --reason "the shop took the field back"
    """
    from cli.person import who
    from orchestration.mapping import revert as go_back

    with opened(pipeline) as workspace:
        made = go_back(workspace, version, by=who(by), reason=reason)
    say_used(made, as_json=as_json)


def opened(pipeline: str) -> "AbstractContextManager[Workspace]":
    """Open a pipeline beside whoever works on it: versions are only appended, each in one step."""
    from contextlib import contextmanager

    from mend.runtime.settings import load_settings
    from orchestration.storage import refusals_told
    from orchestration.workspace import open_workspace

    @contextmanager
    def both() -> Any:
        with refusals_told(), open_workspace(load_settings(), pipeline) as workspace:
            yield workspace

    return both()


def version_of(workspace: "Workspace", version: int | None) -> "Mapping":
    """Return a version, or the newest."""
    from mend.runtime.errors import UserError

    mappings, name = workspace.store.mappings, workspace.pipeline.name
    found = mappings.current(name) if version is None else mappings.get(name, version)
    if found is None:
        known = ", ".join(str(one.version) for one in mappings.versions(name)) or "none"
        raise UserError(f"{name}: no version {version or 'at all'} of the mapping (known: {known}).")
    return found


def told(before: "Mapping | None", one: "Mapping") -> str:
    """Say in a line what a version changed."""
    from mend.remap.versions import changes

    if before is None:
        return f"{len(one.fields)} fields of the contract"
    return "; ".join(str(each) for each in changes(before, one)) or "the same fields"


def tell_trial(name: str, trial: "Trial", *, as_json: bool) -> None:
    """Print a trial: rows, columns, and what speaks against it."""
    if as_json:
        show_json({"trial": name, "passed": trial.passed, **plain(trial)})
        return
    from cli.mapping_view import shown

    show_text(shown(name, trial))


def say_used(made: "Mapping", *, as_json: bool) -> None:
    """Say which version is used."""
    if as_json:
        show_json(plain(made))
    else:
        typer.echo(f"mapping version {made.version} is used from the next micro-batch on (made by {made.created_by})")


def plain(value: Any) -> dict[str, Any]:
    """Return a contract as JSON has it."""
    from mend.contracts.codec import to_dict

    return to_dict(value)


def show_json(document: Any) -> None:
    """Print JSON."""
    import orjson

    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def show_text(text: Any) -> None:
    """Print for people."""
    from rich.console import Console

    Console().print(text, soft_wrap=True)
