"""What is left of a search when Flex has a part in it: who waits is told so once, and what was found ends with it."""

import pytest
from msgspec.structs import replace

from states import texts
from states.conversation import Conversation, Decision
from states.decide import decide
from states.effects import FindLongestIdle, SendMessage
from states.events import (
    CustomerTransferred,
    EffectFailed,
    Event,
    FlexJoined,
    FlexOpened,
    FlexSeen,
    HandedToFlex,
    HandedToWorker,
    NobodyAvailable,
)
from states.names import ConversationSid

ADA, JO = "ada@example.test", "jo@example.test"
WAITING = Conversation(
    ConversationSid("CH1"), 0, 0, "routing", 5, turn=1, waiting_since=3, refused=(ADA,), queue="Billing"
)


def after(conversation: Conversation, *events: Event) -> Decision:
    """The last decision, each event being told a millisecond after the one before."""
    for now, event in enumerate(events, conversation.updated_at + 1):
        decision = decide(conversation, event, now)
        conversation = decision.conversation
    return decision


def test_who_waits_again_because_flex_sends_him_back_keeps_his_place_and_is_not_told_twice() -> None:
    sent = after(WAITING, HandedToFlex("boss"), CustomerTransferred("KT000001", "agent"))
    assert sent.conversation.waiting_since == WAITING.waiting_since
    assert [keyed.effect for keyed in sent.effects] == [FindLongestIdle(3, (ADA,), "Billing")]
    told = after(sent.conversation, NobodyAvailable(3))
    assert [keyed.effect for keyed in told.effects if keyed.effect == SendMessage(texts.PLEASE_WAIT)] == []


def test_who_waits_again_because_his_worker_could_not_come_keeps_his_place_and_is_not_told_twice() -> None:
    given = HandedToWorker("boss", JO, "WK1", 8)
    failed = after(WAITING, HandedToFlex("boss"), given, EffectFailed("CH1/7/0", "add_participant", "refused"))
    assert failed.conversation.waiting_since == WAITING.waiting_since
    told = after(failed.conversation, NobodyAvailable(failed.conversation.turn))
    assert [keyed.effect for keyed in told.effects if keyed.effect == SendMessage(texts.PLEASE_WAIT)] == []


def test_once_flex_has_him_it_is_forgotten_whom_and_where_was_looked_for() -> None:
    """A later search would leave out who could not be added once, and look in a queue nobody asked for."""
    joined = after(WAITING, HandedToFlex("boss"), FlexOpened("CH1/6", "CH2", 0), FlexJoined("CH1/6", "CH2", "KD1"))
    assert (joined.dest, joined.conversation.refused, joined.conversation.queue) == ("with_worker", (), None)


@pytest.mark.parametrize(
    "ends",
    [
        (EffectFailed("CH1/6/0", "open_in_flex", "refused"),),
        (FlexOpened("CH1/6", "CH2", 0), FlexSeen("CH2", ended=True)),
        (CustomerTransferred("KT000001", "bot"),),
    ],
    ids=["refused", "ended there", "sent back to nobody"],
)
def test_who_comes_back_to_the_bot_without_having_been_there_is_searched_for_anew_next_time(
    ends: tuple[Event, ...],
) -> None:
    looked_for = replace(WAITING, waiting_since=None)
    back = after(looked_for, HandedToFlex("boss"), *ends).conversation
    assert (back.state, back.flex, back.refused, back.queue) == ("awaiting_choice", None, (), None)
