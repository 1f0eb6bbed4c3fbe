"""The whole life of an incident, what is folded into it, and one live incident of a cause."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

NAME = sa.String(255)
TIME = sa.DateTime(timezone=True)
LIVE = sa.text("status IN ('open', 'acknowledged')")
SECOND = """
UPDATE incidents SET cause = NULL WHERE status = 'open' AND cause IS NOT NULL AND EXISTS (
  SELECT 1 FROM incidents AS earlier WHERE earlier.cause = incidents.cause AND earlier.status = 'open'
  AND (earlier.created_at < incidents.created_at
       OR (earlier.created_at = incidents.created_at AND earlier.id < incidents.id)))
"""


def upgrade() -> None:
    for column in (
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("error_kind", sa.String(32)),
        sa.Column("outage", sa.String(32)),
        sa.Column("parent", NAME),
        sa.Column("previous", NAME),
        sa.Column("occurrences", sa.Integer, nullable=False, server_default="1"),
        sa.Column("last_seen_at", TIME),
        sa.Column("acknowledged_at", TIME),
        sa.Column("closed_at", TIME),
        sa.Column("transitions", sa.JSON, nullable=False, server_default="[]"),
    ):
        op.add_column("incidents", column)
    op.create_index("ix_incidents_fingerprint", "incidents", ["fingerprint"])
    op.create_index("ix_incidents_parent", "incidents", ["parent"])
    op.create_index("ix_incidents_last_seen_at", "incidents", ["last_seen_at"])
    op.execute("UPDATE incidents SET last_seen_at = updated_at")
    # Two processes may have opened the same one before the index was there: the later one keeps its row, not the name.
    op.execute(SECOND)
    op.create_index(
        "uq_incidents_live_cause", "incidents", ["cause"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE
    )


def downgrade() -> None:
    for index in ("uq_incidents_live_cause", "ix_incidents_last_seen_at", "ix_incidents_parent", "ix_incidents_fingerprint"):
        op.drop_index(index, "incidents")
    for column in (
        "transitions", "closed_at", "acknowledged_at", "last_seen_at", "occurrences", "previous", "parent", "outage",
        "error_kind", "fingerprint",
    ):
        op.drop_column("incidents", column)
