"""What a decision writes: texts and their parts, the bot's tries, claims, who is present, enrichment, effect keys."""

import pytest
from msgspec.structs import replace

from states import texts
from states.conversation import Claim, Conversation, Present, Profile
from states.decide import decide
from states.effects import (
    AddParticipant,
    AskBot,
    Effect,
    FindCustomer,
    FindLongestIdle,
    FindWorker,
    SendMessage,
    SetFriendlyName,
    SetParticipantAttributes,
    SetWorkerAttributes,
    lane_of,
)
from states.events import (
    ConversationClosed,
    ConversationStarted,
    CustomerFound,
    CustomerJoined,
    EffectFailed,
    MessageReceived,
    NobodyAvailable,
    WorkerFound,
    WorkerJoined,
    WorkerLeft,
)
from states.names import MessageSid, ParticipantSid, WorkerSid
from tests.decisions import (
    ADA,
    ADAS,
    AT_BOT,
    BOB,
    BOBS,
    FRESH,
    MARIA,
    MARIAS,
    ROUTING,
    SID,
    after,
    asked,
    effects_of,
    replied,
    wrote,
)


def test_a_long_answer_is_sent_as_several_messages_in_order() -> None:
    answer = "\n".join(f"line {number}" for number in range(400))
    sent = asked(AT_BOT, replied(message=answer))
    assert len(sent) == 3
    assert "\n".join(effect.body for effect in sent if isinstance(effect, SendMessage)).split() == answer.split()


# Keys and lanes


def test_effects_are_keyed_by_conversation_version_and_ordinal() -> None:
    started = replace(FRESH, version=41)
    assert [keyed.key for keyed in decide(started, wrote(), 5).effects] == ["CH1/42/0", "CH1/42/1", "CH1/42/2"]


def test_the_same_event_on_the_same_snapshot_decides_the_same() -> None:
    assert decide(FRESH, wrote(), 5) == decide(FRESH, wrote(), 5)


def test_effects_share_a_lane_where_their_order_matters() -> None:
    lanes: dict[Effect, str] = {
        SendMessage("Hello"): "CH1/customer",
        AddParticipant(ADA): "CH1/customer",
        AskBot(MessageSid("IM1"), MARIA, "Hello", "awaiting_choice", 0): "CH1/ask",
        FindWorker(ADA, turn=1): "CH1/find",
        FindLongestIdle(turn=1): "CH1/find",
        FindCustomer(MARIA): "CH1/side",
        SetFriendlyName("Maria"): "CH1/side",
        SetWorkerAttributes(WorkerSid("WK1"), 5): "WK1",
    }
    assert {effect: lane_of(effect, SID) for effect in lanes} == lanes
    assert lane_of(SetParticipantAttributes(None, MARIA, {}), SID) == "CH1/side"


# The first message and the bot's turn


def test_the_first_message_is_welcomed_put_to_the_bot_and_its_author_looked_up() -> None:
    decision = decide(FRESH, wrote(participant_sid=MARIAS), 5)
    assert effects_of(decision) == [
        SendMessage(texts.WELCOME),
        AskBot(MessageSid("IM0"), MARIA, "Hello", "awaiting_choice", turn=0, tries=0),
        FindCustomer(MARIA),
    ]
    assert (decision.conversation.address, decision.conversation.customer_sid) == (MARIA, MARIAS)


def tries_of(conversation: Conversation, event: MessageReceived) -> int:
    return next(effect.tries for effect in asked(conversation, event) if isinstance(effect, AskBot))


def test_the_bot_is_told_how_often_it_was_asked_before_in_this_turn() -> None:
    tries, conversation = [], FRESH
    for index in range(4):
        tries.append(tries_of(conversation, wrote(index)))
        conversation = after(conversation, wrote(index), replied(index))
    assert tries == [0, 1, 2, 3]


def test_the_tries_begin_anew_once_a_worker_has_left() -> None:
    fruitless = after(FRESH, wrote(0), replied(0), wrote(1), replied(1))
    back = after(fruitless, WorkerJoined(ADA, ADAS), WorkerLeft(ADAS))
    assert (back.state, tries_of(back, wrote(2))) == ("awaiting_choice", 0)


def test_the_tries_begin_anew_once_routing_has_failed() -> None:
    routed = after(FRESH, wrote(0), replied(0), wrote(1), replied(1, route="email", identity=ADA))
    back = after(routed, EffectFailed("CH1/4/1", "find_worker", "Rejected"))
    assert (back.state, back.turn, tries_of(back, wrote(2))) == ("awaiting_choice", 1, 0)


def test_an_answer_of_an_earlier_turn_is_kept_and_not_sent() -> None:
    back = after(FRESH, wrote(0), wrote(1), WorkerJoined(ADA, ADAS), WorkerLeft(ADAS))
    assert asked(back, replied(0)) == []
    assert asked(back, replied(1, route="agent")) == []
    assert asked(back, replied(2, turn=1)) == [SendMessage("Whom?")]


def test_a_late_message_is_answered_like_any_other() -> None:
    assert asked(after(FRESH, wrote(1)), wrote(0, late=True)) == [
        AskBot(MessageSid("IM0"), MARIA, "Hello", "awaiting_choice", turn=0, tries=1)
    ]


def test_without_a_workspace_the_customer_is_told_so_instead_of_the_bots_promise() -> None:
    decision = decide(AT_BOT, replied(message="One moment.", route="agent", routable=False), 5)
    assert (decision.dest, effects_of(decision)) == ("awaiting_choice", [SendMessage(texts.NO_ROUTING)])


# Looking for somebody


def test_the_worker_the_bot_names_is_looked_for_aloud_and_one_named_while_waiting_quietly() -> None:
    assert asked(AT_BOT, replied(route="email", identity=ADA))[-1] == FindWorker(ADA, turn=1)
    assert asked(ROUTING, wrote(1, f"get {ADA}!")) == [FindWorker(ADA, 1, quiet=True)]
    assert asked(ROUTING, replied(1, route="email", identity=BOB)) == [FindWorker(BOB, 1, quiet=True)]


def test_a_worker_found_is_claimed_and_added() -> None:
    decision = decide(ROUTING, WorkerFound(ADA, WorkerSid("WK1"), 77, 1, named=True), 5)
    assert decision.conversation.claim == Claim(ADA, WorkerSid("WK1"), 77, named=True)
    assert effects_of(decision) == [AddParticipant(ADA)]


CLAIMED = replace(ROUTING, claim=Claim(ADA, WorkerSid("WK1"), 77, named=False))


def test_a_claim_is_not_taken_over_by_a_second_worker() -> None:
    again = decide(CLAIMED, WorkerFound(BOB, WorkerSid("WK2"), 78, 1), 5)
    assert (again.conversation.claim, again.effects) == (CLAIMED.claim, ())


@pytest.mark.parametrize("identity", [ADA, "Ada@Example.TEST"])
def test_the_claimed_worker_joins_in_any_letter_case_and_the_time_of_it_is_written(identity: str) -> None:
    decision = decide(CLAIMED, WorkerJoined(identity, ADAS), 5)
    assert (decision.dest, decision.conversation.claim) == ("with_worker", None)
    assert effects_of(decision) == [SetWorkerAttributes(WorkerSid("WK1"), 77)]


def test_a_worker_who_joins_by_himself_is_not_assigned_and_the_claimed_one_still_comes() -> None:
    decision = decide(CLAIMED, WorkerJoined(BOB, BOBS), 5)
    assert (decision.dest, decision.conversation.claim, decision.effects) == ("with_worker", CLAIMED.claim, ())
    assert asked(decision.conversation, WorkerJoined(ADA, ADAS)) == [SetWorkerAttributes(WorkerSid("WK1"), 77)]


NOT_ADDED = EffectFailed("CH1/1/0", "add_participant", "Rejected")


def test_who_could_not_be_added_is_left_out_of_the_next_search() -> None:
    once = after(CLAIMED, NOT_ADDED)
    assert (once.claim, once.refused) == (None, (ADA,))
    twice = replace(once, claim=Claim(BOB, WorkerSid("WK2"), 78, named=False))
    assert asked(twice, NOT_ADDED) == [FindLongestIdle(1, (ADA, BOB))]


def test_a_claim_does_not_outlive_its_worker_who_could_not_join_another_who_did() -> None:
    with_bob = after(CLAIMED, WorkerJoined(BOB, BOBS), NOT_ADDED)
    assert (with_bob.state, with_bob.claim) == ("with_worker", None)
    again = after(with_bob, WorkerLeft(BOBS), wrote(1, "agent"), replied(1, route="agent", turn=1))
    assert asked(again, WorkerFound(ADA, WorkerSid("WK1"), 90, 2)) == [AddParticipant(ADA)]


def test_a_search_that_fails_while_somebody_is_on_his_way_changes_nothing() -> None:
    decision = decide(CLAIMED, EffectFailed("CH1/1/0", "find_worker", "Rejected"), 5)
    assert (decision.dest, decision.conversation.claim, decision.effects) == ("routing", CLAIMED.claim, ())


def test_the_customer_is_told_once_to_wait_and_keeps_his_place() -> None:
    decision = decide(ROUTING, NobodyAvailable(1), 5)
    assert effects_of(decision) == [SendMessage(texts.PLEASE_WAIT)]
    assert decision.conversation.waiting_since == 5
    claimed = after(decision.conversation, NobodyAvailable(1), WorkerFound(ADA, WorkerSid("WK1"), 77, 1), NOT_ADDED)
    assert claimed.waiting_since == 5
    assert asked(claimed, NobodyAvailable(1)) == []


# Who is here


def test_a_worker_is_present_once_however_often_his_joining_is_told() -> None:
    once = after(AT_BOT, WorkerJoined(ADA, ADAS))
    assert after(once, WorkerJoined(ADA, ADAS)).workers == once.workers == (Present(ADA, ADAS),)


def test_the_bot_has_the_turn_once_the_last_worker_left() -> None:
    both = after(AT_BOT, WorkerJoined(ADA, ADAS), WorkerJoined(BOB, BOBS))
    one = after(both, WorkerLeft(ADAS))
    assert (one.state, one.workers) == ("with_worker", (Present(BOB, BOBS),))
    assert (after(one, WorkerLeft(BOBS)).state, after(one, WorkerLeft(BOBS)).workers) == ("awaiting_choice", ())


def test_a_joining_told_after_the_leaving_is_known() -> None:
    left_first = after(AT_BOT, WorkerLeft(ADAS, ADA))
    assert after(left_first, WorkerJoined(ADA, ADAS)).state == "awaiting_choice"
    assert after(left_first, WorkerJoined(ADA, ParticipantSid("MB7"))).state == "with_worker"


def test_an_assigned_worker_whose_joining_is_told_after_his_leaving_ends_the_routing() -> None:
    decision = decide(after(CLAIMED, WorkerLeft(ADAS, ADA)), WorkerJoined(ADA, ADAS), 5)
    assert effects_of(decision) == [SetWorkerAttributes(WorkerSid("WK1"), 77)]
    assert (decision.dest, decision.conversation.claim) == ("awaiting_choice", None)


def test_of_those_who_left_the_last_twenty_are_remembered() -> None:
    left = [WorkerLeft(ParticipantSid(f"MB{number}")) for number in range(30)]
    assert after(AT_BOT, *left).gone == tuple(f"MB{number}" for number in range(10, 30))


def test_closing_forgets_the_routing() -> None:
    closed = after(replace(CLAIMED, waiting_since=3, refused=(BOB,)), ConversationClosed())
    assert (closed.state, closed.claim, closed.waiting_since, closed.refused) == ("closed", None, None, ())


# Who the customer is


def test_the_crm_is_asked_once_as_soon_as_an_address_is_known() -> None:
    joined = CustomerJoined(MARIAS, MARIA, "+15550100999")
    assert asked(FRESH, ConversationStarted(None, None)) == []
    assert asked(after(FRESH, ConversationStarted(None, None)), joined) == [FindCustomer(MARIA)]
    known = after(FRESH, ConversationStarted(MARIA, "+15550100999"), joined)
    assert (known.address, known.proxy_address, known.customer_sid) == (MARIA, "+15550100999", MARIAS)
    assert FindCustomer(MARIA) not in asked(known, wrote())


def test_a_customer_in_a_chat_is_known_by_his_identity() -> None:
    assert asked(FRESH, CustomerJoined(MARIAS, identity="maria")) == [FindCustomer("maria")]


def test_the_first_customer_stays_the_customer() -> None:
    both = after(FRESH, CustomerJoined(MARIAS, MARIA, "+15550100999"), CustomerJoined(BOBS, "+15550100002", "+1555"))
    assert (both.customer_sid, both.address, both.proxy_address) == (MARIAS, MARIA, "+15550100999")


def test_what_the_crm_knows_goes_to_the_conversation_and_to_the_customers_attributes() -> None:
    known = CustomerFound("1", "Maria Sanchez", "https://example.test/maria.png")
    decision = decide(replace(AT_BOT, customer_sid=MARIAS), known, 5)
    assert decision.conversation.customer == Profile("1", "Maria Sanchez", "https://example.test/maria.png")
    attributes = {"customer_id": "1", "display_name": "Maria Sanchez", "avatar": "https://example.test/maria.png"}
    assert effects_of(decision) == [
        SetFriendlyName("Maria Sanchez"),
        SetParticipantAttributes(MARIAS, MARIA, attributes),
    ]


def test_a_customer_without_a_picture_gets_no_avatar() -> None:
    attributes = {"customer_id": "1", "display_name": "Maria Sanchez"}
    assert asked(AT_BOT, CustomerFound("1", "Maria Sanchez"))[1] == SetParticipantAttributes(None, MARIA, attributes)


def test_a_friendly_name_has_at_most_256_characters_and_the_customers_own_name_stays_whole() -> None:
    long = "Maria " * 60
    name, attributes = asked(AT_BOT, CustomerFound("1", long))
    assert name == SetFriendlyName(long[:256])
    assert isinstance(attributes, SetParticipantAttributes)
    assert attributes.attributes["display_name"] == long
