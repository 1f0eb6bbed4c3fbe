"""What a model is told about a run: numbers, words of ours, and names in quotes; never a value of the data. Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

import orjson

from agent.decide import Judgement
from agent.envelope import offers, reference
from agent.limits import LIMIT_KINDS
from agent.sanity import Anomaly, expectations, moment
from agent.signals import JobStatus, Signals
from mend.contracts.decision import Action
from mend.contracts.drift import Drift
from mend.contracts.incident import IncidentStatus, Severity
from mend.contracts.quality import QualityResults
from mend.contracts.report import RunReport

MOST = 10
PLAIN = re.compile(r"[^\W\d][\w.-]{0,39}")
LARGEST = 10**15
WORDS = {
    Action.CONTINUE: "publish and go on",
    Action.REMAP: "add the new fields to the mapping",
    Action.RETRIGGER: "run the job again",
    Action.QUARANTINE: "set the failing rows aside",
    Action.ESCALATE: "call a person; nothing is retried or remapped",
}


def evidence(judgement: Judgement) -> dict[str, Any]:
    """Return the evidence pack of a judgement: at most about 12 kB whatever the documents hold.

    Names (fields, columns, rules, incident types, metrics) are foreign text: told only if they are plain words, in
    quotes of their own inside JSON strings. Values of segments, texts of errors, notes and reasons are left out.
    """
    report, quality = judgement.context.run_report, judgement.context.ge_results
    signals = judgement.signals
    return {
        "run_id": reference(judgement),
        "options": options(judgement),
        "table": {"rules": names(judgement.decision.rules), "rows": judgement.decision.rows.value},
        "figures": figures(signals) if signals else {},
        "drift": drift(report.drift, judgement) if isinstance(report, RunReport) and report.drift else {},
        "segments": segments(report) if isinstance(report, RunReport) else [],
        "audit": audit(quality) if isinstance(quality, QualityResults) else {},
        "tried": tried(signals) if signals else [],
        "history": history(judgement),
    }


def options(judgement: Judgement) -> list[dict[str, str]]:
    """Return what may be answered: the table's own decision, and calling a person."""
    own = judgement.verdict.decision
    means = " and ".join(WORDS[one] for one in judgement.decision.actions)
    found = [{"action": own.value, "means": means, "default": "yes"}]
    if own is not Action.ESCALATE:
        found.append({"action": Action.ESCALATE.value, "means": WORDS[Action.ESCALATE], "default": "no"})
    return found


def figures(signals: Signals) -> dict[str, Any]:
    """Return the numbers and words that the table judges by."""
    plain = (
        "job_status", "job_cause", "consecutive_failures", "retriggers", "audit", "total_records", "accepted",
        "late_records", "late_share", "dq_failures", "dq_share", "dead_letters", "dead_letter_share", "drift_unknown",
        "context_problem", "report_problem", "quality_problem",
    )  # fmt: skip
    found = {name: fact(getattr(signals, name)) for name in plain}
    counted = ("localised", "storms_new", "storms_known", "storms_over", "run_findings")
    found |= {name: len(getattr(signals, name)) for name in counted}
    found["limits"] = {name: fact(getattr(signals.limits, name)) for name in LIMIT_KINDS}
    numbers = [(name, value) for name, value in signals.custom.items() if isinstance(value, int | float)]
    found["metrics"] = {quote(name): fact(value) for name, value in numbers[:MOST]}
    return found


def tried(signals: Signals) -> list[dict[str, Any]]:
    """Return what was tried for this cause and did not help: the newest retriggers, and why the job failed again."""
    if signals.job_status is not JobStatus.FAILED:
        return []
    tries = range(max(0, signals.retriggers - MOST), min(signals.retriggers, LARGEST))
    return [
        {"try": at + 1, "action": "retrigger", "outcome": "failed", "cause": fact(signals.job_cause)} for at in tries
    ]


def drift(found: Drift, judgement: Judgement) -> dict[str, Any]:
    """Return which fields changed; `more` counts those that are left out."""
    kinds: tuple[Sequence[Any], ...] = (found.added, found.removed, found.type_changed, found.renamed_candidates)
    return {
        "added": [
            {"name": quote(one.name), "type": quote(one.type), "nullable": one.nullable, "count": fact(one.count)}
            for one in found.added[:MOST]
        ],
        "removed": [{"name": quote(one.name), "required": one.required} for one in found.removed[:MOST]],
        "type_changed": [
            {"name": quote(one.name), "from": quote(one.from_type), "to": quote(one.to_type), "count": fact(one.count)}
            for one in found.type_changed[:MOST]
        ],
        "renames": [
            {"offer": at, "old": quote(one.old), "new": quote(one.new), "score": fact(one.score)}
            for at, one in enumerate(offers(judgement)[:MOST], start=1)
        ],
        "more": sum(max(0, len(one) - MOST) for one in kinds) + min(found.more, LARGEST),
    }


def segments(report: RunReport) -> list[dict[str, Any]]:
    """Return the segments with most failures, by column and number: which value it is, is not told."""
    worst = sorted(report.segments, key=lambda one: (-one.failures, one.column, one.value))[:MOST]
    return [
        {"column": quote(one.column), "segment": at, "rows": fact(one.rows), "failures": fact(one.failures)}
        for at, one in enumerate(worst, start=1)
    ]


def audit(quality: QualityResults) -> dict[str, Any]:
    """Return how many expectations failed, by severity."""
    failed = [one.severity or "unknown" for one in expectations(quality) if one.verdict == "fail"]
    summary = quality.summary
    return {
        "expectations": fact(summary.total_expectations) if summary else None,
        "failed": fact(summary.failure_count) if summary else None,
        "unknown": fact(summary.unknown_count) if summary else None,
        "failed_by_severity": {name: failed.count(name) for name in sorted(set(failed))},
    }


def history(judgement: Judgement) -> list[dict[str, Any]]:
    """Return the newest incidents: kind, severity, state and age; their texts and notes are left out."""
    now = moment(judgement.context.timestamp)
    return [
        {
            "type": quote(one.get("incident_type", "")),
            "severity": among(one.get("severity"), Severity),
            "status": among(one.get("status"), IncidentStatus),
            "hours_ago": age(one.get("created_at"), now),
        }
        for one in judgement.context.recent_incidents[:MOST]
    ]


def age(created: Any, now: datetime | None) -> float | None:
    """Return how many hours ago something was, None if nobody can tell."""
    then = moment(created) if isinstance(created, str) else None
    return round((now - then).total_seconds() / 3600, 1) if now and then else None


def among(value: Any, words: Iterable[Any]) -> str | None:
    """Return a word of ours, None for any other."""
    return next((one.value for one in words if one.value == value), None)


def names(found: Sequence[str]) -> list[str]:
    """Return the first names."""
    return [quote(one) for one in found[:MOST]]


def quote(name: object) -> str:
    """Return a foreign name in quotes; one that is no plain word may be a value or a sentence, and is only measured."""
    text = str(name)
    return f"'{text}'" if PLAIN.fullmatch(text) else f"'({min(len(text), LARGEST)} characters)'"


def fact(value: Any) -> Any:
    """Return a number of bounded size or a word of ours; a share with six digits, an anomaly as its kind."""
    if isinstance(value, Anomaly):
        return value.problem.value
    if isinstance(value, Fraction):
        return round(float(value), 6)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return max(-LARGEST, min(LARGEST, value))
    return str(value.value)


def dumped(pack: Any) -> str:
    """Return the pack, or a part of it, as JSON."""
    return orjson.dumps(pack).decode()
