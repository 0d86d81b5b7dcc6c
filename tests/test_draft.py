"""What a decision writes: texts and their parts, the bot's tries, claims, who is present, enrichment, effect keys."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from states import texts
from states.conversation import Claim, Conversation, Decision, Present, Profile
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
    BotReplied,
    ConversationClosed,
    ConversationStarted,
    CustomerFound,
    CustomerJoined,
    EffectFailed,
    Event,
    MessageReceived,
    NobodyAvailable,
    WorkerFound,
    WorkerJoined,
    WorkerLeft,
)
from states.names import ConversationSid, MessageSid, ParticipantSid, WorkerSid

SID = ConversationSid("CH1")
ADA, ADAS = "ada@example.test", ParticipantSid("MB1")
BOB, BOBS = "bob@example.test", ParticipantSid("MB2")
MARIA, MARIAS = "+15550100001", ParticipantSid("MB9")
FRESH = Conversation(SID, created_at=0, updated_at=0)
AT_BOT = replace(FRESH, state="awaiting_choice", address=MARIA, enriching=True)
ROUTING = replace(AT_BOT, state="routing", turn=1)


def wrote(index: int = 0, body: str = "Hello", **more: Any) -> MessageReceived:
    return MessageReceived(MessageSid(f"IM{index}"), index, MARIA, body, **more)


def replied(index: int = 0, message: str = "Whom?", **more: Any) -> BotReplied:
    fields: dict[str, Any] = {"route": "no", "turn": 0} | more
    return BotReplied(MessageSid(f"IM{index}"), message, **fields)


def after(conversation: Conversation, *events: Event) -> Conversation:
    """The snapshot once all events are decided, one a second."""
    for event in events:
        conversation = decide(conversation, event, conversation.updated_at + 1000).conversation
    return conversation


def effects_of(decision: Decision) -> list[Effect]:
    return [keyed.effect for keyed in decision.effects]


def asked(conversation: Conversation, event: Event) -> list[Effect]:
    """The effects one event leads to."""
    return effects_of(decide(conversation, event, conversation.updated_at + 1000))


# Long texts


def without_space(text: str) -> str:
    return "".join(text.split())


@given(st.text(st.sampled_from("ab \n\té\u0301\u200d👩🏽🇫🇷नि1\ufe0f"), max_size=120), st.integers(4, 40))
@example("a" * 41, 40)
@example(" " * 100, 4)
@example("", 4)
def test_parts_lose_nothing_but_white_space_and_none_is_too_long(text: str, limit: int) -> None:
    found = texts.parts(text, limit)
    assert without_space("".join(found)) == without_space(text)
    assert all(0 < len(part) <= limit and not part.isspace() for part in found)


@given(st.text(max_size=5000))
def test_a_text_is_cut_at_the_limit_of_a_message(text: str) -> None:
    found = texts.parts(text)
    assert without_space("".join(found)) == without_space(text)
    assert all(0 < len(part) <= 1600 for part in found)
    assert len(found) <= 1 or len(text) > 1600


def test_a_text_of_just_the_limit_is_one_message() -> None:
    assert texts.parts("x" * 1600) == ["x" * 1600]
    assert [len(part) for part in texts.parts("x" * 1601)] == [1600, 1]


def test_a_text_is_cut_between_words_where_it_has_them() -> None:
    found = texts.parts("word " * 1000)
    assert all(set(part.split()) == {"word"} for part in found)
    assert sum(len(part.split()) for part in found) == 1000


CHARACTERS = {
    "a letter with a combining accent": "e\u0301",
    "a skin tone": "👍🏽",
    "a joined family": "👩\u200d👩\u200d👧",
    "a keycap": "1\ufe0f\u20e3",
    "a flag": "🇫🇷",
    "a flag after a flag": "🇩🇪🇫🇷",
    "a tagged flag": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "a Devanagari syllable": "नि",
}


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)
@pytest.mark.parametrize("before", range(9))
def test_no_character_is_torn_in_two(character: str, before: int) -> None:
    found = texts.parts("x" * (1600 - before) + character + "y" * 100)
    whole = [character[:2], character[2:]] if character == CHARACTERS["a flag after a flag"] else [character]
    assert all(any(one in part for part in found) for one in whole)
    assert all(len(part) <= 1600 for part in found)


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


# What a bot may answer beside a text and a route.


def said(decision: Decision) -> list[str]:
    return [effect.body for effect in effects_of(decision) if isinstance(effect, SendMessage)]


def test_several_texts_are_a_message_each_and_choices_a_list_under_the_last() -> None:
    event = replied(message="One.", more=("Two.",), choices={"Yes": "/yes", "No": "/no"})
    assert said(decide(AT_BOT, event, 1)) == ["One.", "Two.\n1. Yes\n2. No"]
    alone = replied(message="", choices={"Yes": "/yes"})
    assert said(decide(AT_BOT, alone, 1)) == ["1. Yes"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("1", "/yes"), (" 2. ", "/no"), ("NO", "/no"), ("２", "/no"), ("3", "3"), ("yes please", "yes please"), ("", "")],
)
def test_the_bot_is_told_what_a_choice_stands_for(text: str, told: str) -> None:
    offering = after(AT_BOT, replied(choices={"Yes": "/yes", "No": "/no"}))
    (asked,) = effects_of(decide(offering, wrote(1, text), 1))
    assert isinstance(asked, AskBot)
    assert asked.body == told


def test_what_was_offered_holds_until_the_next_answer() -> None:
    offering = after(AT_BOT, replied(choices={"Yes": "/yes"}))
    (asked,) = effects_of(decide(after(offering, wrote(1, "hm"), replied(1)), wrote(2, "1"), 1))
    assert isinstance(asked, AskBot)
    assert asked.body == "1"


def test_a_bot_without_words_of_its_own_asks_again_in_ours() -> None:
    assert said(decide(AT_BOT, replied(message="", again=True), 1)) == [texts.ASK_AGAIN]
    assert said(decide(AT_BOT, replied(message="Sorry?", again=True), 1)) == ["Sorry?"]
    french = replace(AT_BOT, language="fr-CA")
    assert said(decide(french, replied(message="", again=True), 1)) == [texts.FRENCH["ask_again"]]


def test_what_the_bot_learned_is_remembered_and_its_language_spoken() -> None:
    told = after(AT_BOT, replied(told={"display_name": "Maria", "language": "es"}), replied(told={"reason": "a bill"}))
    assert told.told == {"display_name": "Maria", "language": "es", "reason": "a bill"}
    assert said(decide(told, replied(route="email", identity=ADA, routable=False), 1)) == [texts.SPANISH["no_routing"]]
    assert told.customer is None


def test_the_conversation_is_closed_behind_the_last_word() -> None:
    decision = decide(AT_BOT, replied(message="Goodbye.", more=("Come again.",), closes=True), 1)
    kinds = [type(effect).__name__ for effect in effects_of(decision)]
    assert kinds == ["SendMessage", "SendMessage", "CloseConversation"]
    assert {lane_of(effect, SID) for effect in effects_of(decision)} == {"CH1/customer"}


def test_a_queue_is_looked_in_until_somebody_has_come() -> None:
    routing = decide(AT_BOT, replied(route="queue", queue="Billing"), 1)
    assert effects_of(routing)[-1] == FindLongestIdle(1, (), "Billing")
    found = WorkerFound(ADA, WorkerSid("WK1"), 5, turn=1)
    again = EffectFailed("CH1/2/0", "add_participant", "Rejected", ADA)
    assert effects_of(decide(after(routing.conversation, found), again, 1)) == [FindLongestIdle(1, (ADA,), "Billing")]
    joined = after(routing.conversation, found, WorkerJoined(ADA, ADAS))
    assert joined.queue is None


@pytest.mark.parametrize(("heard", "kept", "spoken"), [("es", None, "es"), (None, None, None), ("es", "fr", "fr")])
def test_the_customers_own_words_tell_his_language_where_nothing_else_has(
    heard: str | None, kept: str | None, spoken: str | None
) -> None:
    decision = decide(replace(FRESH, language=kept), wrote(language=heard), 1)
    assert decision.conversation.language == spoken
    assert said(decision) == [texts.own("welcome", spoken)]


def test_the_crm_knows_the_language_better_than_his_words() -> None:
    known = after(replace(AT_BOT, language="es"), CustomerFound("1", "Maria", language="fr"))
    assert known.language == "fr"
    assert after(replace(AT_BOT, language="es"), CustomerFound("1", "Maria")).language == "es"


def test_every_text_is_there_in_every_language() -> None:
    for spoken in texts.SPOKEN.values():
        assert spoken.keys() == texts.ENGLISH.keys()
        assert all(len(texts.parts(text)) == 1 for text in spoken.values())
    assert texts.own("welcome", None) == texts.own("welcome", "de") == texts.own("welcome", "en-GB") == texts.WELCOME
