"""The first tables: runs, their failures and offset ranges, decisions and actions, incidents, mappings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NAME = sa.String(255)
WORD = sa.String(16)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", NAME, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("query_id", NAME),
        sa.Column("batch_id", sa.BigInteger),
        sa.Column("state", WORD, nullable=False),
        sa.Column("outcome", WORD),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("job_status", WORD),
        sa.Column("mapping_version", sa.Integer),
        sa.Column("rules_version", NAME),
        sa.Column("published_rows", sa.BigInteger),
        sa.Column("report", sa.JSON),
        sa.Column("quality", sa.JSON),
        sa.Column("error", sa.Text),
        sa.Column("cause", sa.Text),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
        sa.UniqueConstraint("query_id", "batch_id", name="uq_runs_query_id_batch_id"),
    )
    op.create_index("ix_runs_pipeline_opened_at", "runs", ["pipeline", "opened_at"])

    op.create_table(
        "failures",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("run_id", NAME),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("cause", sa.Text),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_failures"),
    )
    op.create_index("ix_failures_pipeline_at", "failures", ["pipeline", "at"])

    op.create_table(
        "run_ranges",
        sa.Column("run_id", NAME, nullable=False),
        sa.Column("topic", NAME, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("from_offset", sa.BigInteger, nullable=False),
        sa.Column("until_offset", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("accepted", sa.BigInteger, nullable=False),
        sa.Column("rejected", sa.BigInteger, nullable=False),
        sa.Column("dead_letter", sa.BigInteger, nullable=False),
        sa.Column("duplicate", sa.BigInteger, nullable=False),
        sa.Column("published", sa.BigInteger),
        sa.Column("held", sa.BigInteger),
        sa.PrimaryKeyConstraint("run_id", "topic", "partition", name="pk_run_ranges"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_ranges_run_id_runs", ondelete="CASCADE"),
    )
    op.create_index("ix_run_ranges_topic_partition_from_offset", "run_ranges", ["topic", "partition", "from_offset"])

    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", NAME),
        sa.Column("name", NAME, nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.Column("evidence_hash", NAME),
        sa.Column("matrix_hash", NAME),
        sa.Column("result", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_run_id", "decisions", ["run_id"])

    op.create_table(
        "actions",
        sa.Column("key", NAME, nullable=False),
        sa.Column("run_id", NAME),
        sa.Column("action", NAME, nullable=False),
        sa.Column("target", sa.Text),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_actions"),
    )
    op.create_index("ix_actions_run_id", "actions", ["run_id"])

    op.create_table(
        "incidents",
        sa.Column("id", NAME, nullable=False),
        sa.Column("incident_type", NAME, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("context", sa.JSON, nullable=False),
        sa.Column("severity", WORD, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("resolved_at", TIME),
        sa.Column("escalated", sa.Boolean, nullable=False),
        sa.Column("escalated_at", TIME),
        sa.Column("resolution_notes", sa.Text),
        sa.Column("created_by", NAME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_created_at", "incidents", ["created_at"])

    op.create_table(
        "mappings",
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("recipe", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", NAME, nullable=False),
        sa.Column("decision_run", NAME),
        sa.PrimaryKeyConstraint("pipeline", "version", name="pk_mappings"),
    )


def downgrade() -> None:
    for table in ("mappings", "incidents", "actions", "decisions", "run_ranges", "failures", "runs"):
        op.drop_table(table)
