"""The live feed: every commit is told soon and without gaps to whoever watches, on SQLite and beside other replicas."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import insert

from chaos.postgres import Postgres
from orchestrator import feed as feeds
from orchestrator.directory import Directory
from orchestrator.feed import RING, Change, Feed, Subscription
from orchestrator.intake import Intake
from storage import notes, shared_writer
from storage.schema import meta
from storage.shared_writer import SharedWriter
from storage.talk import Receipt
from storage.unit import Unit
from storage.writer import Batches, Writer
from tests.postgres import writing
from tests.stores import report, sid, started

SOON_S = 1.0


@asynccontextmanager
async def feeding(writer: Batches) -> AsyncIterator[Feed]:
    """A replica's feed, as its service runs it."""
    feed = Feed(writer)

    def told(what: str) -> None:
        feed.hear(what)

    writer.on_told = told
    feed.start()
    tasks = [asyncio.create_task(feed.run())] if writer.is_shared else []
    try:
        yield feed
    finally:
        for task in tasks:
            task.cancel()


@pytest.fixture
async def feed(writer: Writer) -> AsyncIterator[Feed]:
    async with feeding(writer) as feed:
        yield feed


def noting(number: int) -> Callable[[Unit], None]:
    """Something people see of a conversation is written."""
    return lambda unit: notes.add(unit, sid("CH", number), "ada", "careful", unit.now)


async def following(subscription: Subscription) -> Change:
    async with asyncio.timeout(SOON_S):
        return await anext(subscription)


def sids(*numbers: int) -> frozenset[str]:
    return frozenset(sid("CH", number) for number in numbers)


async def test_a_commit_is_told_with_what_it_changed(feed: Feed, writer: Writer) -> None:
    intake = Intake(writer, Directory(None), grace_ms=1000)
    with feed.subscribe() as changes:
        await intake.accept(report(started(), 7))
        assert (await following(changes)).sids == sids(7)
        receipt = Receipt(sid("CH", 8), sid("IM", 1), "", "sent")
        await intake.deliver(receipt, "a")
        assert (await following(changes)).sids == sids(8)
        await writer.run(noting(9))
        assert (await following(changes)).sids == sids(9)


async def test_a_commit_that_nobody_sees_or_that_failed_is_not_told(feed: Feed, writer: Writer) -> None:
    def broken(unit: Unit) -> None:
        noting(1)(unit)
        raise ZeroDivisionError

    with feed.subscribe() as changes:
        await writer.run(lambda unit: unit.connection.execute(insert(meta).values(name="a", value="")) and None)
        with pytest.raises(ZeroDivisionError):
            await writer.run(broken)
        await writer.run(noting(2))
        assert (await following(changes)).sids == sids(2)


async def test_as_long_as_nobody_watches_nothing_is_asked_and_nothing_kept(feed: Feed, writer: Writer) -> None:
    assert writer.on_changed is None
    with feed.subscribe():
        assert writer.on_changed is not None


async def test_who_comes_back_is_told_what_he_missed_and_nothing_twice(feed: Feed, writer: Writer) -> None:
    seen = feed.latest
    await writer.run(noting(1))
    with feed.subscribe(seen) as changes:
        first = await following(changes)
    await writer.run(noting(2))
    await writer.run(noting(3))
    with feed.subscribe(first.id) as changes:
        missed = await following(changes)
        await writer.run(noting(4))
        last = await following(changes)
    assert (first.sids, missed.sids, last.sids) == (sids(1), sids(2, 3), sids(4))


@pytest.mark.parametrize("known", ["", "0:0", "nonsense", "{epoch}:99", "{epoch}:-1", "{epoch}:" + "9" * 30])
async def test_who_comes_back_with_an_unknown_place_reads_everything_again(
    feed: Feed, writer: Writer, known: str
) -> None:
    epoch = feed.latest.partition(":")[0]
    with feed.subscribe(known.format(epoch=epoch)) as changes:
        assert (await following(changes)).sids is None
        await writer.run(noting(1))
        assert (await following(changes)).sids == sids(1)


async def test_who_is_slow_gets_several_as_one_and_who_is_too_slow_reads_everything(feed: Feed, writer: Writer) -> None:
    with feed.subscribe() as slow, feed.subscribe() as slower:
        for number in range(RING):
            await writer.run(noting(number))
        assert (await following(slow)).sids == sids(*range(RING))
        await writer.run(noting(RING))
        assert (await following(slower)).sids is None
        assert (await following(slow)).sids == sids(RING)


async def test_too_many_conversations_at_once_are_everything(feed: Feed, writer: Writer) -> None:
    def many(unit: Unit) -> None:
        for number in range(feeds.MANY + 1):
            unit.touch(sid("CH", number))

    with feed.subscribe() as changes:
        await writer.run(many)
        assert (await following(changes)).sids is None


async def test_who_watches_when_the_service_ends_is_let_go(feed: Feed) -> None:
    with feed.subscribe() as changes:
        waiting = asyncio.create_task(following(changes))
        await asyncio.sleep(0)
        feed.close()
        with pytest.raises(StopAsyncIteration):
            await waiting


# Beside another replica


async def answered(*writers: SharedWriter) -> None:
    """Until these replicas hear the others, and their question who watches would have been answered."""
    for _ in range(500):
        if all(writer.hears for writer in writers):
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(2 * feeds.ANSWERED_S)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes less."""
    monkeypatch.setattr(feeds, "HEARD_S", 0.1)
    monkeypatch.setattr(feeds, "ANSWERED_S", 0.3)


async def watching(changes: Subscription) -> None:
    """Until everybody has heard of it: then everything is read once more."""
    assert (await following(changes)).sids is None


async def test_what_another_replica_commits_is_told_within_a_second(
    one: SharedWriter, other: SharedWriter, quickly: None
) -> None:
    async with feeding(one) as here, feeding(other):
        await answered(one, other)
        with here.subscribe() as changes:
            await watching(changes)
            began = time.monotonic()
            await other.run(noting(1))
            change = await following(changes)
            print(f"told {time.monotonic() - began:.3f} s after it was handed over")
            assert change.sids == sids(1)
            await one.run(noting(2))
            assert (await following(changes)).sids == sids(2)


async def test_a_commit_of_ones_own_is_told_once(one: SharedWriter, other: SharedWriter, quickly: None) -> None:
    async with feeding(one) as here, feeding(other) as there:
        await answered(one, other)
        with here.subscribe() as ours, there.subscribe() as theirs:
            for changes in (ours, theirs):
                await watching(changes)
            await one.run(noting(1))
            assert (await following(ours)).sids == sids(1)
            assert (await following(theirs)).sids == sids(1)
            # By now the hint has come back to who gave it.
            await other.run(noting(2))
            assert (await following(ours)).sids == sids(2)


async def test_a_replica_that_starts_later_learns_that_others_watch(
    one: SharedWriter, shared_url: str, quickly: None
) -> None:
    async with feeding(one) as here:
        await answered(one)
        with here.subscribe() as changes:
            await watching(changes)
            async with writing(shared_url) as late, feeding(late):
                await answered(late)
                await late.run(noting(3))
                assert (await following(changes)).sids == sids(3)


async def test_where_nobody_watches_nothing_is_told(
    one: SharedWriter, other: SharedWriter, quickly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Counter[str]()
    tell = SharedWriter.tell

    def counted(writer: SharedWriter, what: str) -> None:
        told.update([what.partition(":")[0]])
        tell(writer, what)

    monkeypatch.setattr(SharedWriter, "tell", counted)
    async with feeding(one), feeding(other):
        await answered(one, other)
        told.clear()
        for number in range(5):
            await one.run(noting(number))
    assert told == Counter()
    assert one.on_changed is None


async def test_many_changes_are_few_hints_and_none_is_too_long_for_the_database(
    one: SharedWriter, other: SharedWriter, quickly: None
) -> None:
    heard: list[str] = []
    async with feeding(one) as here, feeding(other):

        def told(what: str) -> None:
            heard.append(what)
            here.hear(what)

        one.on_told = told
        await answered(one, other)
        with here.subscribe() as changes:
            await watching(changes)
            heard.clear()
            await asyncio.gather(*(other.run(noting(number)) for number in range(feeds.HINT_MANY)))
            found: set[str] = set()
            while len(found) < feeds.HINT_MANY:
                found |= (await following(changes)).sids or set()
            assert found == sids(*range(feeds.HINT_MANY))

            def many(unit: Unit) -> None:
                for number in range(feeds.HINT_MANY + 1):
                    unit.touch(sid("CH", number))

            await other.run(many)
            assert (await following(changes)).sids is None
    assert all(len(what) < 8_000 for what in heard)
    assert len([what for what in heard if what.startswith("changed")]) < 20


async def test_a_connection_that_was_lost_makes_everything_stale_once_it_is_made_again(
    one: SharedWriter, other: SharedWriter, postgres: Postgres, quickly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_writer, "LISTEN_AGAIN_S", 0.05)
    async with feeding(one) as here, feeding(other):
        await answered(one, other)
        with here.subscribe() as changes:
            await watching(changes)
            postgres.stop_immediately()
            postgres.start()
            assert (await following(changes)).sids is None
            await other.run(noting(1))
            async with asyncio.timeout(5):
                while (await anext(changes)).sids != sids(1):
                    pass
