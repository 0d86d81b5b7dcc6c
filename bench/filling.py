"""A database with many conversations in it: one that the service made, copied under other SIDs."""

import json
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, String, Table, Text, func, insert, select, update

from storage.opening import writing
from storage.schema import conversation, history, inbox, outbox

STEP = 20_000
TABLES = (conversation, history, inbox, outbox)


def fill(database: Path, how_many: int, progress: Callable[[int], None]) -> None:
    """Copy the only conversation until there are `how_many`; nothing of it is still to be done."""
    url = f"sqlite+aiosqlite:///{database}"
    with writing(url) as connection:
        connection.execute(update(outbox).values(status="done", done_at=0))
        template, address = connection.execute(select(conversation.c.sid, conversation.c.address)).one()
    for first in range(1, how_many, STEP):
        with writing(url) as connection:
            for table in TABLES:
                _copy(connection, table, (template, address), first, min(first + STEP, how_many))
        progress(min(first + STEP, how_many))
    with writing(url) as connection:
        connection.exec_driver_sql("ANALYZE")


def _copy(connection: Connection, table: Table, template: tuple[str, str], first: int, end: int) -> None:
    """One copy of the template's rows, with another SID and another address, for each number from `first` to `end`."""
    numbers = func.json_each(json.dumps(list(range(first, end)))).table_valued("value", joins_implicitly=True)
    sid, address = template
    fresh_sid, fresh_address = (func.printf(form, numbers.c.value) for form in ("CHfff%029x", "+1666%07d"))
    own = [column for column in table.columns if column.name not in ("id", "seq")]
    copied = [
        func.replace(func.replace(column, sid, fresh_sid), address, fresh_address)
        if isinstance(column.type, String | Text)
        else column
        for column in own
    ]
    of = table.c.sid if table is conversation else table.c.conversation_sid
    connection.execute(insert(table).from_select([column.name for column in own], select(*copied).where(of == sid)))


def size_bytes(database: Path) -> int:
    """What the database takes on the disk, its log included."""
    return sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*"))
