"""Offsets that are gone, the lives of a topic, and runs that others replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAME = sa.String(255)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("runs", sa.Column("epoch", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "topics",
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("topic", NAME, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("topic_id", NAME),
        sa.Column("since", TIME, nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "topic", name="pk_topics"),
    )
    op.create_table(
        "losses",
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("topic", NAME, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("from_offset", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("until_offset", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "pipeline", "topic", "epoch", "partition", "from_offset", "until_offset", name="pk_losses"
        ),
    )
    op.create_table(
        "replacements",
        sa.Column("run_id", NAME, nullable=False),
        sa.Column("replaced", NAME, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "replaced", name="pk_replacements"),
    )


def downgrade() -> None:
    for table in ("replacements", "losses", "topics"):
        op.drop_table(table)
    op.drop_column("runs", "epoch")
