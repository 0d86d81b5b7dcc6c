"""A customer who is given to a worker, taken back and given to him again: he is with him in the end."""

from states.conversation import Conversation
from states.decide import decide
from states.effects import RemoveParticipant
from states.events import Event, HandedToBot, HandedToWorker, WorkerJoined
from states.names import ConversationSid, ParticipantSid, WorkerSid

ADA, ADAS = "ada@example.test", ParticipantSid("MB1")


def test_whoever_is_here_is_not_turned_away_for_an_earlier_wish_that_was_withdrawn() -> None:
    """Each wish has an adding of its own under way, and each of them tells that he has joined."""
    wish = HandedToWorker(ADA, WorkerSid("WK1"), 10, "boss")
    told: list[Event] = [wish, HandedToBot("boss"), wish, HandedToBot("boss"), wish]
    conversation = Conversation(ConversationSid("CH1"), 0, 0, "awaiting_choice")
    for now, event in enumerate([*told, *[WorkerJoined(ADA, ADAS)] * 3]):
        decision = decide(conversation, event, now)
        conversation = decision.conversation
        assert not any(isinstance(keyed.effect, RemoveParticipant) for keyed in decision.effects)
    assert [worker.identity for worker in conversation.workers] == [ADA]
    assert (conversation.state, conversation.claim, conversation.withdrawn) == ("with_worker", None, ())
