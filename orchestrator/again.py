"""Deciding what was decided again: the history has every event and its time, and a decision depends on nothing else."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from states.conversation import Conversation, Decision
from states.decide import decide
from states.errors import DecisionError
from states.explaining import Explanation, explain
from states.table import REPLAYED, VERSION
from storage import codec
from storage.errors import UnknownCodec


@dataclass(frozen=True, slots=True)
class Retold:
    """One history row with its reasons. `explanation` is None where it would be a guess, and `unsure` says why;
    `after` is None where the snapshot at this version cannot be had any more."""

    row: Row[Any]
    explanation: Explanation | None
    after: Conversation | None
    unsure: str | None = None


def decided_again(stored: Conversation, rows: Iterable[Row[Any]]) -> Iterator[Decision]:
    """The decisions that a conversation's history rows, in order, record. Raises what `decide` raises where the table
    has no place any more for what it had one for, and UnknownCodec."""
    current = _newborn(stored)
    for row in rows:
        decision = decide(current, codec.decode(row.event), row.at)
        yield decision
        current = decision.conversation


def retold(stored: Conversation, rows: Iterable[Row[Any]]) -> list[Retold]:
    """Each history row, in order, with the reason for it and the snapshot after it. Never raises for a history: what
    an older table decided, or what comes out otherwise today, is said to be so."""
    current: Conversation | None = _newborn(stored)
    told: list[Retold] = []
    for row in rows:
        step = _again(current, row)
        told.append(step)
        current = step.after
    return told


def name_of_row(row: Row[Any]) -> str:
    """The name of the table's row that fired. Before revision 0002 it was stored whole."""
    return str(row.row) if row.row.startswith(f"{row.source}/") else f"{row.source}/{row.trigger}{row.row}"


def _newborn(stored: Conversation) -> Conversation:
    return Conversation(sid=stored.sid, created_at=stored.created_at, updated_at=stored.created_at)


def _again(before: Conversation | None, row: Row[Any]) -> Retold:
    by = f"version {row.table_version} of the table"
    if before is None:
        return Retold(row, None, None, _LOST)
    try:
        event = codec.decode(row.event)
        decision, explanation = decide(before, event, row.at), explain(before, event, row.at)
    except (DecisionError, UnknownCodec) as error:
        return Retold(row, None, None, f"Decided by {by}; it cannot be decided again: {error}.")
    same = (decision.source, decision.dest, decision.row) == (row.source, row.dest, name_of_row(row))
    after = decision.conversation if same else None
    if row.table_version not in REPLAYED:
        return Retold(row, None, after, f"Decided by {by}; today's is {VERSION}, and may have other reasons.")
    if not same:
        return Retold(row, None, None, f"Decided by {by}; deciding it again gives another row than was recorded.")
    older = None if row.table_version == VERSION else f"Decided by {by}, as today's {VERSION} decides it."
    return Retold(row, explanation, after, older)


_LOST = "What was known before it cannot be decided again, nor why it was decided so."
