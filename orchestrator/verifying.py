"""The checker: holds the database, and the sandbox's ledger where there is one, against every promise made of them.

It is what each chaos run ends with, and `expert-hub verify` for whoever wants to know. Each check returns the
violations it found, in words; none means the promise holds.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, select

from orchestrator.again import decided_again
from states.conversation import Conversation
from states.table import INITIAL
from storage import codec
from storage.outbox import SENDS
from storage.schema import OPEN_STATUSES, conversation, history, inbox, outbox

FINAL_STATUSES = ("done", "skipped", "rejected", "parked")
STUCK_AFTER_MS = 60_000
_FACT_SID = {
    "onMessageAdded": "MessageSid",
    "onParticipantAdded": "ParticipantSid",
    "onParticipantRemoved": "ParticipantSid",
    "onConversationAdded": "ConversationSid",
}


@dataclass(frozen=True, slots=True)
class Stores:
    """What is checked. `ledger`: the sandbox's entries, None where there is no sandbox to ask; `kept_since`: what was
    over before this time (milliseconds since 1970) may have been pruned, and is not missed."""

    connection: Connection
    now: int
    ledger: Sequence[dict[str, Any]] | None = None
    kept_since: int = 0


def verify(stores: Stores) -> dict[str, list[str]]:
    """Check name to the violations it found; an empty list where the promise holds."""
    checks: list[Callable[[Stores], Iterable[str]]] = [
        history_is_gap_free,
        version_is_number_of_rows,
        history_leads_to_the_stored_state,
        effects_have_an_end_or_a_next_time,
        nothing_is_stuck,
    ]
    if stores.ledger is not None:
        checks += [
            acknowledged_is_kept,
            created_at_most_once,
            created_in_lane_order,
            done_and_ledger_agree,
        ]
    return {check.__name__: list(check(stores)) for check in checks}


def _histories(stores: Stores) -> Iterator[tuple[str, list[Row[Any]]]]:
    rows = stores.connection.execute(select(history).order_by(history.c.conversation_sid, history.c.version))
    for sid, group in groupby(rows, key=lambda row: row.conversation_sid):
        yield sid, list(group)


def history_is_gap_free(stores: Stores) -> Iterator[str]:
    """Rows are numbered from 1 without gaps, and each begins in the state the one before it ended in."""
    for sid, rows in _histories(stores):
        state = INITIAL
        for expected, row in enumerate(rows, 1):
            if row.version != expected:
                yield f"{sid}: row {expected} is missing"
                break
            if row.source != state:
                yield f"{sid}/{row.version}: begins in {row.source}, but the row before it ended in {state}"
            state = row.dest


def version_is_number_of_rows(stores: Stores) -> Iterator[str]:
    """A conversation's version is the number of its history rows."""
    counts = {sid: len(rows) for sid, rows in _histories(stores)}
    for row in stores.connection.execute(select(conversation.c.sid, conversation.c.version)):
        if row.version != counts.pop(row.sid, 0):
            yield f"{row.sid}: version {row.version}, but another number of history rows"
    for sid in counts:
        yield f"{sid}: has history, but is not stored"


def history_leads_to_the_stored_state(stores: Stores) -> Iterator[str]:
    """Deciding the stored events again gives the stored snapshot."""
    histories = dict(_histories(stores))
    for row in stores.connection.execute(select(conversation)):
        stored = codec.decode_conversation(row)
        again = replayed(stored, histories.get(row.sid, []))
        if again != stored:
            yield f"{row.sid}: history leads to another snapshot than the stored one"


def replayed(stored: Conversation, rows: Sequence[Row[Any]]) -> Conversation:
    """What the history makes of a conversation that has just begun."""
    current = Conversation(sid=stored.sid, created_at=stored.created_at, updated_at=stored.updated_at)
    for decision in decided_again(stored, rows):
        current = decision.conversation
    return current


def effects_have_an_end_or_a_next_time(stores: Stores) -> Iterator[str]:
    """Each effect has a final status with its time, or an open one with the time it is due."""
    for row in stores.connection.execute(select(outbox)):
        if row.status in FINAL_STATUSES:
            if row.done_at is None:
                yield f"{row.key}: {row.status}, but not since when"
        elif row.status not in OPEN_STATUSES:
            yield f"{row.key}: of unknown status {row.status}"


def nothing_is_stuck(stores: Stores) -> Iterator[str]:
    """Nothing that is due has waited for more than a minute, but behind an open effect of its own lane."""
    overdue = stores.now - STUCK_AFTER_MS
    heads: dict[str, Row[Any]] = {}
    for row in stores.connection.execute(
        select(outbox).where(outbox.c.status.in_(OPEN_STATUSES)).order_by(outbox.c.seq)
    ):
        heads.setdefault(row.lane, row)
    for head in heads.values():
        since = head.intent_at if head.status == "running" else head.due_at
        if since < overdue:
            yield f"{head.key}: {head.status} and nothing happens"
    waiting = select(inbox.c.key).where(inbox.c.status == "waiting", inbox.c.due_at < overdue)
    yield from (f"{key}: waits and nothing happens" for key in stores.connection.execute(waiting).scalars())


def known_keys(connection: Connection) -> set[str]:
    """The keys of all webhooks that were taken in, as far as they tell of messages, participants and beginnings."""
    keys = set(connection.execute(select(inbox.c.key)).scalars())
    told = select(history.c.conversation_sid, history.c.event).where(
        history.c.trigger.in_(["conversation_started", "message_received"])
    )
    for sid, event in connection.execute(told):
        message_sid = getattr(codec.decode(event), "message_sid", None)
        keys.add(f"onConversationAdded/{sid}" if message_sid is None else f"onMessageAdded/{message_sid}")
    return keys


def acknowledged_is_kept(stores: Stores) -> Iterator[str]:
    """Each webhook that was answered 200 has its row in the inbox, for as long as rows are kept, or in history."""
    keys = known_keys(stores.connection)
    for entry in _kept(stores):
        form = entry["form"]
        name = _FACT_SID.get(form.get("EventType", ""))
        if entry["kind"] != "webhook" or entry["status"] != 200 or name is None:
            continue
        if not entry["path"].endswith("/post-event"):
            continue
        key = f"{form['EventType']}/{form[name]}"
        if key not in keys:
            yield f"{key}: answered 200 and not kept"


def _kept(stores: Stores) -> list[dict[str, Any]]:
    """The entries that are too young for anything of them to have been pruned."""
    return [entry for entry in stores.ledger or () if _ms(entry["at"]) >= stores.kept_since]


def _ms(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)


def _created(entries: Iterable[dict[str, Any]]) -> list[str]:
    """The effect keys of the messages the sandbox created, in the order it did."""
    keys = []
    for entry in entries:
        is_message = entry["kind"] == "rest" and entry["method"] == "POST" and entry["path"].endswith("/Messages")
        if is_message and entry.get("committed"):
            tag = json.loads(entry["form"].get("Attributes") or "{}").get("expert_hub", {})
            keys += [tag["key"]] if "key" in tag else []
    return keys


def created_at_most_once(stores: Stores) -> Iterator[str]:
    """No effect key was created twice."""
    created = _created(stores.ledger or ())
    seen: set[str] = set()
    for key in created:
        if key in seen:
            yield f"{key}: sent more than once"
        seen.add(key)


def created_in_lane_order(stores: Stores) -> Iterator[str]:
    """Messages of a conversation stand in it in the order their effects were decided."""
    last: dict[str, tuple[int, int]] = {}
    for key in dict.fromkeys(_created(stores.ledger or ())):
        sid, version, ordinal = key.split("/")
        place = (int(version), int(ordinal))
        if place < last.get(sid, (0, 0)):
            yield f"{key}: sent after a later one of its conversation"
        last[sid] = place


def done_and_ledger_agree(stores: Stores) -> Iterator[str]:
    """What is done was created, and what was created is an effect of ours, for as long as it is kept."""
    created = set(_created(stores.ledger or ()))
    rows = {
        row.key: row.status
        for row in stores.connection.execute(select(outbox.c.key, outbox.c.status).where(outbox.c.kind.in_(SENDS)))
    }
    yield from (
        f"{key}: done, but never created" for key, status in rows.items() if status == "done" and key not in created
    )
    expected = _created(_kept(stores))
    yield from (f"{key}: created, but no effect of ours" for key in expected if key not in rows)
