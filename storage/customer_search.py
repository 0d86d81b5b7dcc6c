"""Finding any part of a name, a channel or a number in a book of 100,000 customers.

SQLite has the texts once more in an FTS5 table of trigrams, PostgreSQL an index of pg_trgm; both find what contains a
text of three letters or more. Shorter ones, a book small enough for its owner, and a database that has neither index
are read through: 100,000 rows in some 20 ms, and a page of what is found often sooner.
"""

from sqlalchemy import Connection, Select, bindparam, column, func, select, table, text

from storage.schema import customer

FEW = 5_000  # customers of one worker that are read sooner than the index is
_GRAM = 3  # letters
_HAS_INDEX = text("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'customer_text')")
_texts = table("customer_text", column("rowid"), column("customer_text"))


def containing(
    conn: Connection, wanted: Select[*tuple[object, ...]], part: str, owner: str | None
) -> Select[*tuple[object, ...]]:
    """`wanted` customers, those of `owner` or all, narrowed to those whose search text contains `part` (folded)."""
    if conn.dialect.name == "postgresql":
        if len(part) < _GRAM:
            return wanted.where(func.strpos(customer.c.search, part) > 0)
        return wanted.where(customer.c.search.contains(part, autoescape=True))
    # Not LIKE: instr is exact, and faster where everything is read.
    found = wanted.where(func.instr(customer.c.search, part) > 0)
    if len(part) < _GRAM or "\0" in part or not conn.scalar(_HAS_INDEX) or _has_few(conn, owner):
        return found
    phrase = '"' + part.replace('"', '""') + '"'
    # In the order of the index, and joined, so that it stops at a page.
    return (
        found.join(_texts, _texts.c.rowid == customer.c.id)
        .where(_texts.c.customer_text.op("MATCH")(bindparam("phrase", phrase)))
        .order_by(None)
        .order_by(_texts.c.rowid)
    )


def _has_few(conn: Connection, owner: str | None) -> bool:
    if owner is None:
        return False
    his = select(customer.c.id).where(customer.c.worker == owner).order_by(customer.c.id)
    return conn.scalar(his.limit(1).offset(FEW)) is None
