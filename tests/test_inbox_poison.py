"""What raises when it is decided: it holds up nobody else, is tried again, and is parked."""

import pytest

from orchestrator import taking
from orchestrator.taking import POISON_BACKOFF_MS, POISON_TRIES, admit_result
from states.conversation import Conversation, Decision
from states.decide import decide
from states.events import BotReplied, Event
from states.names import MessageSid
from states.roles import Knowledge
from storage.codec import decode
from storage.schema import conversation, history, inbox
from tests.stores import Store, column, customer, member, message, sid, started
from tests.taken import heard, indexes, next_index, snapshot, waiting

MINUTE_MS = 60_000


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Bodies of messages, and identities, that cannot be decided."""
    bodies = {"poison"}

    def brittle(before: Conversation, event: Event, now: int) -> Decision:
        told = getattr(event, "body", None) or getattr(event, "identity", None) or getattr(event, "message", None)
        if told in bodies:
            raise ZeroDivisionError("by design")
        return decide(before, event, now)

    monkeypatch.setattr(taking, "decide", brittle)
    return bodies


def due_again(store: Store) -> None:
    """Time passes until what waits is due, and it is looked at as the looker does."""
    [row] = waiting(store)
    store.clock.now = row["due_at"]
    store.look()


def test_what_raises_holds_up_nobody_else(store: Store, poisoned: set[str]) -> None:
    assert store.take(started(), message(0), message(1, "poison"), message(2)) == [True] * 4
    assert indexes(store) == [0, 2]
    assert next_index(store) == 3


def test_what_raises_is_tried_five_times_within_a_minute_then_parked(store: Store, poisoned: set[str]) -> None:
    store.take(started(), message(0), message(1, "poison"))
    began = store.clock()
    waits = []
    while waiting(store):
        waits.append(waiting(store)[0]["due_at"] - store.clock())
        due_again(store)
    assert waits == [POISON_BACKOFF_MS * 2**n for n in range(POISON_TRIES - 1)]
    assert store.clock() - began <= MINUTE_MS
    [parked] = store.rows(inbox, status="parked")
    assert (parked["tries"], parked["last_error"]) == (POISON_TRIES, "ZeroDivisionError: by design")
    assert decode(parked["event"]) == message(1, "poison")
    assert store.rows(conversation)[0]["has_waiting"] is False


def test_what_is_parked_stays_parked_when_it_is_told_or_seen_again(store: Store, poisoned: set[str]) -> None:
    store.take(started(), message(0), message(1, "poison"))
    while waiting(store):
        due_again(store)
    poisoned.clear()
    assert store.take(message(1, "poison")) == [False]
    store.look(message(1, "poison"))
    assert indexes(store) == [0]


def test_what_raised_and_does_so_no_more_is_decided_late(store: Store, poisoned: set[str]) -> None:
    store.take(started(), message(0), message(1, "poison"), message(2))
    poisoned.clear()
    due_again(store)
    assert [(event.index, event.late) for event in heard(store)] == [(0, False), (2, False), (1, True)]
    assert waiting(store) == []


def test_looks_and_copies_before_its_time_do_not_use_up_its_tries(store: Store, poisoned: set[str]) -> None:
    stranger = member("poison", 2)
    known = Knowledge(frozenset({"poison"}), sure=True)
    store.take(started(), message(0))
    store.take(stranger, known=known)
    for _ in range(POISON_TRIES):
        store.look(members=[customer(), stranger], known=known)
        store.take(stranger, known=known)
    assert column(waiting(store), "tries") == [1]
    store.clock.advance(POISON_BACKOFF_MS)
    store.look(members=[customer(), stranger], known=known)
    assert column(waiting(store), "tries") == [2]


def test_other_messages_do_not_use_up_its_tries(store: Store, poisoned: set[str]) -> None:
    store.take(started(), message(0), message(1, "poison"), *(message(i) for i in range(2, 9)))
    assert column(waiting(store), "tries") == [1]
    assert indexes(store) == [0, *range(2, 9)]


def test_a_poisoned_conversation_leaves_its_neighbours_alone(store: Store, poisoned: set[str]) -> None:
    store.take(started(), message(0, "poison"))
    store.take(started("+15550100002"), message(0, "hi", "+15550100002", number=100), conversation=2)
    assert [event.body for event in heard(store)] == ["hi"]


def test_a_result_that_raises_is_tried_again_and_decided_when_it_no_longer_does(
    store: Store, poisoned: set[str]
) -> None:
    store.take(started(), message(0))
    answer = BotReplied(MessageSid(sid("IM", 0)), "poison", "no", turn=0)
    version = snapshot(store).version
    with store.unit() as unit:
        admit_result(unit, sid("CH", 1), f"{sid('CH', 1)}/2/1", answer)
    [kept] = store.rows(inbox, status="waiting")
    assert decode(kept["event"]) == answer
    assert snapshot(store).version == version
    assert store.take(message(1)) == [True]
    poisoned.clear()
    due_again(store)
    assert waiting(store) == []
    assert answer in [decode(text) for text in column(store.rows(history), "event")]
