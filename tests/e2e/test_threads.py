"""Customer, bot and worker in one thread, and whoever watches told of it: over real sockets, on both databases."""

import asyncio

import pytest
from sqlalchemy import Connection, func, select

from orchestrator.feed import Change, Subscription
from states.texts import WELCOME
from storage.schema import delivery, inbox
from storage.threads import Entry, Line, mark_seen, mine, thread
from tests.e2e.conftest import ARTICLE_FILTERS, BOTH, House
from tests.e2e.doors import knock
from tests.e2e.test_people import join, leave, received, write

DATABASES = BOTH
MARIA = "+15550100001"
ADA, GRACE = "ada@example.test", "grace@example.test"
SOON_S = 1.0


@pytest.fixture(params=["recommended", "article"])
async def either_house(request: pytest.FixtureRequest, house: House) -> House:
    """With the article's filters a worker's messages, and how far they got, are only heard of by a look."""
    if request.param == "article":
        await house.filters(ARTICLE_FILTERS)
    return house


async def thread_of(house: House, sid: str) -> list[Entry]:
    return (await house.service.reader.read(lambda connection: thread(connection, sid)))[0]


async def list_of(house: House, identity: str, closed: bool = False) -> list[Line]:
    return (await house.service.reader.read(lambda connection: mine(connection, identity, closed)))[0]


async def same_as_twilio(house: House, sid: str) -> list[Entry]:
    """Wait until the thread is what Twilio has; it."""

    async def same() -> list[Entry]:
        entries = await thread_of(house, sid)
        return entries if [(entry.author, entry.body) for entry in entries] == await house.said(sid) else []

    return list(await house.until(same))


async def test_a_thread_is_what_twilio_has_with_everybody_on_his_side(either_house: House) -> None:
    house = either_house
    sid = await house.say(MARIA, "agent")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    await write(house, sid, ADA, "Ada here")
    await house.say(MARIA, "at last", media=[{"content_type": "image/png", "filename": "a.png"}])
    await house.quiet(sid)
    entries = await same_as_twilio(house, sid)
    assert [entry.index for entry in entries] == list(range(len(entries)))
    assert [entry.side for entry in entries[:2]] == ["customer", "program"]
    assert [(entry.side, entry.media) for entry in entries[-2:]] == [("worker", 0), ("customer", 1)]
    assert entries[1].body == WELCOME
    assert all(entry.key and entry.key.startswith(sid) for entry in entries if entry.side == "program")


async def test_how_far_a_message_got_is_told_by_its_receipts(house: House) -> None:
    sid = await house.say(MARIA, "agent")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    await write(house, sid, ADA, "Ada here")

    async def delivered() -> bool:
        ours = [entry for entry in await thread_of(house, sid) if entry.side != "customer"]
        return len(ours) >= 3 and all(entry.status == "delivered" for entry in ours)

    await house.until(delivered)
    assert {entry.status for entry in await thread_of(house, sid) if entry.side == "customer"} == {None}


async def test_a_worker_s_list_follows_who_is_with_whom(house: House) -> None:
    sid = await house.say(MARIA, "agent")
    await house.state(sid, "with_worker")
    await house.say(MARIA, "hello?")
    await house.until(lambda: received(house, sid, 2))
    await house.quiet(sid)
    (line,) = await list_of(house, ADA)
    assert (line.conversation.sid, line.unread) == (sid, 2)
    version = line.conversation.version
    await house.service.writer.run(lambda unit: mark_seen(unit, ADA, sid, version))
    assert [line.unread for line in await list_of(house, ADA)] == [0]
    await join(house, sid, GRACE)
    await leave(house, sid, ADA)

    async def handed_over() -> bool:
        return not await list_of(house, ADA) and [line.unread for line in await list_of(house, GRACE)] == [2]

    await house.until(handed_over)
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    await house.state(sid, "closed")
    assert [line.conversation.sid for line in await list_of(house, GRACE, closed=True)] == [sid]
    assert await list_of(house, GRACE) == []


async def test_a_message_that_did_not_get_there_says_why_and_keeps_to_it(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.state(sid, "awaiting_choice")
    await house.quiet(sid)
    await house.until(lambda: said_nothing_new(house, sid))
    message = (await house.record(sid))["messages"][-1]
    for number, status, code in (("1", "undelivered", "63016"), ("2", "delivered", "0"), ("3", "gone fishing", "x")):
        form = {"EventType": "onDeliveryUpdated", "ConversationSid": sid, "MessageSid": message["sid"]}
        who = {"DeliveryReceiptSid": "DY" + number * 32, "ParticipantSid": "MB" + "1" * 32}
        assert (await knock(house, "/post-event", form | who | {"Status": status, "ErrorCode": code})).status == 200
    last = (await thread_of(house, sid))[-1]
    assert (last.status, "24 hours" in (last.error or "")) == ("failed", True)


async def test_a_receipt_told_again_or_late_changes_nothing_and_leaves_no_key(house: House) -> None:
    form = {"EventType": "onDeliveryUpdated", "ConversationSid": "CH" + "1" * 32, "MessageSid": "IM" + "1" * 32}
    told: list[tuple[list[tuple[str, int]], int]] = []
    for status in ("sent", "delivered", "delivered", "sent", "delivered", "read"):
        receipt = form | {"DeliveryReceiptSid": "DY" + "1" * 32, "ParticipantSid": "MB" + "1" * 32, "Status": status}
        assert (await knock(house, "/post-event", receipt)).status == 200
        told.append(await house.service.reader.read(receipts_and_keys))
    (sent, *delivered, read), keys = [rows for rows, _ in told], {count for _, count in told}
    assert [[status for status, _at in rows] for rows in (sent, delivered[0], read)] == [
        ["sent"],
        ["delivered"],
        ["read"],
    ]
    assert delivered == [delivered[0]] * 4
    assert keys == {0}


def receipts_and_keys(connection: Connection) -> tuple[list[tuple[str, int]], int]:
    """How far messages got and since when, and how many keys the inbox has."""
    far = [(row.status, row.at) for row in connection.execute(select(delivery))]
    return far, connection.execute(select(func.count()).select_from(inbox)).scalar_one()


async def said_nothing_new(house: House, sid: str) -> bool:
    """Whether everything that was delivered has been told."""
    entries = await thread_of(house, sid)
    return len(entries) == 3 and all(entry.status in (None, "delivered") for entry in entries)


# Whoever watches


async def following(changes: Subscription, sid: str) -> Change:
    """The next change of this conversation, which must come soon."""
    async with asyncio.timeout(SOON_S):
        async for change in changes:
            if change.sids is not None and sid in change.sids:
                return change
    raise AssertionError("the feed has ended")


async def test_whoever_watches_is_told_of_every_message_and_finds_it_in_the_thread(house: House) -> None:
    sid = await house.say(MARIA, "agent")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    with house.service.feed.subscribe() as changes:
        for author, body in [(ADA, "Ada here"), (MARIA, "at last"), (ADA, "what size?")]:
            if author == ADA:
                await write(house, sid, author, body)
            else:
                await house.say(author, body)
            while body not in [entry.body for entry in await thread_of(house, sid)]:
                await following(changes, sid)


async def test_a_page_that_was_read_before_it_watches_misses_nothing(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.state(sid, "awaiting_choice")
    await house.quiet(sid)
    seen = house.service.feed.latest
    await house.say(MARIA, "still there?")
    await house.until(lambda: has(house, sid, "still there?"))
    with house.service.feed.subscribe(seen) as changes:
        await following(changes, sid)


async def has(house: House, sid: str, body: str) -> bool:
    return body in [entry.body for entry in await thread_of(house, sid)]


async def test_who_watches_does_not_hold_up_the_end_of_the_service(house: House) -> None:
    with house.service.feed.subscribe() as changes:
        watching = asyncio.create_task(anext(changes))
        await asyncio.sleep(0)
        await house.stop()
        with pytest.raises(StopAsyncIteration):
            async with asyncio.timeout(SOON_S):
                await watching
