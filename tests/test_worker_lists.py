"""What a worker's list is read from: whose a conversation is, what is new in it; on both databases."""

from states.events import CallEnded, CallMissed
from storage.schema import conversation_worker
from storage.threads import his, is_mine, mark_seen, mine
from tests.places import Place
from tests.stores import NOON, WORKER, member, message, sid, started
from tests.telling import CH, CLOSED, GRACE, called, left, list_of, reached, tell, theirs, with_worker


def test_a_worker_s_list_has_his_conversations_the_last_changed_first(place: Place) -> None:
    for number in range(1, 6):
        with_worker(place, number, NOON + number)
    again = message(1, "me again", author="+15550000002", participant=200, number=201)
    tell(place, again, conversation=2, at=NOON + 100)
    found = list_of(place)
    assert [line.conversation.sid for line in found] == [sid("CH", number) for number in (2, 5, 4, 3, 1)]
    assert [line.unread for line in found] == [2, 1, 1, 1, 1]
    assert [line.last.body for line in found if line.last] == ["me again", *["hello"] * 4]


def test_pages_of_a_list_are_whole_though_many_changed_at_once(place: Place) -> None:
    for number in range(1, 8):
        with_worker(place, number)
    seen: list[str] = []
    after: str | None = None
    for _ in range(4):
        page, after = place.read(lambda connection, after=after: mine(connection, WORKER, limit=2, after=after))
        seen += [line.conversation.sid for line in page]
    assert after is None
    assert sorted(seen) == [sid("CH", number) for number in range(1, 8)]


def test_a_cursor_that_is_none_begins_at_the_front(place: Place) -> None:
    with_worker(place)
    assert len(list_of(place, after="' OR 1=1 --")) == 1


def test_the_last_line_is_whoever_s_it_is_and_says_how_far_it_got(place: Place) -> None:
    with_worker(place)
    tell(place, theirs(1, "here I am"))
    reached(place, 1, "delivered")
    last = list_of(place)[0].last
    assert last is not None
    assert (last.body, last.side, last.status) == ("here I am", "worker", "delivered")


def test_what_he_has_seen_is_not_unread_and_stays_seen(place: Place) -> None:
    with_worker(place)
    version = list_of(place)[0].conversation.version
    place.do(lambda unit: mark_seen(unit, WORKER.upper(), CH, version))
    place.do(lambda unit: mark_seen(unit, WORKER, CH, 1))
    assert [line.unread for line in list_of(place)] == [0]
    tell(place, *(message(index, author="+15550000001") for index in (1, 2)))
    assert [line.unread for line in list_of(place)] == [2]


def test_a_missed_call_is_unread_until_he_has_seen_it_and_an_answered_one_is_not(place: Place) -> None:
    with_worker(place)
    see = list_of(place)[0].conversation.version
    place.do(lambda unit: mark_seen(unit, WORKER, CH, see))
    called(place, CallEnded("CA1", "answered", WORKER, 59), NOON + 10)
    assert [line.unread for line in list_of(place)] == [0]
    called(place, CallMissed("CA2", "text", WORKER), NOON + 20)
    (line,) = list_of(place)
    assert line.unread == 1
    place.do(lambda unit: mark_seen(unit, WORKER, CH, line.conversation.version))
    assert [line.unread for line in list_of(place)] == [0]


def test_the_last_line_is_a_call_where_nothing_was_said_after_it(place: Place) -> None:
    with_worker(place)

    def last() -> tuple[str, str]:
        entry = list_of(place)[0].last
        assert entry is not None
        return entry.kind, entry.body

    called(place, CallMissed("CA1", "text", WORKER), NOON + 10)
    assert last() == ("call", "Missed call")
    tell(place, theirs(1, "I call you back"), at=NOON + 20)
    assert last() == ("message", "I call you back")
    called(place, CallEnded("CA2", "answered", WORKER, 59), NOON + 30)
    assert last() == ("call", "Call, 59 s")
    tell(place, message(2, "thank you", author="+15550000001"), at=NOON + 40)
    assert last() == ("message", "thank you")


def test_who_leaves_has_the_conversation_no_more_and_who_comes_finds_everything_unread(place: Place) -> None:
    with_worker(place)
    tell(place, member(GRACE.upper(), 103), left(102))
    assert list_of(place) == []
    assert [(line.conversation.sid, line.unread) for line in list_of(place, GRACE)] == [(CH, 1)]
    assert [place.read(lambda connection, who=who: is_mine(connection, who, CH)) for who in (WORKER, GRACE)] == [
        False,
        True,
    ]
    assert place.read(lambda connection: his(connection, GRACE, [CH, sid("CH", 9)])) == {CH}


def test_a_closed_conversation_stays_its_worker_s_in_the_list_of_closed_ones(place: Place) -> None:
    with_worker(place)
    with_worker(place, 2)
    tell(place, CLOSED)
    assert [line.conversation.sid for line in list_of(place)] == [sid("CH", 2)]
    assert [line.conversation.sid for line in list_of(place, closed=True)] == [CH]
    tell(place, left(102))
    assert [line.conversation.sid for line in list_of(place, closed=True)] == [CH]


def test_who_comes_and_goes_in_one_transaction_is_gone(place: Place) -> None:
    tell(place, started(), message(0), member(WORKER, 2), left(2))
    assert place.rows(conversation_worker) == []
