"""`mend init`: a first pipeline file, schema and rules from what a topic holds."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from orchestration.init_pipeline import Proposed


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(init)


def init(  # noqa: PLR0913, PLR0917 - options of a command line
    topic: Annotated[str, typer.Option(help="The topic to look at.")],
    name: Annotated[str, typer.Option(help="The pipeline's name (default: made from the topic's).")] = "",
    broker: Annotated[str, typer.Option(help="Kafka (default: KAFKA_BROKER).")] = "",
    folder: Annotated[Path | None, typer.Option(help="Where to write (default: MEND_PIPELINES).")] = None,
    events: Annotated[int, typer.Option("--sample", min=1, help="Events to look at.")] = 10_000,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the files, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Propose a pipeline for a topic of JSON events: contract, key, event time, segments, personal data, rules.

    Reads a sample (old events and new ones) without touching any consumer group, writes three files with the evidence
    for each line as a comment, and says how the sample itself would fare. The proposal can be run at once.

    [dim]Examples:[/dim]
    mend init --topic payments
    mend init --topic shop.payments --name payments --sample 50000 --dry-run
    """
    from mend.runtime.settings import load_settings
    from orchestration.init_pipeline import draft_pipeline, write_files
    from orchestration.topic_sample import sample_topic

    settings = load_settings()
    kafka = replace(settings.kafka, broker=broker) if broker else settings.kafka
    records = sample_topic(kafka, topic, events)
    proposed = draft_pipeline(records, topic=topic, name=name or name_from(topic))
    written = [] if dry_run else write_files(folder or settings.pipelines, proposed.draft, replace=force)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(as_document(proposed, written)).decode())
    else:
        show(proposed, written)


def name_from(topic: str) -> str:
    """Make a pipeline's name of a topic's."""
    plain = re.sub(r"[^a-z0-9]+", "_", topic.lower()).strip("_")
    return plain if plain[:1].isalpha() else f"topic_{plain}"


def as_document(proposed: "Proposed", written: list[Path]) -> dict[str, Any]:
    """Write the proposal as one object."""
    proposal, trial = proposed.proposal, proposed.trial
    return {
        "pipeline": proposed.name,
        "files": [str(path) for path in written],
        "fields": [one.name for one in proposal.columns],
        "left_out": [name for name, _ in proposal.left_out],
        "key": list(proposal.key.names),
        "event_time": proposal.event_time.names[0],
        "segments": list(proposal.segments.names),
        "pii": list(proposal.personal.names),
        "rules": len(proposal.rules),
        "sample": {
            "accepted": trial.accepted,
            "rejected": trial.rejected,
            "dead_letters": trial.dead_letters,
            "duplicates": trial.duplicates,
        },
    }


def show(proposed: "Proposed", written: list[Path]) -> None:
    """Print the proposal for people."""
    proposal, trial = proposed.proposal, proposed.trial
    if not written:
        for place, text in proposed.draft.files.items():
            typer.echo(f"--- {place}\n{text}")
    typer.echo(f"looked at   {proposal.events + proposal.unreadable:,} records")
    typer.echo(
        f"contract    {len(proposal.columns)} fields, {len(proposal.left_out)} left out, {len(proposal.rules)} rules"
    )
    typer.echo(f"key         {', '.join(proposal.key.names)}: {proposal.key.evidence}")
    typer.echo(f"event time  {proposal.event_time.names[0]}: {proposal.event_time.evidence}")
    typer.echo(
        f"the sample  {trial.accepted:,} accepted, {trial.rejected:,} rejected, {trial.dead_letters:,} dead letters, "
        f"{trial.duplicates:,} duplicates"
    )
    for reason, many in trial.reasons:
        typer.echo(f"            rejected for {reason}: {many:,}")
    for path in written:
        typer.echo(f"wrote       {path}")
    if written:
        typer.echo(f"next        mend pipeline check {written[0]} && mend run --pipeline {written[0]}")
