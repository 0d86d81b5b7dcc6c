"""Replicas: who runs which effect, by numbers and leases; indexes of messages beyond 32 bits on PostgreSQL.

Adds, and drops only indexes, so that the version before goes on running on it.
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
    waits = sa.text("status IN ('pending', 'retrying', 'ambiguous')")
    op.create_index("outbox_due", "outbox", ["due_at", "seq"], unique=False, sqlite_where=waits, postgresql_where=waits)
    op.drop_index("outbox_by_conversation", "outbox")
    op.drop_index("inbox_by_conversation", "inbox")
    parked = sa.text("status = 'parked'")
    op.create_index(
        "inbox_parked", "inbox", ["conversation_sid"], unique=False, sqlite_where=parked, postgresql_where=parked
    )
    if op.get_context().dialect.name == "postgresql":
        for table, column in _WIDER:
            op.alter_column(table, column, type_=sa.BigInteger())
        op.alter_column("outbox", "key", type_=sa.String(length=64, collation="C"))
