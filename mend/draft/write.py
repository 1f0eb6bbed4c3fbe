"""The three files of a proposal as texts; the evidence stands beside each line as a comment."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from mend.draft.propose import Choice, Column, Proposal, ProposedRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Texts of the pipeline file, the schema and the rules, by their paths relative to the folder of pipelines."""

    files: dict[str, str]


def write_draft(proposal: Proposal, *, name: str, topic: str) -> Draft:
    """Write a proposal down; names and values from events are quoted, never taken as YAML."""
    return Draft(
        files={
            f"{name}.yml": pipeline_text(proposal, name, topic),
            f"{name}/schema.v1.avsc": schema_text(proposal, name),
            f"{name}/rules.yml": rules_text(proposal, name),
        }
    )


def pipeline_text(proposal: Proposal, name: str, topic: str) -> str:
    """Write the pipeline file."""
    moved = {one.name: one.source for one in proposal.columns if one.name != one.source}
    parts = [
        comment(f"Proposed from {proposal.events:,} events of the topic {topic}. Read it, correct it, keep it."),
        comment(f"{proposal.unreadable:,} more records of the sample were no JSON objects."),
        f"pipeline: {name}",
        f"topic: {scalar(topic)}",
        "format: json",
        f"schema: {name}/schema.v1.avsc",
        f"rules: {name}/rules.yml",
        "",
        chosen("key", proposal.key),
        "duplicate_horizon: 7 days",
        comment(proposal.event_time.evidence),
        f"event_time: {proposal.event_time.names[0]}",
        "lateness: 15 minutes",
        chosen("segments", proposal.segments),
        chosen("pii", proposal.personal),
    ]
    if moved:
        lines = (f"  {column}: {scalar(source)}" for column, source in moved.items())
        parts += [comment("names of events that cannot be names of columns"), "mapping:", *lines]
    if proposal.left_out:
        parts += ["", comment("Left out of the contract, kept as unknown fields in the column `rescued`:")]
        parts += [comment(f"  {source}: {why}") for source, why in proposal.left_out]
    return "\n".join(part for part in parts if part is not None) + "\n"


def chosen(key: str, choice: Choice) -> str | None:
    """Write a list of names with its evidence, nothing for an empty one."""
    if not choice.names:
        return None
    return f"{comment(choice.evidence)}\n{key}: [{', '.join(choice.names)}]"


def schema_text(proposal: Proposal, name: str) -> str:
    """Write the contract as an Avro schema; each field's evidence is its `doc`."""
    fields = [field_document(one) for one in proposal.columns]
    document = {"type": "record", "name": name, "doc": "Proposed from a sample.", "fields": fields}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def field_document(column: Column) -> dict[str, Any]:
    """Write a field; one that was missing or null somewhere is nullable, and null when it is missing."""
    declared = column.type if column.required else ["null", column.type]
    end = {} if column.required else {"default": None}
    return {"name": column.name, "type": declared, "doc": column.evidence} | end


def rules_text(proposal: Proposal, name: str) -> str:
    """Write the rules file."""
    head = [
        comment("Proposed from the sample; warn: counted only, quality: published and counted, contract: rejected."),
        f"suite: {name}_suite",
        "business_rules:",
        f"  {name}:",
        "    description: What the sample shows of a good event.",
    ]
    return "\n".join([*head, "    expectations:", *(line for one in proposal.rules for line in rule_lines(one)), ""])


def rule_lines(rule: ProposedRule) -> Iterable[str]:
    """Write one expectation."""
    yield f"      {comment(rule.evidence)}"
    yield f"      - expectation_type: {rule.expectation}"
    for key, value in {**rule.columns, **rule.arguments, "severity": rule.severity}.items():
        yield f"        {key}: {scalar(value)}"


def scalar(value: Any) -> str:
    """Write a value as YAML's JSON subset, a plain word as it is."""
    if isinstance(value, str) and value.isidentifier() and value.lower() not in WORDS:
        return value
    return orjson.dumps(value).decode()


WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "now"}
"""Words that YAML, or a rule, takes for something else than text."""
LONGEST = 300


def comment(text: str) -> str:
    """Write a comment of one line, whatever the text holds."""
    shown = "".join(one if one.isprintable() else "·" for one in text)
    return f"# {shown[:LONGEST]}"
