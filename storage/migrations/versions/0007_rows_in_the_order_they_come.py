"""History and messages with row numbers, on SQLite: what is written together stands together (docs/decisions/0013).

Kept in the order of their keys, which are random, each row lay on a page of its own, and on the way to it too, for the
inner pages of such a table hold whole rows. PostgreSQL has always had it this way.

A file has one service, so no version before this one runs on it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Write both tables anew, in the one transaction of all revisions."""
    if op.get_bind().dialect.name == "sqlite":
        _again(
            "history",
            sa.Column("conversation_sid", sa.String(length=34), nullable=False),
            sa.Column("version", sa.Integer(), nullable=False),
            sa.Column("at", sa.BigInteger(), nullable=False),
            sa.Column("trigger", sa.String(length=32), nullable=False),
            sa.Column("source", sa.String(length=32), nullable=False),
            sa.Column("dest", sa.String(length=32), nullable=False),
            sa.Column("row", sa.String(length=128), nullable=False),
            sa.Column("event", sa.Text(), nullable=False),
            sa.Column("table_version", sa.Integer(), nullable=False),
            sa.PrimaryKeyConstraint("conversation_sid", "version"),
        )
        _again(
            "message",
            sa.Column("conversation_sid", sa.String(length=34), nullable=False),
            sa.Column("message_index", sa.Integer(), nullable=False),
            sa.Column("message_sid", sa.String(length=34), nullable=False),
            sa.Column("author", sa.Text(), nullable=False),
            sa.Column("body", sa.Text(), nullable=False),
            sa.Column("media", sa.Integer(), nullable=False),
            sa.Column("at", sa.BigInteger(), nullable=False),
            sa.Column("effect_key", sa.String(length=64), nullable=True),
            sa.PrimaryKeyConstraint("conversation_sid", "message_index"),
        )


def _again(name: str, *parts: SchemaItem) -> None:
    before = f"{name}_before"
    op.rename_table(name, before)
    after = op.create_table(name, *parts)
    names = list(after.columns.keys())
    op.execute(after.insert().from_select(names, sa.select(*map(sa.column, names)).select_from(sa.table(before))))
    op.drop_table(before)
