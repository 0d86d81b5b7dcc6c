"""What a thread is read from: who wrote what, how far it got, and what is kept beside it; on both databases."""

from typing import Any

import pytest
from sqlalchemy import update

from orchestrator.seeing import Sighting, see
from orchestrator.taking import take
from states.conversation import KeyedEffect
from states.effects import SendMessage
from states.events import CallEnded, CallMissed
from states.names import ConversationSid
from storage import audit, notes
from storage.schema import conversation_worker, delivery, outbox
from storage.schema import message as messages
from storage.talk import Receipt
from storage.threads import mark_seen, thread
from storage.unit import Unit
from tests.places import Place
from tests.stores import ADDRESS, NOON, SURE, UNSURE, WORKER, column, customer, member, message, report, sid, started
from tests.telling import CH, CLOSED, GRACE, SYSTEM, called, ours, reached, said, tell, theirs, told

# One thread


def test_a_thread_has_what_everybody_wrote_in_order_and_on_whose_side(place: Place) -> None:
    tell(place, started(), message(0, "hello"), ours(1), member(WORKER, 2), theirs(2), message(3, "my shoes"))
    entries = told(place)
    assert [entry for entry in said(entries) if entry[0] is not None] == [
        (0, "customer", "hello"),
        (1, "program", "welcome"),
        (2, "worker", "how can I help?"),
        (3, "customer", "my shoes"),
    ]
    assert [entry.author for entry in entries[:4]] == [ADDRESS, SYSTEM, WORKER, ADDRESS]
    assert [entry.status for entry in entries[:4]] == [None, "sent", "sent", None]
    assert {entry.at for entry in entries} == {NOON}


def test_a_customer_s_message_stands_in_the_history_and_nowhere_else(place: Place) -> None:
    tell(place, started(), customer(), message(0), message(1), message(2))
    for table in (messages, delivery, conversation_worker):
        assert place.rows(table) == []


def test_a_message_that_is_told_twice_stands_once_and_learns_what_sent_it(place: Place) -> None:
    tell(place, started(), ours(0))
    place.do(lambda unit: see(unit, Sighting(CH, [ours(0, "another")], times={0: NOON - 5}), SURE))
    place.do(lambda unit: unit.talk.published(CH, ours(0, "a third"), effect_key=f"{CH}/1/0"))
    place.do(lambda unit: unit.talk.published(CH, ours(0, "a fourth")))
    assert column(place.rows(messages), "body", "effect_key", "at") == [("welcome", f"{CH}/1/0", NOON)]


def test_what_was_listed_stands_where_it_was_published(place: Place) -> None:
    """A conversation nobody told of is adopted; who was answered there is nobody's event."""
    listed = [message(0, "hello"), theirs(1), message(2, "thanks"), theirs(3, "bye"), message(4, "one more thing")]
    members = [customer(), member(WORKER, 2)]
    times = {fact.index: NOON - 1000 * (10 - fact.index) for fact in listed}
    place.do(lambda unit: see(unit, Sighting(CH, listed, members, times=times), SURE))
    entries = told(place)
    assert [entry.side for entry in entries] == ["customer", "worker", "customer", "worker", "customer"]
    assert [entry.at for entry in entries] == [*(times[index] for index in range(4)), NOON]
    assert column(place.rows(messages), "message_index") == [0, 1, 2, 3]


def test_a_chat_customer_whose_messages_are_old_is_a_customer(place: Place) -> None:
    tell(place, started("visitor-17", None), member("visitor-17", 1), known=SURE)
    place.do(lambda unit: unit.talk.published(CH, message(0, author="visitor-17")))
    assert [entry.side for entry in told(place)] == ["customer"]


def test_a_late_message_stands_by_its_index_and_pages_follow_it(place: Place) -> None:
    tell(place, started(), message(0), member(WORKER, 2))
    for indexes in ([2, 3], [1], [4, 5, 6]):
        listed = [message(index, f"m{index}") for index in indexes]
        place.do(lambda unit, listed=listed: see(unit, Sighting(CH, listed), SURE))
    place.do(lambda unit: unit.talk.published(CH, theirs(7)))
    newest, more = place.read(lambda connection: thread(connection, CH, limit=3))
    assert ([entry.index for entry in newest if entry.index is not None], more) == ([5, 6, 7], True)
    older, more = place.read(lambda connection: thread(connection, CH, before=5, limit=3))
    assert ([entry.index for entry in older], more) == ([2, 3, 4], True)
    oldest, more = place.read(lambda connection: thread(connection, CH, before=2, limit=3))
    assert ([entry.index for entry in oldest], more) == ([0, 1], False)


def test_calls_stand_where_they_were_and_say_what_came_of_them(place: Place) -> None:
    tell(place, started(), message(0, "hello"))
    for number, event in enumerate(
        (
            CallMissed("CA1", "no_answer", WORKER),
            CallEnded("CA2", "answered", WORKER, 59),
            CallEnded("CA3", "answered", WORKER, 170),
            CallEnded("CA4", "unknown", WORKER),
        )
    ):
        called(place, event, NOON + 10 + number)
    tell(place, message(1, "and?"), at=NOON + 20)
    entries = [entry for entry in told(place) if entry.status is None]
    assert [(entry.kind, entry.body) for entry in entries] == [
        ("message", "hello"),
        ("call", "Missed call"),
        ("call", "Call, 59 s"),
        ("call", "Call, 3 min"),
        ("call", "Call"),
        ("message", "and?"),
    ]
    assert [entry.call_sid for entry in entries] == [None, "CA1", "CA2", "CA3", "CA4", None]
    assert {entry.author for entry in entries} == {ADDRESS}


def test_every_call_stands_on_one_page_and_one_alone(place: Place) -> None:
    tell(place, started())
    for number in range(4):
        called(place, CallMissed(f"CA{2 * number}", "text"), NOON + 10 * number)
        tell(place, message(number, f"no. {number}"), at=NOON + 10 * number + 5)
    called(place, CallMissed("CA9", "text"), NOON + 99)
    newest = [entry for entry in told(place, limit=2) if entry.status is None]
    older = told(place, limit=2, before=2)
    assert [entry.call_sid or entry.index for entry in newest] == ["CA4", 2, "CA6", 3, "CA9"]
    assert [entry.call_sid or entry.index for entry in older] == ["CA0", 0, "CA2", 1]


def test_what_is_on_its_way_stands_last_in_the_order_it_will_be_sent(place: Place) -> None:
    tell(place, started(), message(0))
    send(place, "first", "second")
    entries = told(place)
    assert [entry.index for entry in entries] == [0, None, None, None]
    assert [entry.body for entry in entries[2:]] == ["first", "second"]
    assert {entry.status for entry in entries[1:]} == {"sending"}
    assert entries[3].key == f"{CH}/90/1"
    # A page of what is older has none of it.
    assert [entry.index for entry in told(place, before=1)] == [0]


def send(place: Place, *bodies: str) -> None:
    keyed = [KeyedEffect(f"{CH}/90/{number}", SendMessage(body)) for number, body in enumerate(bodies)]
    place.do(lambda unit: unit.lanes.queue(ConversationSid(CH), keyed, 0))


@pytest.mark.parametrize("status", ["parked", "rejected"])
def test_what_was_given_up_says_why_and_by_which_key_it_is_tried_again(place: Place, status: str) -> None:
    tell(place, started(), message(0))
    send(place, "first")
    changed = update(outbox).where(outbox.c.key == f"{CH}/90/0").values(status=status, last_error="Rejected: no")
    place.do(lambda unit: unit.connection.execute(changed))
    failed = told(place)[-1]
    assert (failed.status, failed.error, failed.key) == ("failed", "It was not sent: Rejected: no.", f"{CH}/90/0")


def test_what_was_sent_and_is_only_seen_yet_stands_once(place: Place) -> None:
    tell(place, started(), message(0))
    send(place, "first")
    noted = update(outbox).where(outbox.c.key == f"{CH}/90/0").values(result_sid=sid("IM", 1), result_index=1)
    place.do(lambda unit: unit.connection.execute(noted))
    place.do(lambda unit: unit.talk.published(CH, ours(1, "first")))
    assert [entry.body for entry in told(place)].count("first") == 1


def test_a_program_s_message_that_nobody_needs_any_more_is_not_shown(place: Place) -> None:
    tell(place, started(), message(0))
    send(place, "first")
    tell(place, CLOSED)
    assert "first" not in [entry.body for entry in told(place)]


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [
        (["sent"], "sent"),
        (["sent", "delivered"], "delivered"),
        (["delivered", "sent"], "delivered"),
        (["read", "delivered", "sent"], "read"),
        (["sent", "failed", "delivered"], "failed"),
        (["undelivered", "read"], "failed"),
    ],
)
def test_an_older_status_never_overwrites_a_later_one(place: Place, statuses: list[str], wanted: str) -> None:
    tell(place, started(), ours(0))
    for status in statuses:
        reached(place, 0, status)
    assert [entry.status for entry in told(place)] == [wanted]


def test_receipts_of_one_transaction_are_held_against_each_other(place: Place) -> None:
    tell(place, started(), ours(0))

    def work(unit: Unit) -> None:
        for status in ("sent", "read", "delivered"):
            unit.talk.reached(Receipt(CH, sid("IM", 0), sid("MB", 1), status))

    place.do(work)
    assert column(place.rows(delivery), "status") == ["read"]


def test_a_message_got_as_far_as_with_him_with_whom_it_got_least_far(place: Place) -> None:
    tell(place, started(), ours(0))
    reached(place, 0, "read", 1)
    reached(place, 0, "delivered", 2)
    assert [entry.status for entry in told(place)] == ["delivered"]
    reached(place, 0, "undelivered", 3, 30008)
    entry = told(place)[0]
    assert (entry.status, entry.error) == ("failed", "It was not delivered (Twilio's error 30008).")


def test_the_window_of_whatsapp_is_explained(place: Place) -> None:
    tell(place, started(), ours(0))
    reached(place, 0, "failed", error_code=63016)
    assert "within 24 hours" in (told(place)[0].error or "")


def test_a_nul_in_a_message_hinders_nobody(place: Place) -> None:
    """A form that holds one has lost it before; a list of Twilio's may hold it."""
    listed = [message(0, "a\0b"), theirs(1, "c\0d")]
    tell(place, started(), customer(), member(WORKER, 2))
    place.do(lambda unit: see(unit, Sighting(CH, listed), SURE))
    assert [entry.body for entry in told(place) if entry.index is not None] == ["a\0b", "c\N{REPLACEMENT CHARACTER}d"]


# What a transaction tells of itself


def changed(place: Place, work: Any) -> set[str]:
    def whole(unit: Unit) -> Unit:
        work(unit)
        return unit

    return place.do(whole).changed


def test_a_transaction_tells_which_conversations_it_changed(place: Place) -> None:
    assert changed(place, lambda unit: take(unit, report(started(), 1), UNSURE)) == {CH}
    assert changed(place, lambda unit: take(unit, report(started(), 1), UNSURE)) == set()
    assert changed(place, lambda unit: unit.talk.published(CH, ours(1))) == {CH}
    assert changed(place, lambda unit: unit.talk.reached(Receipt(CH, sid("IM", 1), "", "sent"))) == {CH}
    assert changed(place, lambda unit: notes.add(unit, CH, WORKER, "careful", NOON)) == {CH}
    assert changed(place, lambda unit: audit.record(unit, "ada", "close", CH, None, "done", "done")) == {CH}
    assert changed(place, lambda unit: audit.record(unit, "ada", "disable", None, "grace", "left", "done")) == set()
    assert changed(place, lambda unit: mark_seen(unit, WORKER, CH, 1)) == set()


# Notes and the audit log


def test_notes_are_kept_in_the_order_they_were_written(place: Place) -> None:
    place.do(lambda unit: notes.add(unit, CH, WORKER, "size 43", NOON))
    place.do(lambda unit: notes.add(unit, CH, GRACE, "no, 44", NOON + 1))
    place.do(lambda unit: notes.add(unit, sid("CH", 2), GRACE, "another", NOON))
    found = place.read(lambda connection: notes.of(connection, CH))
    assert found == [notes.Note(NOON, WORKER, "size 43"), notes.Note(NOON + 1, GRACE, "no, 44")]


def test_the_audit_log_is_read_by_conversation_and_from_its_end(place: Place) -> None:
    for number, act in enumerate(["assign", "close", "retry"]):
        target = (sid("CH", number % 2), WORKER)
        place.do(lambda unit, act=act, it=target: audit.record(unit, "ada", act, *it, "asked to", "done"))
    assert [act.act for act in place.read(lambda connection: audit.of(connection, sid("CH", 0)))] == ["assign", "retry"]
    newest = place.read(lambda connection: audit.newest(connection, 2))
    assert [(act.act, act.target, act.at) for act in newest] == [("retry", WORKER, NOON), ("close", WORKER, NOON)]
    older = place.read(lambda connection: audit.newest(connection, 2, newest[-1].id))
    assert [act.act for act in older] == ["assign"]
