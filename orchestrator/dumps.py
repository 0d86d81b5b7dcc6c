"""The JSON that tells why a conversation is where it is: the same for the debug routes and the commands."""

import json
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import Row

from orchestrator.again import decided_again, name_of_row
from states.conversation import FLEX, Conversation
from states.decide import triggers_in
from states.table import REPLAYED
from storage.conversations import Dump, Summary
from storage.pruning import KEYS_LIVE_MS


def iso(ms: int | None) -> str | None:
    """Milliseconds since 1970 as ISO 8601, UTC, with milliseconds."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def summary(found: Summary) -> dict[str, Any]:
    """A conversation without its triggers, history and effects."""
    return {
        **snapshot(found.conversation),
        "undecided": [inbox_row(row) for row in found.undecided],
        "flex": _flex(found.conversation),
    }


def snapshot(conversation: Conversation) -> dict[str, Any]:
    """What a conversation is at one version."""
    customer = conversation.customer
    worker = conversation.workers[-1].identity if conversation.workers else None
    if conversation.flex is not None and conversation.flex.joined:
        worker = FLEX
    return {
        "conversation_sid": conversation.sid,
        "state": conversation.state,
        "version": conversation.version,
        "address": conversation.address,
        "proxy_address": conversation.proxy_address,
        "customer": None
        if customer is None
        else {
            "customer_id": customer.customer_id,
            "display_name": customer.display_name,
            "avatar": customer.avatar,
        },
        "worker": None if worker is None else {"identity": worker},
        "language": conversation.language,
        "told": conversation.told or {},
        "created_at": iso(conversation.created_at),
        "updated_at": iso(conversation.updated_at),
    }


def full(dump: Dump, now: int) -> dict[str, Any]:
    """Everything, at `now` (milliseconds since 1970): the summary, what may happen next, what happened, and what was
    asked of the world, of which `effects` has what is not yet pruned."""
    born = _asked_for(dump, now)
    return {
        **summary(dump),
        "available_triggers": triggers_in(dump.conversation.state),
        "history": [history_row(row, born.get(row.version, [])) for row in dump.history],
        "effects": [effect_row(row) for row in dump.effects],
    }


def _flex(conversation: Conversation) -> dict[str, Any] | None:
    """The customer's stay in Flex, if he is there or on his way."""
    stay = conversation.flex
    if stay is None:
        return None
    return {"conversation_sid": stay.sid or None, "joined": stay.joined, "agents": list(stay.agents)}


def _asked_for(dump: Dump, now: int) -> dict[int, list[str]]:
    """Version to the keys of the effects that its decision asked for. Where they may have been pruned it is decided
    again, as long as the table decides as the one that decided then."""
    born: dict[int, list[str]] = {}
    for effect in dump.effects:
        born.setdefault(int(effect.key.split("/")[1]), []).append(effect.key)
    if dump.conversation.created_at <= now - KEYS_LIVE_MS:
        same = takewhile(lambda row: row.table_version in REPLAYED, dump.history)
        for decision in decided_again(dump.conversation, same):
            born[decision.conversation.version] = [keyed.key for keyed in decision.effects]
    return born


def history_row(row: Row[Any], effects: list[str]) -> dict[str, Any]:
    """One decision: the event, the row of the table that fired, and the keys of the effects it asked for."""
    return {
        "version": row.version,
        "at": iso(row.at),
        "trigger": row.trigger,
        "source": row.source,
        "dest": row.dest,
        "row": name_of_row(row),
        "event": json.loads(row.event),
        "effects": effects,
    }


def effect_row(row: Row[Any]) -> dict[str, Any]:
    """What was asked of the world, and how far that is."""
    return {
        "key": row.key,
        "kind": row.kind,
        "lane": row.lane,
        "status": row.status,
        "attempts": row.attempts,
        "created_at": iso(row.created_at),
        "due_at": iso(row.due_at),
        "done_at": iso(row.done_at),
        "result_sid": row.result_sid,
        "last_error": row.last_error,
        "payload": json.loads(row.payload),
    }


def inbox_row(row: Row[Any]) -> dict[str, Any]:
    """An event that is not decided, and why."""
    return {
        "key": row.key,
        "kind": row.kind,
        "status": row.status,
        "received_at": iso(row.received_at),
        "due_at": iso(row.due_at),
        "tries": row.tries,
        "reason": row.last_error,
    }
