"""What is known about signals beside their types: which go together, and which way each gets worse. Data, and pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from agent.conditions import ALWAYS, AllOf, AnyOf, Condition, When

ZERO = Fraction(0)


def present(signal: str) -> Condition:
    """Return the condition that a signal is known, or a list not empty."""
    return Condition(signal=signal, op="present")


def absent(signal: str) -> Condition:
    """Return the condition that a signal is unknown, or a list empty."""
    return Condition(signal=signal, op="absent")


def equal(signal: str, value: str | bool | Fraction) -> Condition:
    """Return the condition that a signal has a value."""
    return Condition(signal=signal, op="==", value=value)


def among(signal: str, *values: str) -> Condition:
    """Return the condition that a word signal is one of some."""
    return Condition(signal=signal, op="in", value=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """Whenever `when` holds, so does `then`: how signals are made (agent/signals.py) leaves no other cell."""

    why: str
    when: When
    then: When


NUMBERS = (
    "total_records",
    "late_records",
    "late_share",
    "dq_failures",
    "dq_share",
    "dead_letters",
    "dead_letter_share",
)
SHARES = {"late_share": "late_records", "dq_share": "dq_failures", "dead_letter_share": "dead_letters"}
LISTS = ("drift_added", "drift_untyped", "drift_renamed", "drift_removed", "drift_breaking")
STORMS = ("storms_new", "storms_known", "storms_over")
OF_REPORT = (*NUMBERS, "accepted", "localised", *STORMS, *LISTS, "drift_unknown")
"""Signals that a report is needed for."""
OF_AUDIT = ("audit", "run_findings")


def invariants() -> tuple[Invariant, ...]:
    """Return what every run keeps to."""
    read = absent("report_problem")
    some = Condition(signal="total_records", op=">", value=ZERO)
    return (
        Invariant(
            why="a report that is not believed says nothing",
            when=present("report_problem"),
            then=AllOf(tuple(absent(one) for one in OF_REPORT)),
        ),
        Invariant(
            why="a report that is believed has figures",
            when=read,
            then=AllOf((*(present(one) for one in ("total_records", *SHARES.values())), present("drift_unknown"))),
        ),
        Invariant(
            why="there are shares where there are events",
            when=some,
            then=AllOf(tuple(present(one) for one in SHARES)),
        ),
        Invariant(
            why="a run of no events is believed of a failed job only, and nothing has a share of it",
            when=AllOf((read, equal("total_records", ZERO))),
            then=AllOf((equal("job_status", "failed"), *(absent(one) for one in SHARES))),
        ),
        *(
            Invariant(why="a share is zero where its count is", when=equal(share, ZERO), then=equal(count, ZERO))
            for share, count in SHARES.items()
        ),
        *(
            Invariant(
                why="a count is zero where its share is",
                when=Condition(signal=share, op=">", value=ZERO),
                then=Condition(signal=count, op=">", value=ZERO),
            )
            for share, count in SHARES.items()
        ),
        Invariant(
            why="an audit is read or has a problem",
            when=present("quality_problem"),
            then=AllOf(tuple(absent(one) for one in OF_AUDIT)),
        ),
        Invariant(why="an audit that is read says something", when=absent("quality_problem"), then=present("audit")),
        Invariant(
            why="a check of the whole run that failed fails the audit",
            when=present("run_findings"),
            then=Condition(signal="audit", op="!=", value="pass"),
        ),
        Invariant(
            why="drift without detail names no field",
            when=equal("drift_unknown", value=True),
            then=AllOf(tuple(absent(one) for one in LISTS)),
        ),
        Invariant(
            why="failed quality rules have rows that fail them, or a finding about the whole run",
            when=AllOf((read, among("audit", "quality_failed", "failed"), absent("run_findings"))),
            then=AnyOf((
                Condition(signal="dq_share", op=">", value=ZERO),
                equal("total_records", ZERO),
                *(present(one) for one in ("drift_breaking", "drift_renamed", "storms_new", "storms_known")),
            )),
        ),
    )  # fmt: skip


FAILED = equal("job_status", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which way a signal gets worse: up with numbers, `present` rather than not, or along the pairs of words.

    `among` leaves cells out in which the order means nothing; `why` says why.
    """

    signal: str
    pairs: Sequence[tuple[str | bool, str | bool]] = ()
    down: bool = False
    among: When = ALWAYS
    why: str = ""


DOCUMENTS = AllOf((
    Condition(signal="audit", op="present"),
    Condition(signal="audit", op="!=", value="unknown"),
    absent("report_problem"),
))  # fmt: skip
ORDERS = (
    *(Order(signal=one) for one in ("consecutive_failures", "retriggers", "recent_incidents", *NUMBERS[1:])),
    *(Order(signal=one) for one in ("run_findings", "storms_new", "storms_known", *LISTS, "context_problem")),
    Order(signal="drift_unknown", pairs=((False, True),)),
    Order(signal="circuit", pairs=(("closed", "open"),)),
    Order(signal="job_cause", pairs=(("retriable", "unknown"), ("unknown", "not_retriable"))),
    Order(
        signal="job_status",
        pairs=(("success", "failed"),),
        among=DOCUMENTS,
        why="a failed job need not have left a report or an audit; a job that succeeded and left none is worse off",
    ),
    Order(
        signal="audit",
        pairs=(
            ("pass", "quality_failed"),
            ("quality_failed", "failed"),
            ("quality_failed", "unknown"),
            ("failed", "contract_failed"),
            ("unknown", "contract_failed"),
        ),
    ),
)
"""Not here: `localised`, which says where failures sit, not that there are more of them; `total_records` and
`accepted`, of which neither many nor few are worse; `storms_over`, which is good news; the pipeline's own switches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A document that is lost must not be treated milder than anything it could have said.

    Problems that are `expected` of some runs are compared for the others only.
    """

    problem: str
    signals: Sequence[str]
    expected: Sequence[str] = ("missing",)
    unless: When = FAILED


LOSSES = (Loss(problem="report_problem", signals=OF_REPORT), Loss(problem="quality_problem", signals=OF_AUDIT))
