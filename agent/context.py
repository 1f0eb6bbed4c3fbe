"""Everything a decision is made from, parsed once at the border; what cannot be read is an anomaly. Pure."""

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal, TypeVar

import orjson
from annotated_types import Ge, Le

from agent.causes import Cause
from agent.sanity import Anomaly, Problem, anomaly, moment, quality_anomaly, report_anomaly
from mend.contracts import codec
from mend.contracts.codec import STRICT, ContractError
from mend.contracts.incident import Severity
from mend.contracts.quality import QualityResults
from mend.contracts.report import ALIASES, RunReport

T = TypeVar("T")
DOCUMENTS = ("run_report", "ge_results")
MOST_BYTES = 64 << 20
"""A document beyond that was not written by a job that counts: the largest report takes a few millions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """A task of another system that failed, and what its diagnosis says (see mend/contracts/task_event.py)."""

    __pydantic_config__ = STRICT
    event: str
    dag_id: str
    task_id: str
    pattern: str
    severity: Severity
    root_cause: str
    suggestions: tuple[str, ...] = ()
    strategy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is known beside the two documents.

    `consecutive_failures` counts the pipeline's failed runs up to now, `retriggers` those already done for this
    cause. `run_id` is the run that the question is about: with it, documents of another run are refused.
    `chance` (0..1) lengthens the pause before another try; it is drawn by who asks, and kept with the evidence.
    `circuit_open` says that automatic tries were stopped and that no person has allowed them again.
    `open_storms` are the partitions (topic/number) for whose storm of bad events a person was called already.
    `pipeline_config` may set limits of the matrix for this pipeline, under their names or below `monitoring`.
    `failed_task` is set when the question is about a task of another system.
    """

    __pydantic_config__ = STRICT
    timestamp: str | None = None
    run_id: str | None = None
    recent_incidents: tuple[dict[str, Any], ...] = ()
    pipeline_config: dict[str, Any] = field(default_factory=dict)
    open_storms: tuple[str, ...] = ()
    consecutive_failures: Annotated[int, Ge(0)] = 0
    retriggers: Annotated[int, Ge(0)] = 0
    chance: Annotated[float, Ge(0), Le(1)] = 0.0
    circuit_open: bool = False
    job_status: Literal["success", "failed"] | None = None
    job_cause: Cause | None = None
    failed_task: FailedTask | None = None


HISTORY = tuple(one.name for one in fields(History))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionContext(History):
    """The evidence of one decision. Its canonical bytes are hashed; the same context gives the same decision.

    `timestamp` (ISO 8601) is the moment of the decision. `problem` is set when the history could not be believed.
    `age_vouched` says that the caller has seen to it that the documents are of now, whatever times they carry.
    """

    __pydantic_config__ = STRICT
    run_report: RunReport | Anomaly
    ge_results: QualityResults | Anomaly
    timestamp: str
    problem: Anomaly | None = None
    age_vouched: bool = False

    @property
    def run(self) -> str | None:
        """The run that was asked about, else the one that the report names."""
        return self.run_id or (self.run_report.run_id if isinstance(self.run_report, RunReport) else None)


def read_report(content: bytes | None) -> RunReport | Anomaly:
    """Read a run report (None: there is no file). Whatever cannot be true comes back as an anomaly."""
    document = renamed(decoded(content))
    report = document if isinstance(document, Anomaly) else parsed(RunReport, document)
    return report if isinstance(report, Anomaly) else report_anomaly(report) or report


def read_quality(content: bytes | None) -> QualityResults | Anomaly:
    """Read the audit's results (None: there is no file). Whatever cannot be true comes back as an anomaly."""
    document = decoded(content)
    quality = document if isinstance(document, Anomaly) else parsed(QualityResults, document)
    return quality if isinstance(quality, Anomaly) else quality_anomaly(quality) or quality


def read_context(content: bytes | None, *, now: str) -> DecisionContext:
    """Read a whole context from JSON; `now` is its moment where it names none."""
    document = decoded(content)
    if isinstance(document, Anomaly):
        return DecisionContext(run_report=document, ge_results=document, timestamp=now, problem=document)
    return context_from(document, now=now)


def context_from(document: dict[str, Any], *, now: str) -> DecisionContext:
    """Build a context from decoded JSON: run_report, ge_results and the fields of History."""
    history = parsed(History, {name: value for name, value in document.items() if name not in DOCUMENTS})
    return assemble(
        read_report(encoded(document.get("run_report"))),
        read_quality(encoded(document.get("ge_results"))),
        history,
        now=now,
    )


def assemble(
    report: RunReport | Anomaly, quality: QualityResults | Anomaly, history: History | Anomaly, *, now: str
) -> DecisionContext:
    """Put the parts together; a history that cannot be read, or whose time is none, is a problem of the context."""
    problem = history if isinstance(history, Anomaly) else None
    known = History() if isinstance(history, Anomaly) else history
    timestamp = known.timestamp or now
    if moment(timestamp) is None:
        problem, timestamp = anomaly(Problem.INVALID, f"timestamp {timestamp!r} is no ISO 8601 time"), now
    rest = {name: getattr(known, name) for name in HISTORY if name != "timestamp"}
    return DecisionContext(run_report=report, ge_results=quality, timestamp=timestamp, problem=problem, **rest)


def decoded(content: bytes | None) -> dict[str, Any] | Anomaly:
    """Return a JSON object, or why it is none."""
    if content is None:
        return anomaly(Problem.MISSING, "there is no file")
    if len(content) > MOST_BYTES:
        return anomaly(Problem.INVALID, f"it has {len(content):,} bytes, more than {MOST_BYTES:,}")
    if not content.strip():
        return anomaly(Problem.EMPTY, "the file is empty")
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        return anomaly(Problem.NOT_JSON, f"it is no JSON, or half of it: {error}")
    if not isinstance(document, dict):
        return anomaly(Problem.INVALID, f"expected an object, came {type(document).__name__}")
    return document


def encoded(document: Any) -> bytes | None:
    """Return a part of a decoded document as JSON; null stands for a part that is not there."""
    return None if document is None else orjson.dumps(document)


def renamed(document: dict[str, Any] | Anomaly) -> dict[str, Any] | Anomaly:
    """Give fields their own names where an alias was written; both with different values contradict each other."""
    if isinstance(document, Anomaly):
        return document
    named = dict(document)
    for alias, name in ALIASES.items():
        if alias not in named:
            continue
        value = named.pop(alias)
        if named.setdefault(name, value) != value:
            return anomaly(Problem.CONTRADICTION, f"{name} is {named[name]!r}, its alias {alias} is {value!r}")
    return named


def parsed(kind: type[T], document: dict[str, Any]) -> T | Anomaly:
    """Check a document against its contract."""
    try:
        return codec.parse(kind, document)
    except ContractError as error:
        return anomaly(Problem.INVALID, str(error))
