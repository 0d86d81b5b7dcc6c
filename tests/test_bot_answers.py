"""What a bot may answer beside a text and a route: choices, what it learned, a queue, the end."""

import pytest
from msgspec.structs import replace

from states import texts
from states.conversation import Decision
from states.decide import decide
from states.effects import AskBot, FindLongestIdle, SendMessage, lane_of
from states.events import CustomerFound, EffectFailed, WorkerFound, WorkerJoined
from states.names import WorkerSid
from tests.decisions import ADA, ADAS, AT_BOT, FRESH, SID, after, effects_of, replied, wrote


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
