"""Replicas: who runs which effect, by numbers and leases; indexes of messages beyond 32 bits on PostgreSQL.

Only adds, so that the version before goes on running on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# What a message's index is kept in: Twilio sets no bound, and SQLite knows none.
_WIDER = (
    ("conversation", "next_index"),
    ("inbox", "message_index"),
    ("outbox", "after_index"),
    ("outbox", "result_index"),
)


def upgrade() -> None:
    """Create the tables of replicas and duties, note who runs an effect, and drop what no question asks by."""
    op.create_table(
        "replica",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "duty",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("outbox", sa.Column("owner", sa.BigInteger(), nullable=True))
    if op.get_context().dialect.name == "postgresql":
        for table, column in _WIDER:
            op.alter_column(table, column, type_=sa.BigInteger())
