"""Who is who: which event a fact is, with TaskRouter and without, and when that must be looked up first."""

import dataclasses

import pytest
from msgspec.structs import replace

from states.conversation import Claim, Conversation, Present
from states.events import (
    ConversationClosed,
    ConversationStarted,
    CustomerJoined,
    MessageReceived,
    WorkerJoined,
    WorkerLeft,
)
from states.facts import MessagePublished, ParticipantGone, ParticipantPresent
from states.names import ConversationSid, MessageSid, ParticipantSid
from states.roles import Knowledge, Unsure, event_of, is_channel_address

ADA = "Ada@Example.test"
MARIA, PROXY = "+15550100001", "+15550100999"
ADAS, MARIAS, OTHERS = ParticipantSid("MB1"), ParticipantSid("MB9"), ParticipantSid("MB5")

FRESH = Conversation(ConversationSid("CH1"), 0, 0)
SMS = replace(FRESH, address=MARIA, proxy_address=PROXY, customer_sid=MARIAS)
CHAT = replace(FRESH, address="maria", customer_sid=MARIAS)

TEAM = Knowledge(frozenset({ADA.casefold()}))
TEAM_ASKED = dataclasses.replace(TEAM, sure=True)
NO_TASKROUTER = Knowledge(None)
NO_TASKROUTER_ASKED = Knowledge(None, sure=True)
EVERYBODY = [TEAM, TEAM_ASKED, NO_TASKROUTER, NO_TASKROUTER_ASKED]


def published(author: str, sid: ParticipantSid | None = OTHERS) -> MessagePublished:
    return MessagePublished(MessageSid("IM1"), 4, author, "Hello", 1, sid)


def received(author: str, sid: ParticipantSid | None = OTHERS) -> MessageReceived:
    return MessageReceived(MessageSid("IM1"), 4, author, "Hello", 1, sid)


@pytest.mark.parametrize(
    ("author", "is_channel"),
    [
        ("+15550100001", True),
        ("whatsapp:+15550100001", True),
        ("messenger:123456", True),
        ("WhatsApp:+15550100001", True),
        ("rcs:maria", True),
        ("maria", False),
        ("ada@example.test", False),
        ("system", False),
        ("+", False),
        ("whatsapp:", False),
        ("my:name", False),
        ("", False),
    ],
)
def test_an_address_of_a_channel_is_told_from_an_identity(author: str, is_channel: bool) -> None:
    assert is_channel_address(author) is is_channel


# Participants


@pytest.mark.parametrize("known", EVERYBODY)
def test_a_participant_with_an_address_is_a_customer(known: Knowledge) -> None:
    fact = ParticipantPresent(MARIAS, None, MARIA, PROXY)
    assert event_of(fact, FRESH, known) == CustomerJoined(MARIAS, MARIA, PROXY)


@pytest.mark.parametrize("known", [TEAM, TEAM_ASKED])
@pytest.mark.parametrize("identity", [ADA, "ada@example.test", "ADA@EXAMPLE.TEST"])
@pytest.mark.parametrize("conversation", [FRESH, SMS, CHAT])
def test_an_identity_of_a_worker_is_a_worker_in_any_letter_case(
    conversation: Conversation, identity: str, known: Knowledge
) -> None:
    assert event_of(ParticipantPresent(ADAS, identity), conversation, known) == WorkerJoined(identity, ADAS)


@pytest.mark.parametrize("conversation", [FRESH, SMS, CHAT])
def test_with_taskrouter_another_identity_is_looked_up_and_then_a_customer(conversation: Conversation) -> None:
    fact = ParticipantPresent(OTHERS, "maria")
    with pytest.raises(Unsure, match="maria"):
        event_of(fact, conversation, TEAM)
    assert event_of(fact, conversation, TEAM_ASKED) == CustomerJoined(OTHERS, identity="maria")


@pytest.mark.parametrize("known", [NO_TASKROUTER, NO_TASKROUTER_ASKED])
def test_without_taskrouter_an_identity_beside_a_channel_customer_is_a_worker(known: Knowledge) -> None:
    assert event_of(ParticipantPresent(ADAS, ADA), SMS, known) == WorkerJoined(ADA, ADAS)


@pytest.mark.parametrize("conversation", [FRESH, CHAT])
def test_without_taskrouter_an_identity_alone_is_looked_up_and_then_a_customer(conversation: Conversation) -> None:
    fact = ParticipantPresent(OTHERS, ADA)
    with pytest.raises(Unsure):
        event_of(fact, conversation, NO_TASKROUTER)
    assert event_of(fact, conversation, NO_TASKROUTER_ASKED) == CustomerJoined(OTHERS, identity=ADA)


PEOPLE = Knowledge(None, people=frozenset({ADA.casefold()}))


@pytest.mark.parametrize("conversation", [FRESH, CHAT, SMS])
@pytest.mark.parametrize("known", [PEOPLE, dataclasses.replace(PEOPLE, sure=True)])
def test_without_taskrouter_who_signs_in_here_is_a_worker_in_a_chat_too(
    conversation: Conversation, known: Knowledge
) -> None:
    assert event_of(ParticipantPresent(ADAS, ADA), conversation, known) == WorkerJoined(ADA, ADAS)
    assert event_of(published("ADA@example.test", ADAS), conversation, known) is None
    assert event_of(ParticipantGone(ADAS, ADA), conversation, known) == WorkerLeft(ADAS, ADA)


def test_without_taskrouter_an_identity_like_a_workers_is_a_customer_in_a_chat() -> None:
    known = dataclasses.replace(PEOPLE, sure=True)
    for identity in (f"{ADA}.evil.test", f"x{ADA}", "ada"):
        assert event_of(ParticipantPresent(OTHERS, identity), CHAT, known) == CustomerJoined(OTHERS, identity=identity)


def test_with_taskrouter_signing_in_makes_no_worker() -> None:
    known = Knowledge(frozenset({"grace@example.test"}), sure=True, people=frozenset({ADA.casefold()}))
    assert event_of(ParticipantPresent(OTHERS, ADA), CHAT, known) == CustomerJoined(OTHERS, identity=ADA)


@pytest.mark.parametrize("known", EVERYBODY)
def test_an_identity_with_an_address_of_its_own_is_a_customer(known: Knowledge) -> None:
    fact = ParticipantPresent(MARIAS, ADA, MARIA, PROXY)
    assert event_of(fact, SMS, known) == CustomerJoined(MARIAS, MARIA, PROXY, ADA)


# Messages


@pytest.mark.parametrize("known", EVERYBODY)
@pytest.mark.parametrize("conversation", [FRESH, SMS])
def test_a_message_from_a_channel_address_is_a_customers(conversation: Conversation, known: Knowledge) -> None:
    assert event_of(published(MARIA, MARIAS), conversation, known) == received(MARIA, MARIAS)


@pytest.mark.parametrize("known", EVERYBODY)
def test_a_message_of_the_customers_participant_is_his_under_any_author(known: Knowledge) -> None:
    assert event_of(published("Maria", MARIAS), SMS, known) == received("Maria", MARIAS)


@pytest.mark.parametrize("known", EVERYBODY)
@pytest.mark.parametrize("conversation", [FRESH, SMS, CHAT])
def test_what_the_program_wrote_itself_is_nothing_to_decide(conversation: Conversation, known: Knowledge) -> None:
    assert event_of(published("system", None), conversation, known) is None


@pytest.mark.parametrize("known", [TEAM, TEAM_ASKED])
def test_a_workers_message_is_nothing_to_decide(known: Knowledge) -> None:
    assert event_of(published(ADA.upper(), ADAS), SMS, known) is None


@pytest.mark.parametrize("known", EVERYBODY)
def test_a_message_of_a_worker_who_is_here_is_nothing_to_decide_under_any_author(known: Knowledge) -> None:
    here = replace(SMS, workers=(Present(ADA, ADAS),))
    assert event_of(published("Ada", ADAS), here, known) is None


def test_a_message_of_another_identity_is_looked_up_and_then_a_chat_customers() -> None:
    with pytest.raises(Unsure):
        event_of(published("maria"), FRESH, TEAM)
    assert event_of(published("maria"), FRESH, TEAM_ASKED) == received("maria")


def test_without_taskrouter_a_message_of_an_identity_beside_a_channel_customer_is_a_workers() -> None:
    assert event_of(published(ADA), SMS, NO_TASKROUTER) is None


def test_without_taskrouter_a_message_of_an_identity_alone_is_looked_up_and_then_a_chat_customers() -> None:
    with pytest.raises(Unsure):
        event_of(published("maria"), FRESH, NO_TASKROUTER)
    assert event_of(published("maria"), FRESH, NO_TASKROUTER_ASKED) == received("maria")


@pytest.mark.parametrize("author", ["console", "+15550100777"])
def test_a_message_that_no_participant_wrote_is_no_customers(author: str) -> None:
    assert event_of(published(author, None), SMS, TEAM_ASKED) is None


# Somebody who took it over and is no worker of TaskRouter

BOSS = "Boss@Example.test"
BOSSES = ParticipantSid("MB3")
ON_HIS_WAY = Claim(BOSS, None, 0, named=False)


@pytest.mark.parametrize("known", [TEAM, TEAM_ASKED])
@pytest.mark.parametrize(
    "conversation", [replace(SMS, claim=ON_HIS_WAY), replace(CHAT, withdrawn=(ON_HIS_WAY,))], ids=["sms", "chat"]
)
def test_whom_we_are_adding_ourselves_joins_writes_and_leaves_as_a_worker(
    conversation: Conversation, known: Knowledge
) -> None:
    identity = BOSS.casefold()
    assert event_of(ParticipantPresent(BOSSES, identity), conversation, known) == WorkerJoined(identity, BOSSES)
    assert event_of(ParticipantGone(BOSSES, identity), conversation, known) == WorkerLeft(BOSSES, identity)
    assert event_of(published(identity, BOSSES), conversation, known) is None


@pytest.mark.parametrize("known", [TEAM, TEAM_ASKED])
def test_who_joined_so_is_a_worker_whatever_is_told_of_him_later(known: Knowledge) -> None:
    here = replace(SMS, workers=(Present(BOSS, BOSSES),))
    assert event_of(ParticipantPresent(BOSSES, BOSS), here, known) == WorkerJoined(BOSS, BOSSES)
    assert event_of(published(BOSS, BOSSES), here, known) is None
    assert event_of(ParticipantGone(BOSSES, BOSS), here, known) == WorkerLeft(BOSSES, BOSS)


@pytest.mark.parametrize("known", [TEAM, TEAM_ASKED])
def test_what_he_wrote_and_is_told_after_he_left_is_no_customers(known: Knowledge) -> None:
    assert event_of(published(BOSS, BOSSES), replace(SMS, gone=(BOSSES,)), known) is None


# Leaving


@pytest.mark.parametrize("known", EVERYBODY)
@pytest.mark.parametrize("identity", [None, ADA])
def test_a_worker_who_is_here_leaves(identity: str | None, known: Knowledge) -> None:
    here = replace(SMS, workers=(Present(ADA, ADAS),))
    assert event_of(ParticipantGone(ADAS, identity), here, known) == WorkerLeft(ADAS, identity)


def test_a_worker_whose_joining_was_not_told_yet_leaves() -> None:
    assert event_of(ParticipantGone(ADAS, ADA.upper()), SMS, TEAM) == WorkerLeft(ADAS, ADA.upper())


@pytest.mark.parametrize("conversation", [FRESH, SMS, CHAT])
def test_whether_a_worker_left_whose_joining_was_not_told_is_looked_up(conversation: Conversation) -> None:
    """Else one who left before the workers were first read would be taken for present when his joining is told."""
    unread = Knowledge(frozenset())
    with pytest.raises(Unsure):
        event_of(ParticipantGone(ADAS, ADA), conversation, unread)
    assert event_of(ParticipantGone(ADAS, ADA), conversation, TEAM_ASKED) == WorkerLeft(ADAS, ADA)
    assert event_of(ParticipantGone(OTHERS, "maria"), conversation, TEAM_ASKED) is None


@pytest.mark.parametrize("known", [NO_TASKROUTER, NO_TASKROUTER_ASKED])
def test_without_taskrouter_who_leaves_a_channel_customer_was_a_worker(known: Knowledge) -> None:
    assert event_of(ParticipantGone(ADAS, ADA), SMS, known) == WorkerLeft(ADAS, ADA)


@pytest.mark.parametrize("conversation", [FRESH, CHAT])
def test_without_taskrouter_who_leaves_nobody_of_a_channel_is_looked_up_and_was_a_customer(
    conversation: Conversation,
) -> None:
    with pytest.raises(Unsure):
        event_of(ParticipantGone(OTHERS, ADA), conversation, NO_TASKROUTER)
    assert event_of(ParticipantGone(OTHERS, ADA), conversation, NO_TASKROUTER_ASKED) is None


@pytest.mark.parametrize("known", EVERYBODY)
@pytest.mark.parametrize("fact", [ParticipantGone(MARIAS), ParticipantGone(MARIAS, "maria"), ParticipantGone(OTHERS)])
def test_a_customer_who_leaves_is_nothing_to_decide(fact: ParticipantGone, known: Knowledge) -> None:
    assert event_of(fact, SMS, known) is None


# What is nobody's


@pytest.mark.parametrize("known", EVERYBODY)
@pytest.mark.parametrize("fact", [ConversationStarted(MARIA, PROXY, "Maria"), ConversationClosed("removed")])
def test_a_fact_about_the_conversation_is_its_own_event(
    fact: ConversationStarted | ConversationClosed, known: Knowledge
) -> None:
    assert event_of(fact, FRESH, known) is fact


@pytest.mark.parametrize("known", EVERYBODY)
def test_a_worker_about_to_be_removed_is_a_worker_still(known: Knowledge) -> None:
    leaving = replace(SMS, leaving=(Present(ADA, ADAS),))
    assert event_of(published(ADA, ADAS), leaving, known) is None
    assert event_of(ParticipantGone(ADAS, ADA), leaving, known) == WorkerLeft(ADAS, ADA)
