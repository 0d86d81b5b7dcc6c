"""What leaves no key is taken once all the same: told again in the same transaction, in the next one, in any order."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from orchestrator.seeing import Sighting, see
from orchestrator.taking import take
from orchestrator.verifying import known_keys
from states.events import ConversationClosed
from states.facts import Fact
from states.roles import Knowledge
from storage.schema import history, inbox
from storage.unit import About
from tests.places import Place
from tests.stores import NOON, SURE, UNSURE, WORKER, Store, column, customer, member, message, report, started
from tests.stores import sid as sid_of

CLOSED = ConversationClosed("API")


def tell(place: Place, facts: Sequence[Fact], known: Knowledge = UNSURE, at: int = NOON) -> list[bool]:
    return place.do(lambda unit: [take(unit, report(fact), known) for fact in facts], at)


def decided(place: Place) -> list[str]:
    return [row["trigger"] for row in place.rows(history)]


@pytest.mark.parametrize("told", [2, 3], ids=["twice", "three times"])
def test_copies_in_one_transaction_are_taken_once(place: Place, told: int) -> None:
    once = [True] + [False] * (told - 1)
    assert tell(place, [fact for fact in (started(), message(0), CLOSED) for _ in range(told)]) == once * 3
    assert decided(place) == ["conversation_started", "message_received", "conversation_closed"]


def test_copies_in_later_transactions_are_taken_once(place: Place) -> None:
    for fact in (started(), message(0), message(1), CLOSED):
        assert [tell(place, [fact]) for _ in range(3)] == [[True], [False], [False]]
    assert decided(place) == ["conversation_started", "message_received", "message_received", "conversation_closed"]


@pytest.mark.parametrize("order", list(permutations([started(), customer(), message(0)])), ids=range(6))
def test_in_whatever_order_they_come_each_is_taken_once(place: Place, order: Sequence[Fact]) -> None:
    for known in (SURE, UNSURE, SURE):
        tell(place, order, known)
        tell(place, order, known)
    assert sorted(decided(place)) == ["conversation_started", "customer_joined", "message_received"]
    assert place.rows(inbox, status="waiting") == []


def test_what_a_look_found_is_known_when_its_webhook_comes(place: Place) -> None:
    tell(place, [started(), message(0)])
    seen = Sighting(sid_of("CH", 1), [message(1), message(2)])
    assert place.do(lambda unit: see(unit, seen, SURE)) == 2
    assert tell(place, [message(2), message(1), message(3)]) == [False, False, True]
    assert place.do(lambda unit: see(unit, seen, SURE)) == 0


def test_what_waited_keeps_its_key_and_is_taken_once(place: Place) -> None:
    tell(place, [started(), message(0)])
    assert tell(place, [message(2), message(2)]) == [True, False]
    assert column(place.rows(inbox), "key", "status") == [(f"onMessageAdded/{sid_of('IM', 2)}", "waiting")]
    assert tell(place, [message(1), message(2), message(1)]) == [True, False, False]
    assert (f"onMessageAdded/{sid_of('IM', 2)}", "done") in column(place.rows(inbox), "key", "status")
    assert place.rows(inbox, status="waiting") == []
    assert decided(place).count("message_received") == 3


def test_what_was_taken_is_told_with_its_key_or_without(place: Place) -> None:
    tell(place, [started(), customer(), message(0), message(1, author="system", participant=None)])
    names = [("onConversationAdded", "CH"), ("onParticipantAdded", "MB"), ("onMessageAdded", "IM")]
    told = {f"{kind}/{sid_of(letters, 1 if letters != 'IM' else 0)}" for kind, letters in names}
    assert place.read(known_keys) == told | {f"onMessageAdded/{sid_of('IM', 1)}"}


def test_what_a_look_saw_a_worker_write_is_kept_when_its_webhook_comes(place: Place) -> None:
    """History has no worker's message: without a key, the checker would call its webhook lost."""
    written = message(1, author=WORKER, participant=2)
    tell(place, [started(), message(0), member(WORKER, 2)])
    place.do(lambda unit: see(unit, Sighting(sid_of("CH", 1), [written]), SURE))
    assert tell(place, [written]) == [False]
    assert f"onMessageAdded/{sid_of('IM', 1)}" in place.read(known_keys)


def test_nearly_every_webhook_writes_no_row_of_the_inbox_and_asks_no_history(store: Store) -> None:
    facts = [started(), message(0), message(1), message(2)]
    with store.asked() as asked, store.unit() as unit:
        unit.read_ahead([About(sid_of("CH", 1), report(fact).key) for fact in facts])
        assert [take(unit, report(fact), UNSURE) for fact in facts] == [True] * 4
    assert [text for text in asked if "INTO inbox" in text or "FROM history" in text] == []
    assert sum("FROM inbox" in text for text in asked) == 1
