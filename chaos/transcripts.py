"""Holding what customers see in Twilio's transcripts against what the service has decided and done.

`orchestrator.verifying` asks whether the store is sound and whether the ledger agrees with it; here it is asked whether
every message a customer wrote was heard once, and every answer of ours stands there once.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from orchestrator.sandbox.records import Conversation, Message
from orchestrator.verifying import Stores, replayed, verify
from states.conversation import Conversation as Decided
from states.names import ConversationSid
from storage.schema import OPEN_STATUSES, conversation, history, inbox, look, outbox
from storage.writer import wall_clock

Entry = dict[str, Any]
# Whatever is still open when everything has come to rest counts as stuck, however young it is.
LATER_MS = 3_600_000


def violations(connection: Connection, world: Iterable[Conversation], ledger: Sequence[Entry]) -> list[str]:
    """Everything that should not be, once everything has come to rest."""
    world = list(world)
    checked = verify(Stores(connection, wall_clock() + LATER_MS, ledger))
    found = [f"{name}: {line}" for name, lines in checked.items() for line in lines]
    found += heard_once(connection, world)
    found += answered_once(connection, world)
    found += joined_once(connection, world, ledger)
    found += nobody_waits(connection)
    return found


def is_restless(connection: Connection, world: Iterable[Conversation]) -> bool:
    """Whether anything is under way, a customer's message has not been heard yet, or somebody waits for a worker."""
    under_way = (
        select(func.count()).select_from(outbox).where(outbox.c.status.in_(OPEN_STATUSES)),
        select(func.count()).select_from(inbox).where(inbox.c.status == "waiting"),
        select(func.count()).select_from(look),
    )
    if any(connection.execute(query).scalar_one() for query in under_way) or any(nobody_waits(connection)):
        return True
    told = select(func.count()).where(history.c.trigger == "message_received")
    return bool(connection.execute(told).scalar_one() < len(written(world)))


def written(world: Iterable[Conversation]) -> dict[str, str]:
    """The customers' messages: SID to conversation SID."""
    return {
        message.sid: it.sid
        for it in world
        for message in it.messages.values()
        if message.author in {who.binding.address for who in it.channel_participants() if who.binding}
    }


def is_ours(message: Message) -> bool:
    """Whether the program said it, be it under somebody else's name."""
    return message.author == "system" or '"expert_hub"' in message.attributes


def heard(connection: Connection) -> Counter[str]:
    """How often each customer's message was decided, by SID."""
    rows = connection.execute(select(history.c.event).where(history.c.trigger == "message_received")).scalars()
    return Counter(_field(event, "message_sid") for event in rows)


def heard_once(connection: Connection, world: Iterable[Conversation]) -> Iterator[str]:
    """Each message of a customer was decided exactly once."""
    expected, found = written(world), heard(connection)
    yield from (f"{sid}: written in {where} and never heard" for sid, where in expected.items() if not found[sid])
    yield from (f"{sid}: heard {times} times" for sid, times in found.items() if times > 1)
    yield from (f"{sid}: heard and never written" for sid in found if sid not in expected)


def answered_once(connection: Connection, world: Iterable[Conversation]) -> Iterator[str]:
    """What we said stands in the transcripts, each effect's message once, and each question has one answer."""
    ours = [message for it in world for message in it.messages.values() if is_ours(message)]
    tags = Counter(json.loads(message.attributes)["expert_hub"]["key"] for message in ours)
    rows = connection.execute(select(outbox.c.key, outbox.c.status).where(outbox.c.kind == "send_message"))
    for key, status in rows:
        if tags[key] != (status == "done"):
            yield f"{key}: {status}, and stands in the transcript {tags[key]} times"
    answers = Counter(
        _field(event, "message_sid")
        for event in connection.execute(
            select(history.c.event).where(history.c.trigger.in_(("bot_replied", "bot_failed")))
        ).scalars()
    )
    asked = Counter(
        _field(payload, "message_sid")
        for payload in connection.execute(select(outbox.c.payload).where(outbox.c.kind == "ask_bot")).scalars()
    )
    if answers != asked or set(asked.values()) - {1}:
        yield f"the bot was asked {asked.total()} times, and {answers.total()} answers were taken in"


def joined(connection: Connection) -> set[str]:
    """The participants of whom the service knows that they joined as workers, by SID."""
    rows = connection.execute(select(history.c.event).where(history.c.trigger == "worker_joined")).scalars()
    return {_field(event, "participant_sid") for event in rows}


def joined_once(connection: Connection, world: Iterable[Conversation], ledger: Iterable[Entry]) -> Iterator[str]:
    """One worker at most is with each customer, and Twilio added as many as were decided on."""
    for it in world:
        identities = [who.identity for who in it.participants.values() if who.identity]
        if len(identities) > 1:
            yield f"{it.sid}: {len(identities)} workers are in it"
    added = Counter(
        entry["path"].split("/")[-2]
        for entry in ledger
        if entry["kind"] == "rest" and entry["path"].endswith("/Participants") and entry["committed"]
    )
    wanted = Counter(
        connection.execute(select(outbox.c.conversation_sid).where(outbox.c.kind == "add_participant")).scalars()
    )
    yield from (f"{sid}: {n} workers added, {wanted[sid]} decided on" for sid, n in added.items() if n != wanted[sid])


def passed_over(connection: Connection, available: Collection[str]) -> Iterator[str]:
    """Whoever was assigned to a customer who asked for anybody, and not for whom he knows, had been idle longest.
    `available`: the identities of those who were available all along.

    The assignments are replayed in the order in which they were claimed. That is the order of what they asked for: a
    claim holds the record of assignments until it is committed, and adding the worker is written down in between.
    """
    turns: dict[str, int] = {}
    for turn, (sid, version, event) in enumerate(_claims(connection)):
        chosen = str(event["identity"])
        if not event.get("named") and not event.get("considered"):
            ahead = {who for who in available if (turns.get(who, -1), who) < (turns.get(chosen, -1), chosen)}
            if ahead and (ahead := ahead.difference(_refused(connection, sid, version))):
                yield f"{sid}/{version}: {chosen} was chosen, though {', '.join(sorted(ahead))} had been idle longer"
        turns[chosen] = turn


def _claims(connection: Connection) -> list[tuple[str, int, dict[str, Any]]]:
    """Conversation, version and event of each assignment, in the order they were claimed."""
    adds = select(outbox.c.key, outbox.c.seq).where(outbox.c.kind == "add_participant")
    order = {key.rpartition("/")[0]: seq for key, seq in connection.execute(adds)}
    found = select(history.c.conversation_sid, history.c.version, history.c.event).where(
        history.c.trigger == "worker_found"
    )
    claims = [(row.conversation_sid, row.version, json.loads(row.event)) for row in connection.execute(found)]
    return sorted(claims, key=lambda claim: order[f"{claim[0]}/{claim[1]}"])


def _refused(connection: Connection, sid: str, version: int) -> tuple[str, ...]:
    """Who could not be added to the conversation in the search that was under way at this version."""
    created_at = connection.execute(select(conversation.c.created_at).where(conversation.c.sid == sid)).scalar_one()
    rows = connection.execute(
        select(history)
        .where(history.c.conversation_sid == sid, history.c.version < version)
        .order_by(history.c.version)
    ).all()
    return replayed(Decided(ConversationSid(sid), created_at=created_at, updated_at=created_at), rows).refused


def nobody_waits(connection: Connection) -> Iterator[str]:
    """No customer who has written is left ungreeted, and none is still being routed while workers are available."""
    rows = connection.execute(select(conversation.c.sid, conversation.c.state))
    yield from (f"{sid}: still in {state}" for sid, state in rows if state in ("greeting", "routing"))


def _field(coded: str, name: str) -> str:
    return str(json.loads(coded)[name])
