"""What the metrics are counted from, and events about failed tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

NAME = sa.String(255)
TIME = sa.DateTime(timezone=True)
INDEXES = {
    "ix_runs_outcome_pipeline_verdict_opened_at_ended_at": (
        "runs",
        ["outcome", "pipeline", "verdict", "opened_at", "ended_at"],
    ),
    "ix_actions_action": ("actions", ["action"]),
}


def upgrade() -> None:
    op.add_column("runs", sa.Column("verdict", sa.String(16)))
    op.add_column("decisions", sa.Column("recorded_at", TIME))
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)
    op.create_table(
        "task_events",
        sa.Column("id", NAME, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("task", NAME, nullable=False),
        sa.Column("cause", NAME),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("event", sa.JSON, nullable=False),
        sa.Column("answer", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_task_events"),
    )
    op.create_index("ix_task_events_pipeline_task_received_at", "task_events", ["pipeline", "task", "received_at"])


def downgrade() -> None:
    op.drop_table("task_events")
    for name, (table, _columns) in INDEXES.items():
        op.drop_index(name, table)
    op.drop_column("decisions", "recorded_at")
    op.drop_column("runs", "verdict")
