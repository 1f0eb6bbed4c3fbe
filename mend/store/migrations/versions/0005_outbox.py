"""Alerts that wait for their delivery, the channels they go through, and the signs of life of the pipelines."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NAME = sa.String(255)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("once", NAME),
        sa.Column("fold_key", NAME, nullable=False),
        sa.Column("thread", NAME),
        sa.Column("alert", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("once", name="uq_outbox_once"),
    )
    op.create_index("ix_outbox_state_fold_key", "outbox", ["state", "fold_key"])
    op.create_table(
        "deliveries",
        sa.Column("id", NAME, nullable=False),
        sa.Column("alert_id", sa.Integer, nullable=False),
        sa.Column("channel", NAME, nullable=False),
        sa.Column("thread", NAME),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("sent_at", TIME),
        sa.Column("reference", NAME),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("alert_id", "channel", name="uq_deliveries_alert_id_channel"),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["outbox.id"], name="fk_deliveries_alert_id_outbox", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_deliveries_state_channel", "deliveries", ["state", "channel"])
    op.create_index("ix_deliveries_thread_channel", "deliveries", ["thread", "channel"])
    op.create_table(
        "alert_channels",
        sa.Column("channel", NAME, nullable=False),
        sa.Column("worker", NAME),
        sa.Column("leased_until", TIME),
        sa.Column("next_at", TIME),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_alert_channels"),
    )
    op.create_table(
        "beats",
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("pipeline", name="pk_beats"),
    )


def downgrade() -> None:
    for table in ("beats", "alert_channels", "deliveries", "outbox"):
        op.drop_table(table)
