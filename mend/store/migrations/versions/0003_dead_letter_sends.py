"""What of a run's dead letters was sent to their topic, and what an incident is about."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NAME = sa.String(255)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "dead_letter_sends",
        sa.Column("run_id", NAME, nullable=False),
        sa.Column("topic", NAME, nullable=False),
        sa.Column("partition", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("sent", sa.BigInteger),
        sa.Column("refused", sa.JSON),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name="fk_dead_letter_sends_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "topic", "partition", name="pk_dead_letter_sends"),
    )
    op.create_index("ix_dead_letter_sends_pipeline_sent", "dead_letter_sends", ["pipeline", "sent"])
    op.add_column("incidents", sa.Column("cause", NAME))
    op.create_index("ix_incidents_cause", "incidents", ["cause"])


def downgrade() -> None:
    op.drop_index("ix_incidents_cause", "incidents")
    op.drop_column("incidents", "cause")
    op.drop_table("dead_letter_sends")
