"""Decisions that were undone, trials of mappings, and how remedies did."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

NAME = sa.String(255)
TIME = sa.DateTime(timezone=True)
TABLES = {
    "undos": (
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("run_id", NAME, nullable=False),
        sa.Column("decision", sa.Integer, nullable=False),
        sa.Column("takes_back", sa.Integer),
        sa.Column("back", sa.Boolean, nullable=False),
        sa.Column("mapping_version", sa.Integer),
        sa.Column("rows", sa.BigInteger),
        sa.Column("at", TIME, nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ended_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_undos"),
    ),
    "trials": (
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("trial", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_trials"),
    ),
    "remedies": (
        sa.Column("key", NAME, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("cause", NAME, nullable=False),
        sa.Column("run_id", NAME),
        sa.Column("expected", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("score", sa.String(16), nullable=False),
        sa.Column("found", sa.Text),
        sa.Column("scored_at", TIME),
        sa.PrimaryKeyConstraint("key", name="pk_remedies"),
    ),
    "permissions": (
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("cause", NAME, nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_permissions"),
    ),
}
INDEXES = {
    "ix_undos_pipeline": ("undos", ["pipeline"]),
    "ix_undos_run_id": ("undos", ["run_id"]),
    "ix_undos_decision": ("undos", ["decision"]),
    "ix_trials_pipeline": ("trials", ["pipeline"]),
    "ix_remedies_run_id": ("remedies", ["run_id"]),
    "ix_remedies_pipeline_cause_at": ("remedies", ["pipeline", "cause", "at"]),
    "ix_permissions_pipeline": ("permissions", ["pipeline"]),
}


def upgrade() -> None:
    for name, parts in TABLES.items():
        op.create_table(name, *parts)
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name)
