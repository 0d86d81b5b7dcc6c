"""The outbox's indexes on SQLite once more, with conditions that cost a row next to nothing.

Of `status IN (...)` SQLite makes a table anew for each row it writes, and there are three of them. PostgreSQL keeps its
own.

A file has one service, so no version before this one runs on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them anew: the file of a busy year takes some seconds."""
    if op.get_bind().dialect.name == "sqlite":
        _again("outbox_open", ["lane", "seq"], ["pending", "running", "retrying", "ambiguous"])
        _again("outbox_due", ["due_at", "seq"], ["pending", "retrying", "ambiguous"])
        _again("outbox_given_up", ["seq"], ["parked", "rejected"])


def _again(name: str, columns: list[str], statuses: list[str]) -> None:
    condition = " OR ".join(f"status = '{status}'" for status in statuses)
    op.drop_index(name, table_name="outbox")
    op.create_index(name, "outbox", columns, unique=False, sqlite_where=sa.text(condition))
