"""Failures that were decided about, and approvals of exactly one plan."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("failures", sa.Column("decided_at", sa.DateTime(timezone=True)))
    op.add_column("approvals", sa.Column("plan_hash", sa.String(64)))


def downgrade() -> None:
    op.drop_column("approvals", "plan_hash")
    op.drop_column("failures", "decided_at")
