"""The directory: who works here and who is free, asked for as seldom as may be."""

import asyncio
from dataclasses import replace

import pytest

from orchestrator import directory as module
from orchestrator.directory import Directory
from orchestrator.errors import NotSent, Rejected
from orchestrator.ports import Worker
from tests.stores import sid

ADA = Worker(sid("WK", 1), "ada@example.test", available=True, last_accepted_task_time=5)
BOB = Worker(sid("WK", 2), "Bob@Example.test", available=False)


class FakeWorkers:
    """A workspace with these workers; remembers what it was asked."""

    def __init__(self, *workers: Worker) -> None:
        self.workers = list(workers)
        self.listed = 0
        self.offered = 0
        self.fetched: list[str] = []
        self.hidden: set[str] = set()
        self.down = False
        self.names: dict[str, str] = {}
        self.in_queue: dict[str, set[str]] = {}
        self.on_listed = asyncio.Event()

    async def everyone(self) -> list[Worker]:
        self.listed += 1
        self.on_listed.set()
        self._answer()
        return [self._as_listed(worker) for worker in self.workers]

    async def available(self, queue_sid: str | None = None) -> list[Worker]:
        self.offered += 1
        self._answer()
        sids = {worker.sid for worker in self.workers} if queue_sid is None else self.in_queue.get(queue_sid, set())
        return [self._as_listed(worker) for worker in self.workers if worker.available and worker.sid in sids]

    async def queues(self) -> dict[str, str]:
        self._answer()
        return self.names

    async def fetch(self, worker_sid: str) -> Worker:
        self.fetched.append(worker_sid)
        self._answer()
        for worker in self.workers:
            if worker.sid == worker_sid:
                return worker
        raise Rejected("not found", 404, 20404)

    async def set_last_accepted(self, worker_sid: str, at_ms: int) -> None:
        raise AssertionError("a directory only reads")

    def _answer(self) -> None:
        if self.down:
            raise NotSent("connection refused")

    def _as_listed(self, worker: Worker) -> Worker:
        """The list shows no attributes of some workers."""
        if worker.sid not in self.hidden:
            return worker
        return replace(worker, last_accepted_task_time=None, attributes_shown=False)


@pytest.fixture
def workers() -> FakeWorkers:
    return FakeWorkers(ADA, BOB)


@pytest.fixture
def directory(workers: FakeWorkers) -> Directory:
    return Directory(workers)


async def test_identities_are_known_in_any_letter_case_once_the_list_was_read(directory: Directory) -> None:
    assert directory.known("ada@example.test") is None
    await directory.refresh()
    assert directory.known("ADA@Example.Test") == ADA
    assert directory.known("bob@example.test") == BOB
    assert set(directory.knowledge().workers or ()) == {"ada@example.test", "bob@example.test"}


async def test_knowledge_is_sure_only_when_said_so(directory: Directory) -> None:
    assert directory.knowledge().sure is False
    assert directory.knowledge(sure=True).sure is True


async def test_who_was_removed_is_no_worker_after_the_next_reading(directory: Directory, workers: FakeWorkers) -> None:
    await directory.refresh()
    workers.workers = [BOB]
    await directory.refresh()
    assert directory.known(ADA.identity) is None


async def test_a_reading_that_failed_leaves_what_was_known(directory: Directory, workers: FakeWorkers) -> None:
    await directory.refresh()
    workers.down = True
    with pytest.raises(NotSent):
        await directory.refresh()
    assert directory.known(ADA.identity) == ADA


async def test_finding_a_known_worker_fetches_him_and_lists_nobody(directory: Directory, workers: FakeWorkers) -> None:
    await directory.refresh()
    workers.workers[1] = newer = replace(BOB, last_accepted_task_time=9)
    assert await directory.find("BOB@example.test") == newer
    assert (workers.listed, workers.fetched) == (1, [BOB.sid])


async def test_before_an_address_is_called_nobody_s_the_list_is_read_once_more(
    directory: Directory, workers: FakeWorkers
) -> None:
    await directory.refresh()
    newcomer = Worker(sid("WK", 3), "new@example.test", available=True)
    workers.workers.append(newcomer)
    assert await directory.find("new@example.test") == newcomer
    assert await directory.find("nobody@example.test") is None
    assert workers.listed == 3


async def test_who_has_another_identity_by_now_is_not_the_one_who_was_asked_for(
    directory: Directory, workers: FakeWorkers
) -> None:
    await directory.refresh()
    workers.workers[0] = replace(ADA, identity="grace@example.test")
    assert await directory.find(ADA.identity) is None


async def test_who_was_deleted_and_made_anew_is_found_under_his_new_sid(
    directory: Directory, workers: FakeWorkers
) -> None:
    await directory.refresh()
    workers.workers[0] = anew = replace(ADA, sid=sid("WK", 9))
    assert await directory.find(ADA.identity) == anew
    assert directory.known(ADA.identity) == anew


async def test_who_took_over_an_identity_is_found_by_it(directory: Directory, workers: FakeWorkers) -> None:
    await directory.refresh()
    workers.workers = [replace(ADA, identity=BOB.identity), replace(BOB, identity=ADA.identity)]
    assert await directory.find(ADA.identity) == replace(BOB, identity=ADA.identity)


async def test_who_was_deleted_is_nobody(directory: Directory, workers: FakeWorkers) -> None:
    await directory.refresh()
    workers.workers = [BOB]
    assert await directory.find(ADA.identity) is None


async def test_finding_says_so_when_taskrouter_does_not_answer(directory: Directory, workers: FakeWorkers) -> None:
    workers.down = True
    with pytest.raises(NotSent):
        await directory.find(ADA.identity)


async def test_only_the_available_are_offered_and_they_are_asked_for_each_time(
    directory: Directory, workers: FakeWorkers
) -> None:
    assert await directory.available() == [ADA]
    workers.workers[0] = replace(ADA, available=False)
    assert await directory.available() == []
    assert workers.offered == 2


async def test_who_is_listed_without_attributes_is_fetched_once(directory: Directory, workers: FakeWorkers) -> None:
    workers.hidden = {ADA.sid}
    for _ in range(3):
        [offered] = await directory.available()
        assert offered.last_accepted_task_time == 5
    assert workers.fetched == [ADA.sid]


async def test_callers_who_ask_at_the_same_time_share_a_reading(directory: Directory, workers: FakeWorkers) -> None:
    await asyncio.gather(*(directory.refresh() for _ in range(20)))
    assert workers.listed <= 2


async def test_without_taskrouter_nobody_is_known_and_nobody_is_asked_for() -> None:
    directory = Directory(None)
    assert directory.configured is False
    assert directory.knowledge().workers is None
    await directory.refresh()
    assert await directory.find("ada@example.test") is None
    assert await directory.available() == []


async def listed(workers: FakeWorkers) -> None:
    """Wait for the next reading of the list."""
    async with asyncio.timeout(5):
        await workers.on_listed.wait()
    workers.on_listed.clear()


async def test_it_is_kept_fresh_from_the_start_on_each_hint_and_every_while(
    directory: Directory, workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = asyncio.create_task(directory.keep_fresh())
    await listed(workers)
    monkeypatch.setattr(module, "REFRESH_S", 0.05)
    directory.stale.set()
    await listed(workers)
    await listed(workers)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_taskrouter_being_down_does_not_end_the_keeping(directory: Directory, workers: FakeWorkers) -> None:
    workers.down = True
    task = asyncio.create_task(directory.keep_fresh())
    await listed(workers)
    workers.down = False
    directory.stale.set()
    await listed(workers)
    assert directory.known(ADA.identity) == ADA
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_available_of_a_queue_are_asked_for_by_its_name_or_its_sid(
    directory: Directory, workers: FakeWorkers
) -> None:
    carl = Worker(sid("WK", 3), "carl@example.test", available=True)
    workers.workers.append(carl)
    workers.names = {"Everyone": "WQ1", "Billing": "WQ2"}
    workers.in_queue = {"WQ2": {carl.sid}}
    assert await directory.available() == [ADA, carl]
    for queue in ("Billing", "billing", "WQ2"):
        assert await directory.available(queue) == [carl]


async def test_a_queue_that_does_not_exist_is_the_configured_one(directory: Directory, workers: FakeWorkers) -> None:
    workers.names = {"Billing": "WQ2"}
    for queue in ("Sales", "WQ9", ""):
        assert await directory.available(queue) == [ADA]


async def test_who_watches_somebodys_availability_is_told_each_change_once(
    directory: Directory, workers: FakeWorkers
) -> None:
    watched = directory.availability("ADA@example.test")
    first = asyncio.ensure_future(anext(watched))
    await directory.refresh()
    assert await first is True
    following = asyncio.ensure_future(anext(watched))
    await directory.refresh()
    workers.workers = [replace(ADA, available=False), BOB]
    await directory.find(ADA.identity)
    assert await following is False
    following = asyncio.ensure_future(anext(watched))
    workers.workers = [ADA, BOB]
    await directory.refresh()
    assert await following is True


async def test_what_was_heard_while_one_worker_was_asked_for_is_believed_instead(
    directory: Directory, workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await directory.refresh()

    async def late(worker_sid: str) -> Worker:
        workers.workers = [replace(ADA, available=False), BOB]
        await directory.refresh()
        return ADA

    monkeypatch.setattr(workers, "fetch", late)
    await directory.find(ADA.identity)
    known = directory.known(ADA.identity)
    assert known is not None
    assert known.available is False
