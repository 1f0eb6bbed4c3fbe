"""`mend decision`: what was decided, why, whether it can be derived again, and whether its record is whole."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.undo import undo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from mend.runtime.layout import Layout
    from mend.store.engine import Store

cli = typer.Typer(help="Decisions: list, show, replay, whatif, verify, approve, reject, undo.", no_args_is_help=True)

cli.command()(undo)

Name = Annotated[str, typer.Argument(help="A run, or the number of a decision.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Who = Annotated[str, typer.Option("--by", help="Who decides; by default the user of this machine.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]
Shown = Annotated[
    str, typer.Option("--plan", help="Hash of the plan that was shown: the answer counts for no other, and once.")
]


@cli.command(name="list")
def ls(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 20,
    since: Annotated[
        str | None, typer.Option(help="Only those since then: a length of time, such as 7d or 12h.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Only those that this rule of the matrix made.")] = None,
    as_json: Json = False,
) -> None:
    """List the newest decisions.

    [dim]Examples:[/dim] mend decision list · mend decision list --since 7d --rule dq_over_limit --json
    """
    from cli.decision_view import listing
    from cli.prove import start
    from mend.runtime.clock import now

    with opened() as (_, store):
        found = store.decisions.listed(limit, since=start(since, now()) if since else None, rule=rule)
    if as_json:
        show_json([{"id": one.id, "decided_at": one.decided_at.isoformat(), **plain(one.result)} for one in found])
    else:
        show(listing(found))


@cli.command(name="show")
def show_one(name: Name, as_json: Json = False) -> None:
    """Show a decision: what decided, what was done and found, what would have flipped it, what comes next.

    [dim]Examples:[/dim] mend decision show customers-1a2b3c4d-000007 · mend decision show 12 --json
    """
    from dataclasses import asdict

    from cli.decision_view import Told, told
    from cli.gather import with_acts
    from orchestration.replay import explained, found

    with opened() as (layout, store):
        known = found(store, name)
        run = store.runs.get(known.run_id) if known.run_id else None
        path = layout.run_file(known.run_id, "agent_decision") if known.run_id else layout.ops / "agent_decision.json"
        done = with_acts(path, known.result)
        if done.evidence_hash != known.result.evidence_hash:  # the file is of another decision
            done = known.result
        people = store.brakes.approvals(known.run_id) if known.run_id else ()
        state, why = run.state.value if run else None, explained(layout, known)
        undos = store.undos.of_decision(known.id)
    facts = Told(recorded=known, done=done, state=state, people=people, why=why)
    if as_json:
        more = {
            "state": state,
            "people": [asdict(one) for one in people],
            "explanation": asdict(why) if why else None,
            "undos": [asdict(one) for one in undos],
        }
        show_json({"id": known.id, **plain(done), **more})
    else:
        show(told(facts))
        for one in undos:
            what = f"undo-{one.takes_back}" if one.takes_back else "it"
            typer.echo(
                f"{one.name}: {one.by} undid {what}, {one.at:%Y-%m-%d %H:%M} UTC ({one.rows} rows): {one.reason}"
            )


@cli.command()
def replay(name: Name, as_json: Json = False) -> None:
    """Derive a decision again, offline, from the evidence and the matrix of its time.

    Exit code 0: the same bytes. 1: others, or what it was made from is gone or was changed.

    [dim]Example:[/dim] mend decision replay customers-1a2b3c4d-000007
    """
    from mend.contracts.codec import dumps
    from orchestration.replay import found, name_of
    from orchestration.replay import replay as derive

    with opened() as (layout, store):
        known = found(store, name)
        derived = derive(layout, known)
    if as_json:
        show_json(
            {"id": known.id, "same": derived.same, "recorded": plain(derived.recorded), "again": plain(derived.again)}
        )
    else:
        said = "the same bytes" if derived.same else f"ANOTHER decision: {derived.again.reasoning}"
        typer.echo(f"{name_of(known)}: {said} ({len(dumps(derived.again))} bytes, matrix {known.result.matrix_hash})")
    raise typer.Exit(0 if derived.same else 1)


@cli.command()
def whatif(
    matrix: Annotated[str, typer.Option(help="The other matrix, a YAML file.")],
    since: Annotated[str, typer.Option(help="Since then: a length of time, such as 90d or 12h.")] = "90d",
    as_json: Json = False,
) -> None:
    """Say which past decisions another matrix would have made otherwise, and what that would have moved.

    Exit code 0: none. 1: some.

    [dim]Example:[/dim] mend decision whatif --matrix stricter.yml --since 90d
    """
    from dataclasses import asdict
    from pathlib import Path

    from agent.matrix_file import load_matrix
    from cli.decision_view import comparison
    from cli.prove import start
    from mend.runtime.clock import now
    from orchestration.replay import what_if

    other = load_matrix(Path(matrix))
    with opened() as (layout, store):
        found = what_if(layout, store, other, start(since, now()))
    if as_json:
        show_json(asdict(found))
    else:
        show(comparison(found))
    raise typer.Exit(1 if found.differences else 0)


@cli.command()
def verify(as_json: Json = False) -> None:
    """Check that no line of the log of decisions was edited, removed or moved, and that the store tells the same.

    Exit code 0: it is whole. 1: the lines and runs that are not.

    [dim]Example:[/dim] mend decision verify --json
    """
    from dataclasses import asdict

    from orchestration.decision_record import verify as check

    with opened() as (layout, store):
        found = check(store, layout.ops / "decision_log.jsonl")
    if as_json:
        show_json({"whole": not found.findings, **asdict(found)})
    else:
        for one in found.findings:
            where = f"line {one.line}" if one.line else "no line"
            typer.echo(f"{where} ({one.run_id or 'no run'}): {one.what}")
        end = (
            f"{len(found.findings)} findings" if found.findings else "whole: every line as it was written, none missing"
        )
        typer.echo(f"{found.lines} lines, {found.decisions} decisions in the store: {end}")
    raise typer.Exit(1 if found.findings else 0)


@cli.command()
def approve(name: Name, by: Who = "", reason: Why = "", plan: Shown = "", as_json: Json = False) -> None:
    """Record that a person agrees with what was decided about a run, and use the mapping that it offers.

    With --plan, a run that waits goes on. Exit code 3: it is another plan by now, or was answered otherwise.

    [dim]Example:[/dim] mend decision approve customers-1a2b3c4d-000007 --reason "checked with the shop"
    """
    answer(name, by, reason, plan, approved=True, as_json=as_json)


@cli.command()
def reject(name: Name, by: Who = "", reason: Why = "", plan: Shown = "", as_json: Json = False) -> None:
    """Record that a person disagrees with what was decided about a run. With --plan, its next step holds its rows.

    Exit code 3: it is another plan by now, or was answered otherwise.

    [dim]Example:[/dim] mend decision reject customers-1a2b3c4d-000007 --reason "these late events are normal"
    """
    answer(name, by, reason, plan, approved=False, as_json=as_json)


def answer(name: str, by: str, reason: str, plan: str, *, approved: bool, as_json: bool) -> None:
    """Record a person's answer in the store, then in the log."""
    from dataclasses import asdict

    from cli.person import noted, who
    from mend.runtime.clock import now
    from mend.runtime.errors import UserError
    from orchestration.plans import answer as answer_plan
    from orchestration.replay import found

    with opened() as (layout, store):
        run_id = found(store, name).run_id
        if run_id is None:
            raise UserError(f"decision {name} is about no run. Only decisions about runs are approved or rejected.")
        if plan:
            made = answer_plan(store, run_id, plan, approved=approved, by=who(by), reason=reason)
        else:
            made = store.brakes.approve(run_id, now(), approved=approved, by=who(by), reason=reason)
        known = store.runs.get(run_id)
        version = used_offer(known.pipeline, run_id, who(by), reason) if approved and known else None
        noted(layout, "approved" if approved else "rejected", reason, made.at, by=made.by, run_id=run_id)
    verb = "agrees with" if approved else "rejects"
    if as_json:
        show_json(asdict(made) | {"mapping_version": version})
    else:
        mapping = f"; mapping version {version} is used from the next micro-batch on" if version else ""
        then = "the run's next step acts on it" if plan else "its rows stay where they are"
        typer.echo(f"{run_id}: {made.by} {verb} the decision{mapping}; {then}")


def used_offer(pipeline: str, run_id: str, by: str, reason: str) -> int | None:
    """Use the mapping that the run's report offers and that passed its trial; None where it offers none."""
    from mend.runtime.settings import load_settings
    from orchestration.mapping import known_trial, offered, use
    from orchestration.workspace import open_workspace

    with open_workspace(load_settings(), pipeline) as workspace:
        name = offered(workspace, run_id)
        if name is None:
            return None
        against = known_trial(workspace, name)[1].against
        if against:
            typer.echo(f"the offered mapping is not used, its trial did not pass: {'; '.join(against)}", err=True)
            return None
        return use(workspace, name, by=by, reason=reason).version


def opened() -> "AbstractContextManager[tuple[Layout, Store]]":
    """Open the store beside its files."""
    from contextlib import contextmanager

    from mend.runtime.layout import Layout
    from mend.runtime.settings import load_settings
    from mend.store.engine import open_store

    @contextmanager
    def both() -> "Iterator[tuple[Layout, Store]]":
        settings = load_settings()
        with open_store(settings.store_url) as store:
            yield Layout(settings), store

    return both()


def plain(value: Any) -> dict[str, Any]:
    """Return a contract as JSON has it."""
    from mend.contracts.codec import to_dict

    return to_dict(value)


def show_json(document: Any) -> None:
    """Print JSON."""
    import orjson

    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def show(text: Any) -> None:
    """Print for people."""
    from rich.console import Console

    Console().print(text, soft_wrap=True)
