"""Notes: what workers write for each other beside a conversation; its customer never sees them."""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from storage.schema import note
from storage.unit import Unit


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody noted. `at`: milliseconds since 1970; `author`: an identity or a login."""

    at: int
    author: str
    body: str


def add(unit: Unit, sid: str, author: str, body: str, at: int) -> None:
    """Note something about a conversation."""
    unit.connection.execute(insert(note).values(conversation_sid=sid, author=author, body=body, at=at))
    unit.touch(sid)


def of(connection: Connection, sid: str) -> list[Note]:
    """The notes about a conversation, oldest first."""
    query = select(note).where(note.c.conversation_sid == sid).order_by(note.c.id)
    return [Note(row.at, row.author, row.body) for row in connection.execute(query)]
