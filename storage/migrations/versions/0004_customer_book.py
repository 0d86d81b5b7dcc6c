"""The customer book for more than a demo: language and consent, and an index that finds any part of a name or a number.

Only adds, so that the version before goes on running on it. On SQLite the index is a table of its own, which triggers
keep right whoever writes; on PostgreSQL it is an index of the extension pg_trgm. Where neither can be had, a search
reads the book through.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the index, which knows the customers that are there already."""
    op.add_column("customer", sa.Column("language", sa.String(length=35), nullable=True))
    op.add_column("customer", sa.Column("consent", sa.Text(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        _index_postgresql()
    else:
        _index_sqlite()


def _index_sqlite() -> None:
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(
                "CREATE VIRTUAL TABLE customer_text USING fts5("
                "search, content='customer', content_rowid='id', tokenize='trigram case_sensitive 1')"
            )
    except sa.exc.OperationalError:  # built without FTS5, or before 3.34
        return
    enter = "INSERT INTO customer_text (rowid, search) VALUES (new.id, new.search);"
    remove = "INSERT INTO customer_text (customer_text, rowid, search) VALUES ('delete', old.id, old.search);"
    for name, when, work in (
        ("customer_text_added", "AFTER INSERT ON customer", enter),
        ("customer_text_removed", "AFTER DELETE ON customer", remove),
        ("customer_text_changed", "AFTER UPDATE OF id, search ON customer", f"{remove} {enter}"),
    ):
        connection.exec_driver_sql(f"CREATE TRIGGER {name} {when} BEGIN {work} END")
    connection.exec_driver_sql("INSERT INTO customer_text (customer_text) VALUES ('rebuild')")


def _index_postgresql() -> None:
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            # Trusted since PostgreSQL 13: whoever may create in the database may create it.
            connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            connection.exec_driver_sql("CREATE INDEX customer_by_text ON customer USING gin (search gin_trgm_ops)")
    except sa.exc.DBAPIError:
        return
