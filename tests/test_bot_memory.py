"""What a model is told of the conversation: its own turn, before the message asked about, and no more than fits."""

from collections.abc import AsyncIterator

import pytest

from orchestrator.bots.memory import LAST, Memory, Said
from orchestrator.bots.sight import Sight
from orchestrator.ports import Question
from orchestrator.taking import admit_result
from states.events import BotReplied, CustomerFound
from states.names import MessageSid
from storage.readers import Readers
from tests.stores import ADDRESS, Store, message, sid, started


@pytest.fixture
async def readers(store: Store) -> AsyncIterator[Readers]:
    readers = Readers(store.url)
    yield readers
    await readers.close()


def question(number: int) -> Question:
    return Question(sid("CH", 1), sid("IM", number), ADDRESS, "x", "awaiting_choice")


def exchange(store: Store, number: int) -> None:
    """A message, and two texts in answer."""
    store.take(message(number - 1, number=number, body=f"q{number}"))
    store.clock.advance(10)
    answered = BotReplied(MessageSid(sid("IM", number)), f"a{number}", "no", turn=0, more=(f"b{number}",))
    with store.unit() as unit:
        admit_result(unit, sid("CH", 1), "test", answered)


async def test_what_was_said_before_is_told_oldest_first(store: Store, readers: Readers) -> None:
    store.take(started())
    exchange(store, 1)
    exchange(store, 2)
    said = await Memory(readers).before(question(2))
    assert said == [Said("customer", "q1"), Said("bot", "a1"), Said("bot", "b1")]
    assert await Memory(readers).before(question(1)) == []


async def test_no_more_is_told_than_fits(store: Store, readers: Readers) -> None:
    store.take(started())
    for number in range(1, 10):
        exchange(store, number)
    said = await Memory(readers).before(question(9))
    assert len(said) == LAST
    assert said[-3:] == [Said("customer", "q8"), Said("bot", "a8"), Said("bot", "b8")]


async def test_the_name_is_the_crms_else_what_the_customer_told(store: Store, readers: Readers) -> None:
    store.take(started(), message(0, number=1))
    sight = Sight(("name",), readers)
    assert await sight.of(question(1)) == {}
    told = BotReplied(MessageSid(sid("IM", 1)), "Hi", "no", turn=0, told={"display_name": "Mia"})
    with store.unit() as unit:
        admit_result(unit, sid("CH", 1), "test", told)
    assert await sight.of(question(1)) == {"name": "Mia"}
    with store.unit() as unit:
        admit_result(unit, sid("CH", 1), "test", CustomerFound("1", "Maria Sanchez"))
    assert await sight.of(question(1)) == {"name": "Maria Sanchez"}
    assert await Sight((), readers).of(question(1)) == {}
