"""The table walked as a graph: the shortest way to every state, and that it leads there."""

from collections import deque

import pytest

from states.conversation import Conversation
from states.decide import decide
from states.events import (
    BotReplied,
    CallMissed,
    ConversationClosed,
    CustomerTransferred,
    Event,
    MessageReceived,
    WorkerJoined,
    WorkerLeft,
)
from states.names import ConversationSid, MessageSid, ParticipantSid
from states.table import INITIAL, OPEN, STATES, TRANSITIONS

Path = tuple[str, ...]

EXPECTED: dict[str, Path] = {
    "greeting": (),
    "awaiting_choice": ("message_received",),
    "routing": ("call_missed",),
    "with_worker": ("worker_joined",),
    "closed": ("conversation_closed",),
}

ADAS = ParticipantSid("MB1")
EVENTS: dict[str, Event] = {
    "message_received": MessageReceived(MessageSid("IM1"), 0, "+15550100001", "agent"),
    "bot_replied": BotReplied(MessageSid("IM1"), "One moment.", "agent", 0),
    "call_missed": CallMissed("CA1", "no_answer", "ada@example.test", wanted=True),
    "customer_transferred": CustomerTransferred("key-0001", "agent"),
    "worker_joined": WorkerJoined("ada@example.test", ADAS),
    "worker_left": WorkerLeft(ADAS, "ada@example.test"),
    "conversation_closed": ConversationClosed(),
}


def shortest_paths(start: str) -> dict[str, Path]:
    """The triggers of the shortest path from `start` to each state that can be reached, breadth first."""
    paths: dict[str, Path] = {start: ()}
    ahead = deque([start])
    while ahead:
        state = ahead.popleft()
        for row in TRANSITIONS:
            if state in row.sources and row.dest is not None and row.dest not in paths:
                paths[row.dest] = (*paths[state], row.trigger)
                ahead.append(row.dest)
    return paths


def test_every_state_is_reached_and_by_the_expected_path() -> None:
    assert shortest_paths(INITIAL) == EXPECTED
    assert set(EXPECTED) == set(STATES)


@pytest.mark.parametrize("state", STATES)
def test_the_shortest_path_leads_there(state: str) -> None:
    conversation = Conversation(ConversationSid("CH1"), 0, 0)
    for now, trigger in enumerate(EXPECTED[state], start=1):
        conversation = decide(conversation, EVENTS[trigger], now).conversation
    assert (conversation.state, conversation.version) == (state, len(EXPECTED[state]))


@pytest.mark.parametrize("state", OPEN)
def test_from_every_open_state_all_others_can_be_reached_but_the_greeting(state: str) -> None:
    assert set(shortest_paths(state)) | {"greeting"} == set(STATES)
    assert ("greeting" in shortest_paths(state)) is (state == "greeting")


def test_nothing_can_be_reached_from_closed() -> None:
    assert set(shortest_paths("closed")) == {"closed"}


def test_the_bot_has_the_turn_again_once_the_worker_left() -> None:
    conversation = Conversation(ConversationSid("CH1"), 0, 0)
    for now, trigger in enumerate(["message_received", "bot_replied", "worker_joined", "worker_left"]):
        conversation = decide(conversation, EVENTS[trigger], now).conversation
    assert conversation.state == "awaiting_choice"
    assert decide(conversation, EVENTS["message_received"], 9).effects[0].key == "CH1/5/0"
