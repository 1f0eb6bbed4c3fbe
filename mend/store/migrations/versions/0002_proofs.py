"""How far each partition is proven."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NAME = sa.String(255)


def upgrade() -> None:
    op.create_table(
        "proofs",
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("topic", NAME, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("from_offset", sa.BigInteger, nullable=False),
        sa.Column("verified_through", sa.BigInteger, nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "topic", "partition", name="pk_proofs"),
    )


def downgrade() -> None:
    op.drop_table("proofs")
