"""Deciding what was decided again: the history has every event and its time, and a decision depends on nothing else."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Row

from states.conversation import Conversation, Decision
from states.decide import decide
from storage import codec


def decided_again(stored: Conversation, rows: Iterable[Row[Any]]) -> Iterator[Decision]:
    """The decisions that a conversation's history rows, in order, record. Raises what `decide` raises where the table
    has no place any more for what it had one for, and UnknownCodec."""
    current = Conversation(sid=stored.sid, created_at=stored.created_at, updated_at=stored.created_at)
    for row in rows:
        decision = decide(current, codec.decode(row.event), row.at)
        yield decision
        current = decision.conversation
