"""What is known of a finished run, and the few figures that are derived from it for people."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from cli.wording import NOT_KNOWN, clip, count, duration, first_sentence, plural, share
from mend.contracts.decision import DecisionResult, Rows, SegmentFilter, SegmentValue
from mend.contracts.quality import ExpectationResult, QualityResults
from mend.contracts.report import PartitionRange, Places, RunReport, SegmentCount

Tone = Literal["good", "care", "bad"]

MASKED = "masked"

RECOUNT_AGREES = frozenset({"success", "ok", "pass", "passed", "validated"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectSample:
    """One set-aside event; personal data in the excerpt is masked before it gets here."""

    reason: str
    column: str
    topic: str
    partition: int
    offset: int
    excerpt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """A step of the run and how long it took."""

    name: str
    seconds: float
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Everything a person is shown of a run.

    `held` is the ledger's count of accepted rows that were set aside; None derives it from the decision.
    `validation` is the content of load_validation.json, `files` pairs of a label and a path, and the values of
    `pii` columns are never shown.
    """

    report: RunReport
    quality: QualityResults
    decision: DecisionResult
    validation: dict[str, Any] | None = None
    files: tuple[tuple[str, str], ...] = ()
    samples: tuple[RejectSample, ...] = ()
    steps: tuple[StepTime, ...] = ()
    pii: frozenset[str] = field(default_factory=frozenset)
    held: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One place where events ended."""

    key: str
    label: str
    events: int
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One sum that must close: what is summed, the sum written out, and whether it closes."""

    label: str
    sum: str
    closes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome in a few words, one sentence of why, and how good it is."""

    headline: str
    why: str
    tone: Tone


def is_private(run: RunFacts, column: str) -> bool:
    """Whether a column, a part of one, or one of a pair of columns holds personal data."""
    names = {name for part in re.split(r"[^\w.]+", column) for name in prefixes(part)} | {column}
    return not run.pii.isdisjoint(names)


def prefixes(path: str) -> set[str]:
    """Return a nested field's path and all paths above it."""
    parts = path.split(".")
    return {".".join(parts[: end + 1]) for end in range(len(parts))}


def public(run: RunFacts, text: str) -> str:
    """Return text without the personal values that the run's segments and conditions name."""
    places: tuple[SegmentCount | SegmentFilter | SegmentValue, ...] = (
        *run.report.segments, *run.decision.hold, *(one.also for one in run.decision.hold if one.also)
    )  # fmt: skip
    values = {place.value for place in places if place.value and is_private(run, place.column)}
    if not values:
        return text
    longest_first = sorted(values, key=len, reverse=True)
    return re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", MASKED, text)


def held_rows(run: RunFacts) -> int | None:
    """Return how many accepted rows were not published; None where only part is held and nobody counted it."""
    accepted = (run.report.places or Places()).accepted
    if run.decision.rows is Rows.PUBLISH:
        return 0
    if run.decision.rows in (Rows.HOLD, Rows.NOTHING):
        return accepted
    recounted = recount(run)
    if run.held is not None or recounted is None:
        return run.held
    return max(0, accepted - recounted)


def recount(run: RunFacts) -> int | None:
    """Return the rows that a reader counted in the published files, None when nobody looked."""
    rows = (run.validation or {}).get("rows")
    return rows if isinstance(rows, int) and not isinstance(rows, bool) else None


def destinations(run: RunFacts) -> tuple[Destination, ...]:
    """Return every place with its events; empty where the report does not say."""
    places = run.report.places
    if places is None:
        return ()
    rest = (
        ("rejected", "rejected", places.rejected, "failed the contract; kept with their reasons"),
        ("dead", "dead letters", places.dead_letter, "could not be decoded; kept byte for byte"),
        ("duplicate", "duplicates", places.duplicate, "came before; the first one counts"),
    )
    rows = (*accepted_places(run, places.accepted), *rest)
    return tuple(Destination(key=key, label=label, events=n, meaning=meaning) for key, label, n, meaning in rows)


def accepted_places(run: RunFacts, accepted: int) -> tuple[tuple[str, str, int, str], ...]:
    """Split the accepted events into published and held, where that split is known."""
    held = held_rows(run)
    if held is None:
        return (("published", "accepted", accepted, "published, but for the rows the decision holds"),)
    nothing = run.decision.rows is Rows.NOTHING
    return (
        ("published", "published", accepted - held, "what readers see"),
        ("held", "not published" if nothing else "held", held, "set aside by the decision; nothing is lost"),
    )


def checks(run: RunFacts) -> tuple[Check, ...]:
    """Return the sums that prove that every event is in exactly one place."""
    if run.report.places is None:
        return ()
    found = [total_check(run)]
    if run.report.partitions:
        found += partition_checks(run.report.partitions, run.report.total_records)
    return (*found, *recount_check(run))


def total_check(run: RunFacts) -> Check:
    """Compare the events that came in with the sum of all places."""
    parts = destinations(run)
    total = sum(part.events for part in parts)
    terms = " + ".join(f"{count(part.events)} {part.label}" for part in parts)
    closes = total == run.report.total_records and all(part.events >= 0 for part in parts)
    return Check(label="every event has a place", sum=equation(run.report.total_records, terms, closes), closes=closes)


def partition_checks(partitions: tuple[PartitionRange, ...], total: int) -> list[Check]:
    """Compare the partitions with the total, and each partition with its own places."""
    read = sum(each.records for each in partitions)
    closed = sum(partition_closes(each) for each in partitions)
    terms = " + ".join(count(each.records) for each in partitions[:8]) + (" + …" if len(partitions) > 8 else "")  # noqa: PLR2004
    return [
        Check(label="the partitions add up", sum=equation(total, terms, read == total), closes=read == total),
        Check(
            label="each partition closes",
            sum=f"{count(closed)} of {plural(len(partitions), 'partition')}",
            closes=closed == len(partitions),
        ),
    ]


def partition_closes(part: PartitionRange) -> bool:
    """Whether each record of the partition is in one place, and no more than its range can hold."""
    return part.places.total == part.records <= part.until_offset - part.from_offset


def recount_check(run: RunFacts) -> tuple[Check, ...]:
    """Compare what a reader counted with what was published."""
    rows, places = recount(run), {place.label: place.events for place in destinations(run)}
    if rows is None or "published" not in places:
        return ()
    closes = rows == places["published"]
    return (
        Check(
            label="readers see what was published",
            sum=f"{count(rows)} counted {'=' if closes else '≠'} {count(places['published'])} published",
            closes=closes,
        ),
    )


def equation(total: int, terms: str, closes: bool) -> str:
    """Write a sum out, with the sign that is true."""
    return f"{count(total)} {'=' if closes else '≠'} {terms}"


def sums_closed(run: RunFacts) -> bool | None:
    """Whether all sums close; None when the report names no places."""
    found = checks(run)
    return all(check.closes for check in found) if found else None


def verdict(run: RunFacts) -> Verdict:
    """Return the outcome. A sum that does not close or a recount that disagrees outweighs every decision."""
    why = public(run, first_sentence(run.decision.reasoning)) or "The decision gives no reason."
    if run.report.status == "failed":
        return Verdict(headline="The job failed", why=why, tone="bad")
    for check in checks(run):
        if not check.closes:
            open_sum = f"It does not hold that {check.label}: {check.sum}."
            return Verdict(headline="The sums do not close", why=open_sum, tone="bad")
    if not recount_agrees(run):
        return Verdict(headline="Published, but the recount disagrees", why=why, tone="bad")
    if run.report.status == "no_data" and not (run.report.total_records or run.decision.escalation_required):
        return Verdict(headline="No new events", why=why, tone="good")
    headline, tone = outcome(run)
    if run.decision.escalation_required:
        return Verdict(headline=f"{headline}, and a person was called", why=why, tone=worse(tone, "care"))
    return Verdict(headline=headline, why=why, tone=tone)


OUTCOMES: dict[Rows, tuple[str, Tone]] = {
    Rows.PUBLISH: ("Published", "good"),
    Rows.PUBLISH_EXCEPT_SEGMENT: ("Published, except failing rows of some segments", "care"),
    Rows.PUBLISH_EXCEPT_PARTITION: ("Published, except some paused partitions", "care"),
    Rows.HOLD: ("Held", "care"),
    Rows.NOTHING: ("Nothing published", "bad"),
}


def outcome(run: RunFacts) -> tuple[str, Tone]:
    """Return what became of the accepted rows, naming the segment where one value alone is held."""
    headline, tone = OUTCOMES[run.decision.rows]
    if run.decision.rows is not Rows.PUBLISH_EXCEPT_SEGMENT or len(run.decision.hold) != 1:
        return headline, tone
    (held,) = run.decision.hold
    values = (one for one in (held, held.also) if one)
    return f"Published, except failing rows of {' and '.join(named(run, one) for one in values)}", tone


def named(run: RunFacts, segment: SegmentFilter | SegmentValue) -> str:
    """Return a segment's column and value, masked where it is personal."""
    return f"{clip(segment.column, 30)} {MASKED if is_private(run, segment.column) else clip(segment.value, 30)}"


def worse(one: Tone, other: Tone) -> Tone:
    """Return the worse of two tones."""
    order: tuple[Tone, ...] = ("good", "care", "bad")
    return max(one, other, key=order.index)


def recount_agrees(run: RunFacts) -> bool:
    """Whether load validation found what it expected; a run that nobody recounted has nothing against it."""
    status = (run.validation or {}).get("status")
    return status is None or str(status).lower() in RECOUNT_AGREES or run.decision.rows in (Rows.HOLD, Rows.NOTHING)


def expectations(run: RunFacts) -> tuple[ExpectationResult, ...]:
    """Return all expectations of the audit, the failed first, then the unknown."""
    order = {"fail": 0, "unknown": 1, "pass": 2}
    found: Iterable[ExpectationResult] = (each for suite in run.quality.validations for each in suite.results)
    return tuple(sorted(found, key=lambda each: order[each.verdict]))


def audit_cost(run: RunFacts) -> str:
    """Return how long the audit took, and its share of the run where all steps were timed."""
    took = run.quality.seconds
    if took is None:
        return ""
    whole = sum(step.seconds for step in run.steps)
    part = f", {share(took, whole)} of the run" if whole >= took > 0 else ""
    return f"{duration(took)}{part}"


def audit_score(run: RunFacts) -> str:
    """Return how many expectations passed: `14 of 15 passed`, or why there is no such figure."""
    summary = run.quality.summary
    if summary is None or not summary.total_expectations:
        return "not audited" if run.quality.status == "no_validation" else NOT_KNOWN
    unknown = f", {count(summary.unknown_count)} unknown" if summary.unknown_count else ""
    return f"{count(summary.success_count)} of {count(summary.total_expectations)} passed{unknown}"
