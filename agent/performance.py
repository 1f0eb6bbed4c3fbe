"""What the agent did, measured: from decisions, runs and incidents to figures. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, quantiles

from mend.contracts.decision import Action, DecisionResult
from mend.contracts.incident import Incident
from mend.contracts.task_event import Answer, Effect
from mend.store.measures import MadeDecision, RunEnd
from mend.store.tables import Outcome

REMEDIES = (Action.REMAP, Action.RETRIGGER, Action.QUARANTINE)
"""Actions that are meant to make a cause go away; to continue or to call a person is none."""
NEXT_RUNS = 3
ACT_FAILED = "act_failed"
TASK_EVENT = "event-"
"""How the ids of failed tasks begin."""
EFFECTS = {Effect.HELPED: True, Effect.DID_NOT_HELP: False, Effect.PENDING: None}

Causes = Mapping[str, frozenset[Action]]
"""Rule of the matrix → the actions that it asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Everything since `since`, oldest first. `failures` are pipeline and time of jobs that failed.

    `tasks` are the answers to failed tasks that others reported.
    """

    since: datetime
    until: datetime
    decisions: tuple[MadeDecision, ...]
    runs: tuple[RunEnd, ...]
    failures: tuple[tuple[str, datetime], ...]
    incidents: tuple[Incident, ...]
    quarantined_batches: int
    tasks: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Decisions, each counted once however many rules fired. `rules` is the matrix, in the contract's word."""

    total: int
    by_rule: dict[str, int]
    by_action: dict[str, int]
    by_decider: dict[str, int]
    escalated: int
    escalation_share: float | None
    mean_confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """How often a model proposed, and how often its proposal was what was done (`agreement` is that share)."""

    proposals: int
    followed: int
    agreement: float | None
    fallbacks: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Acts of one kind. One helped if none of its rules fired in the next runs; with too few runs yet it is pending."""

    acts: int
    helped: int
    recurred: int
    pending: int
    success_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Seconds: median and 95th percentile of `count` measurements."""

    count: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """Runs that ended. A retried one took more than one attempt; a failed one is a job that failed."""

    published: int
    held: int
    failed: int
    success_rate: float | None
    retry_rate: float | None
    mean_attempts: float | None
    quarantined_batches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Mean seconds: from the opening of the run that shows a problem to its incident; from there to its resolution.

    `to_recover`: from the first failed job of a row of them to the next run that published.
    """

    to_detect: float | None
    detected: int
    to_resolve: float | None
    resolved: int
    to_recover: float | None
    recovered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """The figures of a period."""

    since: str
    until: str
    decisions: Decided
    model: ModelUse
    remedies: dict[str, Remedy]
    task_fixes: dict[str, Remedy]
    seconds_to_decide: Spread
    runs: RunFigures
    incidents: dict[str, int]
    times: Times


def performance(past: Past, causes: Causes, next_runs: int = NEXT_RUNS) -> Performance:
    """Measure a period; `next_runs` is how long a cause has to stay away for a remedy to have helped."""
    made = newest_words(past.decisions)
    decided = [one.result for one in made]
    return Performance(
        since=past.since.isoformat(),
        until=past.until.isoformat(),
        decisions=decision_figures(decided),
        model=model_use(decided),
        remedies=remedies(made, past.runs, causes, next_runs),
        task_fixes=task_fixes(past.tasks),
        seconds_to_decide=spread(waits(made)),
        runs=run_figures(past),
        incidents=dict(Counter(one.status.value for one in past.incidents)),
        times=times(past),
    )


def newest_words(decisions: Iterable[MadeDecision]) -> list[MadeDecision]:
    """Return each decision as it ended: one whose act failed was recorded again about the same evidence."""
    newest = {(one.run_id, one.decided_at, one.result.evidence_hash): one for one in decisions}
    return list(newest.values())


def decision_figures(decided: Sequence[DecisionResult]) -> Decided:
    """Count the decisions."""
    escalated = sum(one.escalation_required for one in decided)
    return Decided(
        total=len(decided),
        by_rule=ranked(rule for one in decided for rule in one.rules),
        by_action=ranked(action.value for one in decided for action in one.actions),
        by_decider=ranked(one.decided_by for one in decided),
        escalated=escalated,
        escalation_share=share(escalated, len(decided)),
        mean_confidence=mean(one.confidence for one in decided),
    )


def model_use(decided: Sequence[DecisionResult]) -> ModelUse:
    """Count what came of proposals."""
    proposals = [(one, one.proposal.action) for one in decided if one.proposal]
    followed = sum(one.decided_by == "model" or proposed in one.actions for one, proposed in proposals)
    return ModelUse(
        proposals=len(proposals),
        followed=followed,
        agreement=share(followed, len(proposals)),
        fallbacks=ranked(one.fallback.value for one in decided if one.fallback),
    )


def remedies(
    decisions: Sequence[MadeDecision], runs: Sequence[RunEnd], causes: Causes, next_runs: int
) -> dict[str, Remedy]:
    """Return, for each kind of remedy, how often its cause stayed away."""
    fates: dict[str, list[bool | None]] = defaultdict(list)
    for line in by_pipeline(decisions, runs):
        for at, one in enumerate(line):
            later = line[at + 1 : at + 1 + next_runs]
            for action in set(REMEDIES).intersection(one.actions):
                why = {rule for rule in one.rules if action in causes.get(rule, ())}
                fates[action.value].append(fate(one, why, later, next_runs))
    return {action: remedy(found) for action, found in sorted(fates.items())}


def by_pipeline(decisions: Sequence[MadeDecision], runs: Sequence[RunEnd]) -> Iterator[list[DecisionResult]]:
    """Yield the decisions of each pipeline in their order; one about no known run belongs to the only pipeline.

    Decisions about tasks of others are left out: whether they helped is told by the task itself.
    """
    of = {one.run_id: one.pipeline for one in runs}
    names = set(of.values())
    only = names.pop() if len(names) == 1 else ""
    lines: dict[str, list[DecisionResult]] = defaultdict(list)
    for one in decisions:
        run_id = one.run_id or ""
        if not run_id.startswith(TASK_EVENT):
            lines[of.get(run_id, only)].append(one.result)
    yield from lines.values()


def fate(decision: DecisionResult, why: set[str], later: Sequence[DecisionResult], next_runs: int) -> bool | None:
    """Return whether a remedy helped, None while it is too early to say."""
    if ACT_FAILED in decision.rules or any(why.intersection(one.rules) for one in later):
        return False
    return True if len(later) == next_runs else None


def remedy(fates: Sequence[bool | None]) -> Remedy:
    """Sum up what came of the acts of one kind."""
    helped, recurred = fates.count(True), fates.count(False)
    return Remedy(
        acts=len(fates),
        helped=helped,
        recurred=recurred,
        pending=fates.count(None),
        success_rate=share(helped, helped + recurred),
    )


def task_fixes(answers: Iterable[Answer]) -> dict[str, Remedy]:
    """Return, for each strategy that was taken for a failed task, whether the task succeeded afterwards."""
    fates: dict[str, list[bool | None]] = defaultdict(list)
    for one in answers:
        if one.strategy and one.effect in EFFECTS:
            fates[one.strategy.value].append(EFFECTS[one.effect])
    return {strategy: remedy(found) for strategy, found in sorted(fates.items())}


def waits(decisions: Iterable[MadeDecision]) -> list[float]:
    """Return the seconds from the evidence to the decision, a model's thinking included."""
    return [(one.recorded_at - one.decided_at).total_seconds() for one in decisions if one.recorded_at is not None]


def run_figures(past: Past) -> RunFigures:
    """Count the runs."""
    published = sum(one.outcome is Outcome.PUBLISHED for one in past.runs)
    attempts = [one.attempts for one in past.runs]
    return RunFigures(
        published=published,
        held=len(past.runs) - published,
        failed=len(past.failures),
        success_rate=share(published, len(past.runs) + len(past.failures)),
        retry_rate=share(sum(one > 1 for one in attempts), len(attempts)),
        mean_attempts=mean(attempts),
        quarantined_batches=past.quarantined_batches,
    )


def times(past: Past) -> Times:
    """Return how long it took to notice, to resolve and to recover."""
    detected = list(detections(past))
    ended = [one for one in past.incidents if not one.live and one.resolved_at]
    resolved = [seconds(one.created_at, one.resolved_at or "") for one in ended]
    recovered = list(recoveries(past))
    return Times(
        to_detect=mean(detected),
        detected=len(detected),
        to_resolve=mean(resolved),
        resolved=len(resolved),
        to_recover=mean(recovered),
        recovered=len(recovered),
    )


def detections(past: Past) -> Iterator[float]:
    """Yield, for incidents about a known run, the seconds from its opening to the incident."""
    opened = {one.run_id: one.opened_at for one in past.runs}
    for one in past.incidents:
        run_id = one.context.get("run_id")
        if run_id in opened:
            yield (datetime.fromisoformat(one.created_at) - opened[run_id]).total_seconds()


def recoveries(past: Past) -> Iterator[float]:
    """Yield the seconds from the first failed job of a row to the next run of its pipeline that published."""
    published = [(one.ended_at, one.pipeline, True) for one in past.runs if one.outcome is Outcome.PUBLISHED]
    failed = [(at, pipeline, False) for pipeline, at in past.failures]
    since: dict[str, datetime] = {}
    for at, pipeline, good in sorted((*published, *failed)):
        if not good:
            since.setdefault(pipeline, at)
        elif pipeline in since:
            yield (at - since.pop(pipeline)).total_seconds()


def seconds(start: str, end: str) -> float:
    """Return the seconds between two ISO 8601 times."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def spread(values: Sequence[float]) -> Spread:
    """Return median and 95th percentile, interpolated between measurements."""
    if len(values) < 2:  # noqa: PLR2004 - one value is all its percentiles
        return Spread(count=len(values), p50=values[0] if values else None, p95=values[0] if values else None)
    cuts = quantiles(values, n=100, method="inclusive")
    return Spread(count=len(values), p50=cuts[49], p95=cuts[94])


def share(part: int, whole: int) -> float | None:
    """Return a share in 0..1; None where there is nothing to have a share of."""
    return part / whole if whole else None


def mean(values: Iterable[float]) -> float | None:
    """Return the mean, None of nothing."""
    found = list(values)
    return fmean(found) if found else None


def ranked(names: Iterable[str]) -> dict[str, int]:
    """Count names, the most frequent first."""
    return dict(Counter(names).most_common())
