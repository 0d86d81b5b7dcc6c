"""What was said in this turn of the bot, for those who keep no conversation themselves: read from the history.

Nothing of what a worker and the customer wrote to each other is told, nor of an earlier turn, and no more than LAST
messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from orchestrator.ports import Question
from states.events import BotReplied, MessageReceived
from storage import codec
from storage.readers import Readers
from storage.schema import history

LAST = 12
_ROWS_MAX = 60


@dataclass(frozen=True, slots=True)
class Said:
    """Something the customer or the bot said."""

    by: Literal["customer", "bot"]
    text: str


class Memory:
    """Reads the bot's turn."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def before(self, question: Question) -> list[Said]:
        """What was said in this turn before the message asked about, oldest first. Raises StorageError."""
        rows = await self._readers.read(lambda connection: _newest(connection, question.conversation_sid))
        in_turn = takewhile(lambda row: row.dest == "awaiting_choice", rows)
        return list(reversed([*_said(in_turn, question.message_sid)][:LAST]))


def _newest(connection: Connection, sid: str) -> list[Row[Any]]:
    columns = history.c.trigger, history.c.dest, history.c.event
    query = select(*columns).where(history.c.conversation_sid == sid).order_by(history.c.version.desc())
    return list(connection.execute(query.limit(_ROWS_MAX)))


def _said(rows: Iterable[Row[Any]], asked_about: str) -> Iterable[Said]:
    """From the newest back; what came after the message asked about is no part of it."""
    is_before = False
    for row in rows:
        if row.trigger not in ("message_received", "bot_replied"):
            continue
        event = codec.decode(row.event)
        if isinstance(event, MessageReceived):
            if is_before and event.body:
                yield Said("customer", event.body)
            is_before = is_before or event.message_sid == asked_about
        elif isinstance(event, BotReplied) and is_before:
            yield from (Said("bot", text) for text in reversed((event.message, *event.more)) if text)
