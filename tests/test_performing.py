"""Sending a message: when it is looked for before it is sent, and from when on its quiet period counts."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from orchestrator.adapters.guarded_crm import GuardedCrm
from orchestrator.adapters.menu_bot import MenuBot
from orchestrator.directory import Directory
from orchestrator.errors import Ambiguous, Held, NotProcessed
from orchestrator.performing import Performer
from orchestrator.ports import Conversations, Crm, Published
from orchestrator.returning import Returning
from states.effects import SendMessage
from storage.engine import writing_engine
from storage.lanes import Due
from storage.schema import outbox
from storage.writer import Writer, wall_clock
from tests.stores import Store, column, new_store, sid

QUIET_S, TIMEOUT_S = 0.4, 0.2
LONG_AGO_MS = 60_000
OURS = Published(sid("IM", 1), 1, "system", "Hello", 0, None, "2026-11-22T12:00:00Z", "key")


@dataclass
class Twilio:
    """Notes what it is asked. `found`: what its looks find, one after another; a failure is raised."""

    found: list[Published | Exception | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def send_message(self, *_call: object) -> Published:
        self.asked.append("send")
        return OURS

    async def find_sent(self, *_call: object) -> Published | None:
        self.asked.append("look")
        answer = self.found.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    with new_store(tmp_path_factory.mktemp("store")) as store:
        yield store


async def perform(store: Store, twilio: Twilio, status_before: str, age_ms: int = 0) -> int | None:
    """Send a message whose attempt began `age_ms` ago; how much later it was stamped anew, None if it was not."""
    intent_at = wall_clock() - age_ms
    ch, key = sid("CH", 1), f"{sid('CH', 1)}/1/0"
    row = {"key": key, "conversation_sid": ch, "lane": ch, "kind": "send_message", "payload": "", "status": "running"}
    with store.unit() as unit:
        unit.connection.execute(
            outbox.insert().values(
                **row, owner=0, attempts=1, created_at=intent_at, due_at=intent_at, intent_at=intent_at
            )
        )
    writer = Writer(writing_engine(store.url), wall_clock)
    crm = GuardedCrm(cast(Crm, None), lambda: 0.0)
    port = cast(Conversations, twilio)
    returning = cast(Returning, None)
    performer = Performer(port, None, Directory(None), MenuBot(), crm, writer, QUIET_S, TIMEOUT_S, returning=returning)
    due = Due(key, ch, ch, "send_message", "", status_before, 1, intent_at, intent_at, -1, None, None)
    try:
        outcome = await performer.perform(due, SendMessage("Hello"))
    finally:
        await writer.close()
    assert (outcome.status, outcome.result_sid, outcome.index) == ("done", OURS.message_sid, OURS.index)
    [stamped] = column(store.rows(outbox), "intent_at")
    return None if stamped == intent_at else stamped - intent_at


async def test_what_was_never_tried_is_sent_at_once(store: Store) -> None:
    twilio = Twilio()
    assert await perform(store, twilio, "pending") is None
    assert twilio.asked == ["send"]


async def test_the_quiet_period_of_what_waited_for_its_turn_counts_from_its_sending(store: Store) -> None:
    stamped = await perform(store, Twilio(), "pending", LONG_AGO_MS)
    assert stamped is not None
    assert stamped >= LONG_AGO_MS


async def test_what_is_found_is_not_sent(store: Store) -> None:
    twilio = Twilio([OURS])
    await perform(store, twilio, "ambiguous")
    assert twilio.asked == ["look"]


async def test_what_a_lagging_list_may_lack_is_looked_for_twice(store: Store) -> None:
    twilio = Twilio([None, None])
    assert await perform(store, twilio, "ambiguous") is not None
    assert twilio.asked == ["look", "look", "send"]


async def test_what_no_list_can_lack_any_more_is_looked_for_once(store: Store) -> None:
    twilio = Twilio([None])
    assert await perform(store, twilio, "ambiguous", LONG_AGO_MS) is not None
    assert twilio.asked == ["look", "send"]


@pytest.mark.parametrize(
    ("failure", "raised"), [(Ambiguous("500"), NotProcessed), (NotProcessed("429"), NotProcessed), (Held("401"), Held)]
)
async def test_a_look_that_fails_leaves_no_more_doubt_than_there_was(
    store: Store, failure: Exception, raised: type[Exception]
) -> None:
    twilio = Twilio([failure])
    with pytest.raises(raised):
        await perform(store, twilio, "ambiguous")
    assert twilio.asked == ["look"]
