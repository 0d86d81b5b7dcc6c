"""People: what workers and operators see, write and may do; and what a conversation's thread needs beside its history.

Only adds, so that the version before goes on running on it; who is with whom is taken over from the snapshots.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables, and enter who is in which conversation now."""
    op.create_table(
        "attempt",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("attempt_by_key", "attempt", ["key", "at"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("conversation_sid", sa.String(length=34), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_conversation", "audit", ["conversation_sid", "id"], unique=False)
    op.create_table(
        "conversation_worker",
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("conversation_sid", sa.String(length=34), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("seen_version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("identity", "conversation_sid"),
        sqlite_with_rowid=False,
    )
    op.create_index("conversation_worker_by_conversation", "conversation_worker", ["conversation_sid"], unique=False)
    op.create_index("conversation_worker_by_end", "conversation_worker", ["identity", "closed_at"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("message_sid", sa.String(length=34), nullable=False),
        sa.Column("participant_sid", sa.String(length=34), nullable=False),
        sa.Column("conversation_sid", sa.String(length=34), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_sid", "participant_sid"),
        sqlite_with_rowid=False,
    )
    op.create_index("delivery_by_conversation", "delivery", ["conversation_sid"], unique=False)
    op.create_table(
        "message",
        sa.Column("conversation_sid", sa.String(length=34), nullable=False),
        sa.Column("message_index", SERIAL, nullable=False),
        sa.Column("message_sid", sa.String(length=34), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("media", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column(
            "effect_key",
            sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("conversation_sid", "message_index"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "note",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("conversation_sid", sa.String(length=34), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("note_by_conversation", "note", ["conversation_sid", "id"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("identity", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("oidc_subject", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identity"),
        sa.UniqueConstraint("login"),
        sa.UniqueConstraint("oidc_subject"),
    )
    op.create_table(
        "signin",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", SERIAL, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("signin_by_person", "signin", ["person_id"], unique=False)
    op.create_table(
        "silence",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "subscription",
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("person_id", SERIAL, nullable=False),
        sa.Column("p256dh", sa.Text(), nullable=False),
        sa.Column("auth", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("endpoint"),
    )
    op.create_index("subscription_by_person", "subscription", ["person_id"], unique=False)
    given_up = sa.text("status IN ('parked', 'rejected')")
    op.create_index(
        "outbox_given_up", "outbox", ["seq"], unique=False, sqlite_where=given_up, postgresql_where=given_up
    )
    _enter_workers()


def _enter_workers() -> None:
    connection = op.get_bind()
    snapshots = connection.execute(
        sa.text(
            "SELECT sid, state, version, updated_at, snapshot FROM conversation WHERE snapshot LIKE '%\"workers\"%'"
        )
    )
    found = [
        {
            "identity": worker["identity"].casefold(),
            "sid": row.sid,
            "since": row.updated_at,
            "seen": row.version,
            "closed": row.updated_at if row.state == "closed" else None,
        }
        for row in snapshots
        for worker in json.loads(row.snapshot)["workers"]
    ]
    entered = sa.text(
        "INSERT INTO conversation_worker (identity, conversation_sid, since, seen_version, closed_at) "
        "VALUES (:identity, :sid, :since, :seen, :closed) ON CONFLICT DO NOTHING"
    )
    if found:
        connection.execute(entered, found)
