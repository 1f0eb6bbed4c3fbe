"""The tables. Rows of data are never in them."""

from enum import StrEnum

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from mend.contracts.alert import Alert
from mend.contracts.decision import DecisionResult, ToolResult
from mend.contracts.incident import LIVE, IncidentStatus, Severity
from mend.contracts.mapping import Mapping
from mend.contracts.quality import QualityResults
from mend.contracts.report import RunReport
from mend.contracts.task_event import Answer, TaskEvent
from mend.store.columns import Document, FreeText, UtcDateTime, choice

REVISION = "0009"
"""The newest migration; a test holds it equal to the files in migrations/versions."""

VERSION_TABLE = "mend_version"
"""Not Alembic's default name: another application's tables may live in the same database."""

NAME = 255


class RunState(StrEnum):
    """Where a run stands, in the order of its life."""

    OPENED = "opened"
    STAGED = "staged"
    AUDITED = "audited"
    DECIDED = "decided"
    PUBLISHED = "published"
    HELD = "held"
    VALIDATED = "validated"
    DISPUTED = "disputed"
    FAILED = "failed"
    REPLACED = "replaced"


class Outcome(StrEnum):
    """How a run ended; kept when it is validated."""

    PUBLISHED = "published"
    HELD = "held"
    FAILED = "failed"


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(NAME), primary_key=True),
    Column("pipeline", String(NAME), nullable=False),
    Column("query_id", String(NAME)),
    Column("batch_id", BigInteger),
    Column("state", choice(RunState), nullable=False),
    Column("outcome", choice(Outcome)),
    Column("attempts", Integer, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("job_status", String(16)),
    Column("mapping_version", Integer),
    Column("rules_version", String(NAME)),
    Column("published_rows", BigInteger),
    Column("report", Document(RunReport)),
    Column("quality", Document(QualityResults)),
    Column("error", FreeText),
    Column("cause", FreeText),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("verdict", String(16)),
    UniqueConstraint("query_id", "batch_id"),
    Index(None, "pipeline", "opened_at"),
    Index(
        None, "outcome", "pipeline", "verdict", "opened_at", "ended_at"
    ),  # the metrics count runs in it, not in their reports
)

failures = Table(
    "failures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pipeline", String(NAME), nullable=False),
    Column("run_id", String(NAME)),
    Column("error", FreeText, nullable=False),
    Column("cause", FreeText),
    Column("at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Index(None, "pipeline", "at"),
)

run_ranges = Table(
    "run_ranges",
    metadata,
    Column("run_id", String(NAME), ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("topic", String(NAME), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("from_offset", BigInteger, nullable=False),
    Column("until_offset", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("dead_letter", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
    Column("published", BigInteger),
    Column("held", BigInteger),
    Index(None, "topic", "partition", "from_offset"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    # No foreign key: a report that a user hands in may name a run that this store never saw.
    Column("run_id", String(NAME), index=True),
    Column("name", String(NAME), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False, index=True),
    Column("recorded_at", UtcDateTime),
    Column("evidence_hash", String(NAME)),
    Column("matrix_hash", String(NAME)),
    Column("result", Document(DecisionResult), nullable=False),
)

actions = Table(
    "actions",
    metadata,
    Column("key", String(NAME), primary_key=True),
    Column("run_id", String(NAME), index=True),
    Column("action", String(NAME), nullable=False, index=True),
    Column("target", FreeText),
    Column("result", Document(ToolResult), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(NAME), primary_key=True),
    Column("incident_type", String(NAME), nullable=False),
    Column("summary", FreeText, nullable=False),
    Column("context", JSON, nullable=False),
    Column("severity", choice(Severity), nullable=False),
    Column("status", choice(IncidentStatus), nullable=False),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("escalated", Boolean, nullable=False),
    Column("escalated_at", UtcDateTime),
    Column("resolution_notes", FreeText),
    Column("created_by", String(NAME), nullable=False),
    Column("cause", String(NAME), index=True),
    Column("fingerprint", String(64), index=True),
    Column("error_kind", String(32)),
    Column("outage", String(32)),
    Column("parent", String(NAME), index=True),
    Column("previous", String(NAME)),
    Column("occurrences", Integer, nullable=False, server_default="1"),
    Column("last_seen_at", UtcDateTime, index=True),
    Column("acknowledged_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
    Column("transitions", JSON, nullable=False, server_default="[]"),
)
ALIVE = incidents.c.status.in_(LIVE)
Index("uq_incidents_live_cause", incidents.c.cause, unique=True, sqlite_where=ALIVE, postgresql_where=ALIVE)
"""Of a cause one incident is live, whoever opens it at the same moment."""

dead_letter_sends = Table(
    "dead_letter_sends",
    metadata,
    Column("run_id", String(NAME), ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("topic", String(NAME), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("pipeline", String(NAME), nullable=False),
    Column("target", String(NAME), nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("sent", BigInteger),
    Column("refused", JSON),
    Column("attempts", Integer, nullable=False),
    Column("error", FreeText),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "pipeline", "sent"),
)

mappings = Table(
    "mappings",
    metadata,
    Column("pipeline", String(NAME), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("recipe", Document(Mapping), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(NAME), nullable=False),
    Column("decision_run", String(NAME)),
)

topics = Table(
    "topics",
    metadata,
    Column("pipeline", String(NAME), primary_key=True),
    Column("topic", String(NAME), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("topic_id", String(NAME)),
    Column("since", UtcDateTime, nullable=False),
)

losses = Table(
    "losses",
    metadata,
    Column("pipeline", String(NAME), primary_key=True),
    Column("topic", String(NAME), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("from_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("until_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("cause", FreeText, nullable=False),
    Column("found_at", UtcDateTime, nullable=False),
)

replacements = Table(
    "replacements",
    metadata,
    Column("run_id", String(NAME), primary_key=True),
    Column("replaced", String(NAME), primary_key=True),
)

proofs = Table(
    "proofs",
    metadata,
    Column("pipeline", String(NAME), primary_key=True),
    Column("topic", String(NAME), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("from_offset", BigInteger, nullable=False),
    Column("verified_through", BigInteger, nullable=False),
    Column("verified_at", UtcDateTime, nullable=False),
)


class AlertState(StrEnum):
    """Where an alert of the outbox stands: waits to be looked at, told, or counted as a repeat of a told one."""

    NEW = "new"
    TOLD = "told"
    FOLDED = "folded"


class DeliveryState(StrEnum):
    """Where a delivery stands. A parked one was tried for days, and waits for a person."""

    WAITING = "waiting"
    SENT = "sent"
    PARKED = "parked"


outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("once", String(NAME), unique=True),
    Column("fold_key", String(NAME), nullable=False),
    Column("thread", String(NAME)),
    Column("alert", Document(Alert), nullable=False),
    Column("state", choice(AlertState), nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Index(None, "state", "fold_key"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(NAME), primary_key=True),
    Column("alert_id", Integer, ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
    Column("channel", String(NAME), nullable=False),
    Column("thread", String(NAME)),
    Column("state", choice(DeliveryState), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("reference", String(NAME)),
    Column("error", FreeText),
    UniqueConstraint("alert_id", "channel"),
    Index(None, "state", "channel"),
    Index(None, "thread", "channel"),
)

alert_channels = Table(
    "alert_channels",
    metadata,
    Column("channel", String(NAME), primary_key=True),
    Column("worker", String(NAME)),
    Column("leased_until", UtcDateTime),
    Column("next_at", UtcDateTime),
    Column("failures", Integer, nullable=False),
)

beats = Table(
    "beats",
    metadata,
    Column("pipeline", String(NAME), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

task_events = Table(
    "task_events",
    metadata,
    Column("id", String(NAME), primary_key=True),
    Column("pipeline", String(NAME), nullable=False),
    Column("task", String(NAME), nullable=False),
    Column("cause", String(NAME)),
    Column("received_at", UtcDateTime, nullable=False),
    Column("event", Document(TaskEvent), nullable=False),
    Column("answer", Document(Answer)),
    Index(None, "pipeline", "task", "received_at"),
)

circuits = Table(
    "circuits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pipeline", String(NAME), nullable=False, index=True),
    Column("cause", String(NAME), nullable=False),
    Column("why", FreeText, nullable=False),
    Column("run_id", String(NAME)),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("opened_by", String(NAME), nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_by", String(NAME)),
    Column("closed_why", FreeText),
)

pauses = Table(
    "pauses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pipeline", String(NAME)),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    Column("by", String(NAME), nullable=False),
    Column("reason", FreeText, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("ended_by", String(NAME)),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", String(NAME), nullable=False, index=True),
    Column("approved", Boolean, nullable=False),
    Column("by", String(NAME), nullable=False),
    Column("reason", FreeText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("plan_hash", String(64)),
)
