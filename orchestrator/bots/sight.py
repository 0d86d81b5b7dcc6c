"""What a bot sees of the customer besides his words: a pseudonym, and what BOT_SEES declares."""

from collections.abc import Collection
from hashlib import sha256

from sqlalchemy import Connection, select

from orchestrator.ports import Question
from states.texts import primary
from storage import codec
from storage.readers import Readers
from storage.schema import conversation

SEES = ("name", "language", "address")


def session_of(question: Question) -> str:
    """A name for this conversation that is the same each time and says nothing of the customer or the account."""
    return sha256(f"bot/{question.conversation_sid}".encode()).hexdigest()[:32]


class Sight:
    """Tells a bot what it may see. `usual`: the language of whoever has told no other."""

    def __init__(self, sees: Collection[str] = (), readers: Readers | None = None, usual: str = "en") -> None:
        self._sees = frozenset(sees)
        self._readers = readers
        self._usual = usual

    def language(self, question: Question) -> str:
        """The language to ask a bot in, which must be told one: the customer's where that is to be seen."""
        return primary(question.language) or self._usual if "language" in self._sees else self._usual

    async def of(self, question: Question) -> dict[str, str]:
        """Of name, language and address what is declared and known. Raises StorageError."""
        seen = {"address": question.author, "language": question.language}
        if "name" in self._sees and self._readers is not None:
            seen["name"] = await self._readers.read(lambda connection: _name(connection, question.conversation_sid))
        return {name: value for name, value in sorted(seen.items()) if name in self._sees and value}


def _name(connection: Connection, sid: str) -> str | None:
    """What the customer is called: as the CRM has him, else as he has told the bot."""
    row = connection.execute(select(conversation).where(conversation.c.sid == sid)).one_or_none()
    if row is None:
        return None
    snapshot = codec.decode_conversation(row)
    return snapshot.customer.display_name if snapshot.customer else (snapshot.told or {}).get("display_name")
