"""Taking in what is told: once each, in the order of Index, by whoever tells it first; who is who."""

import pytest

from orchestrator.directory import Directory
from orchestrator.intake import Intake, Outcome
from orchestrator.seeing import Sighting, see
from orchestrator.taking import GAP_MS
from states.events import ConversationClosed
from states.facts import ParticipantGone
from states.names import ParticipantSid
from states.roles import Knowledge, Unsure
from storage.codec import decode
from storage.engine import writing_engine
from storage.lanes import Due
from storage.schema import conversation, history, inbox, look, outbox
from storage.writer import Writer
from tests.stores import (
    ADDRESS,
    PROXY,
    SURE,
    UNSURE,
    WORKER,
    Store,
    column,
    customer,
    member,
    message,
    report,
    sid,
    started,
)
from tests.taken import heard, indexes, next_index, snapshot, waiting

# Once each


def test_what_is_told_twice_is_taken_once(store: Store) -> None:
    assert store.take(started(), started(), message(0), message(0), customer(), customer()) == [True, False] * 3
    assert len(store.rows(history)) == 3
    assert set(column(store.rows(inbox), "status")) == {"done"}


def test_the_same_sid_under_another_kind_of_event_is_another_event(store: Store) -> None:
    store.take(started(), message(0), member(WORKER, 2))
    assert store.take(ParticipantGone(ParticipantSid(sid("MB", 2)), WORKER)) == [True]
    assert snapshot(store).state == "awaiting_choice"


def test_what_a_look_found_is_not_taken_again_from_its_webhook_nor_the_other_way_round(store: Store) -> None:
    store.take(started(), message(0))
    assert store.look(message(0), message(1)) == 1
    assert store.take(message(1)) == [False]
    assert indexes(store) == [0, 1]


def test_a_copy_of_what_waits_changes_nothing(store: Store) -> None:
    store.take(started(), message(0), message(2))
    before = waiting(store)
    store.clock.advance(100)
    assert store.take(message(2)) == [False]
    assert waiting(store) == before


def test_a_replay_after_the_end_changes_nothing(store: Store) -> None:
    told = (started(), message(0), ConversationClosed("removed"))
    store.take(*told)
    version = snapshot(store).version
    assert store.take(*told) == [False] * 3
    assert snapshot(store).version == version


# By index


def test_messages_behind_a_gap_wait_three_hundred_milliseconds(store: Store) -> None:
    store.take(started(), message(0), message(2), message(3))
    assert indexes(store) == [0]
    assert column(waiting(store), "message_index", "due_at") == [(2, store.clock() + 300), (3, store.clock() + 300)]
    assert GAP_MS == 300


def test_the_missing_message_lets_those_behind_it_go_in_order_in_its_own_transaction(store: Store) -> None:
    store.take(started(), message(0), message(3), message(2), message(1))
    assert indexes(store) == [0, 1, 2, 3]
    assert not any(event.late for event in heard(store))
    assert waiting(store) == []
    assert store.rows(conversation)[0]["has_waiting"] is False


def test_one_of_two_gaps_filled_lets_go_only_what_is_before_the_other(store: Store) -> None:
    store.take(started(), message(0), message(4), message(2), message(1))
    assert indexes(store) == [0, 1, 2]
    assert column(waiting(store), "message_index") == [4]
    assert store.rows(conversation)[0]["has_waiting"] is True


def test_a_worker_s_message_counts_as_heard(store: Store) -> None:
    store.take(started(), message(0), member(WORKER, 2), message(1, author=WORKER, participant=2), message(2))
    assert indexes(store) == [0, 2]


async def test_our_own_message_s_index_fills_the_gap_with_its_201(store: Store) -> None:
    writer = Writer(writing_engine(store.url), store.clock)
    dues: list[Due] = []
    writer.on_started = dues.extend
    intake = Intake(writer, Directory(None), 1000)
    for fact in (started(), message(0), message(2)):
        await intake.accept(report(fact))
    assert indexes(store) == [0]
    welcome = next(due for due in dues if due.kind == "send_message")
    await intake.settle(welcome, Outcome("done", result_sid=sid("IM", 1), index=1))
    await writer.close()
    assert indexes(store) == [0, 2]
    assert next_index(store) == 3


async def test_our_own_index_known_before_the_message_behind_it_is_no_gap(store: Store) -> None:
    """Even when a customer's message before it is still on its way: 0, then ours at 2, then 1, then 3."""
    writer = Writer(writing_engine(store.url), store.clock)
    dues: list[Due] = []
    writer.on_started = dues.extend
    intake = Intake(writer, Directory(None), 1000)
    for fact in (started(), message(0)):
        await intake.accept(report(fact))
    welcome = next(due for due in dues if due.kind == "send_message")
    await intake.settle(welcome, Outcome("done", result_sid=sid("IM", 2), index=2))
    for fact in (message(3), message(1)):
        await intake.accept(report(fact))
    await writer.close()
    assert indexes(store) == [0, 1, 3]


def test_a_look_fills_the_gap(store: Store) -> None:
    store.take(started(), message(0), message(2))
    store.look(message(1), message(2))
    assert indexes(store) == [0, 1, 2]
    assert not any(event.late for event in heard(store))


def test_what_the_list_lacks_does_not_exist(store: Store) -> None:
    store.take(started(), message(0), message(2))
    store.clock.advance(GAP_MS)
    store.look(message(2))
    assert indexes(store) == [0, 2]
    assert next_index(store) == 3
    assert waiting(store) == []


def test_a_message_that_was_deleted_before_the_look_is_still_answered(store: Store) -> None:
    store.take(started(), message(0), message(2))
    store.clock.advance(GAP_MS)
    store.look()
    assert indexes(store) == [0, 2]


def test_a_list_older_than_what_waits_says_nothing_about_the_gap_before_it(store: Store) -> None:
    """1 and 2 were published after the look had listed, and 2 overtook 1."""
    store.take(started(), message(0), message(2))
    store.look(message(0))
    assert indexes(store) == [0]
    store.take(message(1))
    assert indexes(store) == [0, 1, 2]


def test_a_latecomer_is_marked_and_still_answered_while_the_bot_has_the_turn(store: Store) -> None:
    store.take(started(), message(0), message(2))
    store.clock.advance(GAP_MS)
    store.look(message(2))
    assert store.take(message(1, "late")) == [True]
    assert [(event.index, event.late) for event in heard(store)] == [(0, False), (2, False), (1, True)]
    asked = [decode(text).body for text in column(store.rows(outbox, kind="ask_bot"), "payload")]
    assert asked == ["hello", "hello", "late"]
    assert next_index(store) == 3


def test_our_own_messages_in_a_list_leave_no_trace(store: Store) -> None:
    store.take(started(), message(0))
    assert store.look(message(1, author="system", participant=None), message(2)) == 1
    assert store.rows(inbox) == []
    assert indexes(store) == [0, 2]
    assert next_index(store) == 3


# Who is who


def test_a_conversation_nobody_knows_is_looked_at_before_it_is_greeted(store: Store) -> None:
    store.take(message(0))
    assert store.rows(history) == []
    assert column(waiting(store), "due_at", "last_error") == [(store.clock(), "who is here must be looked up")]
    assert store.look(message(0), members=[customer()]) == 1
    assert column(store.rows(history), "trigger") == ["customer_joined", "message_received"]
    assert snapshot(store).proxy_address == PROXY


def test_a_conversation_with_a_worker_in_it_is_never_greeted(store: Store) -> None:
    store.take(message(0))
    store.look(message(0), members=[member(WORKER, 2), customer()])
    assert snapshot(store).state == "with_worker"
    assert store.rows(outbox, kind="send_message") == []


def test_a_conversation_an_inbound_message_is_making_needs_no_look(store: Store) -> None:
    store.take(started(), message(0))
    assert snapshot(store).state == "awaiting_choice"


def test_a_pre_action_event_for_the_pair_tells_the_same(store: Store) -> None:
    with store.unit() as unit:
        unit.looks.add(due_at=unit.now, address=ADDRESS, proxy_address=PROXY, friendly_name="Maria Sanchez")
    store.take(message(0))
    assert snapshot(store).state == "awaiting_choice"
    assert column(store.rows(conversation), "friendly_name", "members_known") == [("Maria Sanchez", True)]


def test_an_unknown_chat_identity_waits_for_a_sure_look(store: Store) -> None:
    written = message(0, author="ada", participant=1)
    store.take(started(None, None), written)
    assert column(waiting(store), "last_error") == ["who wrote must be looked up"]
    with pytest.raises(Unsure):
        store.look(written, known=UNSURE)
    assert store.look(written, members=[member("ada", 1)]) == 1
    assert snapshot(store).address == "ada"
    assert snapshot(store).state == "awaiting_choice"


def test_an_unknown_identity_turns_out_to_be_a_new_worker_s(store: Store) -> None:
    newcomer = "new@example.test"
    store.take(started(), message(0), member(newcomer, 2))
    assert column(waiting(store), "last_error") == ["who this is must be looked up"]
    fresh = Knowledge(frozenset({WORKER, newcomer}), sure=True)
    store.look(members=[customer(), member(newcomer, 2)], known=fresh)
    assert snapshot(store).state == "with_worker"
    assert waiting(store) == []


def test_a_look_that_cannot_tell_who_somebody_is_says_so_and_leaves_everything_as_it_was(store: Store) -> None:
    """Else the waiting event would stay due, and be looked for again and again."""
    store.take(started(), message(0), member("stranger", 2))
    before = (store.rows(inbox), store.rows(conversation), store.rows(history))
    with pytest.raises(Unsure):
        store.look(message(1), known=UNSURE)
    assert (store.rows(inbox), store.rows(conversation), store.rows(history)) == before


def test_workers_seen_join_and_leave(store: Store) -> None:
    store.take(started(), message(0))
    present = sid("MB", 2)
    store.look(members=[customer(), member(WORKER, 2)])
    assert [worker.participant_sid for worker in snapshot(store).workers] == [present]
    store.look(members=[customer()], gone={present})
    assert snapshot(store).state == "awaiting_choice"
    told_late = (member(WORKER, 2), ParticipantGone(ParticipantSid(present), WORKER))
    assert store.take(*told_late) == [False, False]


def test_a_worker_who_left_before_anybody_knew_him_does_not_join_when_that_is_told_late(store: Store) -> None:
    """As in the first moments after a start, when TaskRouter has not been asked yet."""
    unread = Knowledge(frozenset())
    store.take(started(), message(0))
    assert store.take(ParticipantGone(ParticipantSid(sid("MB", 2)), WORKER), known=unread) == [True]
    assert [row["kind"] for row in waiting(store)] == ["participant_gone"]
    store.look(members=[customer()])
    store.take(member(WORKER, 2))
    assert (snapshot(store).state, waiting(store)) == ("awaiting_choice", [])


def test_a_worker_who_joined_while_the_look_was_under_way_has_not_left(store: Store) -> None:
    store.take(started(), message(0))
    listed_before = [customer()]
    store.take(member(WORKER, 2))
    store.look(members=listed_before, gone=())
    assert snapshot(store).state == "with_worker"


def test_what_was_written_before_the_last_word_of_a_worker_who_has_left_was_for_him(store: Store) -> None:
    store.take(started(), message(0), member(WORKER, 2))
    answered = [message(1, "hello"), message(2, author=WORKER, participant=2)]
    assert store.look(*answered, message(3, "anybody?"), gone={sid("MB", 2)}) == 2
    told = [(row["trigger"], row["source"]) for row in store.rows(history)][-3:]
    assert told == [
        ("message_received", "with_worker"),
        ("worker_left", "with_worker"),
        ("message_received", "awaiting_choice"),
    ]


# Adoption


def test_of_a_conversation_found_by_looking_only_the_unanswered_end_is_new(store: Store) -> None:
    found = [message(0), message(1, author="system", participant=None), message(2, "two"), message(3, "three")]
    assert store.look(*found, members=[customer()]) == 2
    assert [event.body for event in heard(store)] == ["two", "three"]
    assert next_index(store) == 4


def test_what_a_worker_answered_is_answered(store: Store) -> None:
    found = [message(0), message(1, author=WORKER, participant=2)]
    assert store.look(*found, members=[customer(), member(WORKER, 2)]) == 0
    assert heard(store) == []
    assert next_index(store) == 2


def test_messages_older_than_the_database_are_left_alone(store: Store) -> None:
    with store.unit() as unit:
        sighting = Sighting(sid("CH", 1), [message(0), message(1)], [customer()])
        assert see(unit, sighting, SURE, is_unread={1}.__contains__) == 1
    assert indexes(store) == [1]
    assert next_index(store) == 2


def test_a_message_told_by_its_webhook_is_answered_whatever_its_age(store: Store) -> None:
    store.take(message(5))
    with store.unit() as unit:
        assert see(unit, Sighting(sid("CH", 1), [message(5)], [customer()]), SURE, is_unread=set().__contains__) == 1
    assert indexes(store) == [5]


# Closed


def test_closed_is_seen_after_what_was_written_before(store: Store) -> None:
    store.take(started(), message(0))
    assert store.look(message(1), closed=True) == 1
    assert snapshot(store).state == "closed"
    assert column(store.rows(history), "trigger")[-2:] == ["message_received", "conversation_closed"]
    store.look(closed=True)
    assert store.take(ConversationClosed("removed")) == [False]
    assert column(store.rows(history), "trigger").count("conversation_closed") == 1


def test_a_second_conversation_of_a_pair_has_the_first_one_looked_at(store: Store) -> None:
    store.take(started(), message(0))
    store.take(started(), conversation=2)
    assert column(store.rows(look), "conversation_sid", "whole", "due_at") == [(sid("CH", 1), True, store.clock())]


def test_another_pair_of_the_same_customer_is_another_conversation(store: Store) -> None:
    store.take(started(), message(0))
    store.take(started(proxy="+15550100998"), conversation=2)
    assert store.rows(look) == []
