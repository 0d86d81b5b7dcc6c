"""STOP, START and HELP: which messages are the words, and what a decision makes of whoever has said them."""

import pytest
from msgspec.structs import replace

from states.conversation import Claim, Conversation
from states.decide import decide
from states.events import CustomerOptedOut, Event, MessageReceived, NobodyAvailable
from states.keywords import Keyword, read_keyword
from states.names import ConversationSid, MessageSid, WorkerSid

MARIA, OTHER = "+15550100001", "+15550100002"
ROUTING = Conversation(ConversationSid("CH1"), 0, 0, state="routing", address=MARIA, waiting_since=5, turn=2)


def wrote(body: str, author: str = MARIA, stopped: bool | None = None) -> MessageReceived:
    return MessageReceived(MessageSid("IM1"), 0, author, body, stopped=stopped)


def after(conversation: Conversation, *events: Event) -> Conversation:
    for event in events:
        conversation = decide(conversation, event, 1).conversation
    return conversation


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        *(
            (word, "stop")
            for word in [
                "STOP",
                "STOPALL",
                "UNSUBSCRIBE",
                "CANCEL",
                "END",
                "QUIT",
                "REVOKE",
                "OPTOUT",
                "ARRET",
                "ALTO",
                "PARAR",
            ]
        ),
        *((word, "start") for word in ("START", "UNSTOP", "YES", "Sí", "oui")),
        *((word, "help") for word in ("HELP", "INFO", "AYUDA", "AIDE")),
        ("  stop\n", "stop"),
        ("Arrêt", "stop"),
        ("Arre\u0302t", "stop"),
    ],
)
def test_a_word_counts_in_any_case_and_with_or_without_accents(text: str, keyword: Keyword) -> None:
    assert read_keyword(MARIA, text) == keyword
    assert read_keyword(f"whatsapp:{MARIA}", text.lower()) == keyword


@pytest.mark.parametrize("text", ["", "STOP it", "please stop", "STOP.", "S T O P", "help me", "stop" * 100])
def test_a_word_counts_only_where_it_is_all_there_is(text: str) -> None:
    assert read_keyword(MARIA, text) is None


@pytest.mark.parametrize("author", ["maria", "maria@example.test"])
def test_in_a_chat_there_are_no_such_words(author: str) -> None:
    assert read_keyword(author, "STOP") is None


def test_whoever_waits_and_says_stop_leaves_the_queue_and_is_assigned_to_nobody() -> None:
    claimed = replace(ROUTING, claim=Claim("ada@example.test", WorkerSid("WK1"), 5, named=False))
    stopped = after(claimed, wrote("STOP"))
    assert (stopped.state, stopped.waiting_since, stopped.claim) == ("awaiting_choice", None, None)
    assert [claim.identity for claim in stopped.withdrawn] == ["ada@example.test"]


def test_nothing_is_said_whichever_row_speaks() -> None:
    silenced = replace(ROUTING, silenced=(MARIA,), waiting_since=None)
    assert decide(silenced, NobodyAvailable(2), 1).effects == ()


def test_each_of_several_customers_takes_back_his_own_word_alone() -> None:
    both = after(replace(ROUTING, state="awaiting_choice"), wrote("STOP"), wrote("STOP", OTHER))
    assert both.silenced == (MARIA, OTHER)
    assert after(both, wrote("START")).silenced == (OTHER,)
    assert after(both, wrote("START"), wrote("UNSTOP", OTHER)).silenced == ()


def test_what_was_said_in_another_conversation_counts_in_this_one() -> None:
    fresh = replace(ROUTING, state="greeting")
    assert after(fresh, wrote("Hello", stopped=True)).silenced == (MARIA,)
    back = decide(replace(fresh, silenced=(MARIA,)), wrote("Hello", stopped=False), 1)
    assert (back.conversation.silenced, back.dest) == ((), "awaiting_choice")


def test_twilio_may_say_that_the_customer_said_stop() -> None:
    assert after(ROUTING, CustomerOptedOut("error 21610")).silenced == (MARIA,)
    assert after(replace(ROUTING, address=None), CustomerOptedOut()).silenced == ()
