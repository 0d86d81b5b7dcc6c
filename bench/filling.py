"""A database with many conversations in it: one that the service made, copied under other SIDs."""

import json
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, String, Table, Text, func, insert, select, update

from bench.letters import local_number, sid
from storage.opening import writing
from storage.schema import conversation, history, inbox, outbox

STEP = 20_000
# Far from the numbers of the conversations that webhooks tell of.
SIDE = 2 * 10**9
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
    pairs = [(sid("CH", SIDE + number), f"+1666{local_number(number)}") for number in range(first, end)]
    copies = func.json_each(json.dumps(pairs)).table_valued("value", joins_implicitly=True)
    old_sid, old_address = template
    new_sid, new_address = (func.json_extract(copies.c.value, f"$[{place}]") for place in (0, 1))
    own = [column for column in table.columns if column.name not in ("id", "seq")]
    copied = [
        func.replace(func.replace(column, old_sid, new_sid), old_address, new_address)
        if isinstance(column.type, String | Text)
        else column
        for column in own
    ]
    of = table.c.sid if table is conversation else table.c.conversation_sid
    connection.execute(insert(table).from_select([column.name for column in own], select(*copied).where(of == old_sid)))


def size_bytes(database: Path) -> int:
    """What the database takes on the disk, its log included."""
    return sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*"))
