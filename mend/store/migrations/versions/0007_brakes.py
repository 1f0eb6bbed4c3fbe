"""Circuits, pauses, what people decided, and decisions found by their time."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

NAME = sa.String(255)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "circuits",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("cause", NAME, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("run_id", NAME),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("opened_by", NAME, nullable=False),
        sa.Column("closed_at", TIME),
        sa.Column("closed_by", NAME),
        sa.Column("closed_why", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_circuits"),
    )
    op.create_index("ix_circuits_pipeline", "circuits", ["pipeline"])
    op.create_table(
        "pauses",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("pipeline", NAME),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME),
        sa.Column("by", NAME, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("ended_by", NAME),
        sa.PrimaryKeyConstraint("id", name="pk_pauses"),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", NAME, nullable=False),
        sa.Column("approved", sa.Boolean, nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_run_id", "approvals", ["run_id"])
    op.create_index("ix_decisions_decided_at", "decisions", ["decided_at"])


def downgrade() -> None:
    op.drop_index("ix_decisions_decided_at", "decisions")
    for table in ("approvals", "pauses", "circuits"):
        op.drop_table(table)
