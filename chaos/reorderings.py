"""Webhooks in any order: a conversation's webhooks, up to twenty at a time, arrive in a random permutation.

A simulation in virtual time, so that a seed repeats it exactly: the real intake, looker and effects over a real SQLite
file, each permutation in a transaction of its own that is rolled back in the end; only the neighbours and the store's
thread are played. The same conversation is told once in order, and must come to the same.
"""

import heapq
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from sqlalchemy import Connection, Engine, select

from chaos.frame import Figure, Scale
from chaos.happenings import WINDOW, WINDOWS, WORKERS, Script, script
from chaos.played import PlayedClock, PlayedCrm, PlayedOffice, PlayedTwilio, PlayedWriter
from orchestrator.adapters.guarded_crm import GuardedCrm
from orchestrator.adapters.menu_bot import MenuBot
from orchestrator.directory import Directory
from orchestrator.errors import NotProcessed
from orchestrator.intake import Intake
from orchestrator.looker import Looker, put_off
from orchestrator.performing import Performer
from orchestrator.ports import Worker
from orchestrator.retrying import Patience, after_failure
from orchestrator.returning import Returning
from orchestrator.taking import Report, key_of
from orchestrator.verifying import Stores, verify
from states.conversation import Conversation
from states.effects import Effect
from states.events import MessageReceived
from states.facts import Fact, ParticipantPresent
from storage import codec, inbox, outbox
from storage.engine import writing_engine
from storage.lanes import Due
from storage.opening import upgrade
from storage.schema import conversation, history
from storage.unit import Unit
from storage.writer import Writer

NOON = 1_795_600_000_000
SID = f"CH{1:032x}"
TELLINGS = 5
# Between two webhooks; what a call to a neighbour takes; how far Twilio's list is behind, where it is.
APART_MS, CALL_MS, LAG_MS, LAGGING = 60, (5, 400), 1_500, 0.2
# Whatever is still under way so long after the last webhook never ends.
REST_MS, NEVER = 600_000, 1 << 62
PATIENCE = Patience(retry_base_s=1, retry_cap_s=60, effect_deadline_s=3600, quiet_period_s=20)


async def reorderings(scale: Scale) -> Figure:
    """5,000 random permutations of a conversation's webhooks."""
    tallies: Counter[str] = Counter()
    found: list[str] = []
    with _store() as engine:
        for n in range(scale.of(5_000) // (WINDOWS * TELLINGS)):
            found += await _one(engine, f"{scale.seed}/{n}", tallies)
    return Figure(
        fault=f"{tallies['reorderings']} random reorderings of up to {WINDOW} webhooks at a time",
        did=f"{tallies['webhooks']} webhooks, {tallies['displaced']} of them out of place; {tallies['looks']} looks;"
        f" {tallies['late']} of {tallies['tellings']} tellings with an explicit late row, {tallies['late and other']}"
        " of which ended otherwise than in order",
        violations=found,
        notes=[f"virtual time, nothing shortened; Twilio's list {LAG_MS} ms behind in {LAGGING:.0%} of the tellings"],
    )


async def _one(engine: Engine, seed: str, tallies: Counter[str]) -> list[str]:
    """One conversation, told in order and some times out of order; what is wrong about it."""
    told = script(random.Random(f"{seed}/script"))
    in_order = await _told(engine, told, random.Random(seed), shuffled=False)
    found = list(in_order.violations)
    for n in range(TELLINGS):
        telling = await _told(engine, told, random.Random(f"{seed}/{n}"), shuffled=True)
        same = telling.outcome == in_order.outcome
        tallies.update(telling.tallies)
        tallies.update({"tellings": 1, "late": telling.late, "late and other": telling.late and not same})
        found += telling.violations
        if not same and not telling.late:
            found.append(f"came to {telling.outcome} at telling {n}, in order to {in_order.outcome}")
    return [f"{seed}: {line}" for line in found]


@contextmanager
def _store() -> Iterator[Engine]:
    with TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder, 'hub.db')}"
        upgrade(url)
        engine = writing_engine(url)
        yield engine
        engine.dispose()


@dataclass(frozen=True, slots=True)
class _Telling:
    """How one telling ended. `outcome`: what must be the same in any order."""

    outcome: tuple[Any, ...]
    late: bool
    violations: list[str]
    tallies: Counter[str]


async def _told(engine: Engine, windows: Script, chance: random.Random, *, shuffled: bool) -> _Telling:
    with engine.connect() as connection, connection.begin() as transaction:
        lag_ms = LAG_MS if shuffled and chance.random() < LAGGING else 0
        simulation = _Simulation(connection, chance, lag_ms)
        for window in windows:
            await simulation.tell(window, shuffled=shuffled)
        telling = simulation.telling()
        transaction.rollback()
    return telling


class _Simulation:
    """One conversation in virtual time."""

    def __init__(self, connection: Connection, chance: random.Random, lag_ms: int) -> None:
        self._connection = connection
        self._chance = chance
        self._clock = PlayedClock(NOON)
        self._twilio = PlayedTwilio(SID, self._clock, lag_ms)
        self._store = PlayedWriter(connection, self._clock)
        writer = cast(Writer, self._store)
        office = PlayedOffice(tuple(Worker(f"WK{n:032x}", name, True) for n, name in enumerate(WORKERS)))
        self._directory = Directory(office)
        self._intake = Intake(writer, self._directory, grace_ms=1_000)
        crm = GuardedCrm(PlayedCrm(), lambda: self._clock.now / 1000)
        nobody_asks = cast(Returning, None)  # the bot alone knows no LAST
        self._performer = Performer(
            self._twilio, office, self._directory, MenuBot(), crm, writer, 20, returning=nobody_asks
        )
        self._looker = Looker(writer, self._intake, self._twilio, self._directory, 1_000)
        self._agenda: list[tuple[int, int, Callable[[], Awaitable[None]]]] = []
        self._numbers = count()
        self._wakes_at = NEVER
        self._visited = False
        self._tallies: Counter[str] = Counter()

    async def tell(self, window: Sequence[Fact], *, shuffled: bool) -> None:
        """Let it all happen at once, and let the webhooks arrive one by one until everything is at rest."""
        await self._directory.refresh()
        facts = [self._twilio.happen(fact) for fact in window]
        self._visited |= any(isinstance(fact, ParticipantPresent) and fact.identity is not None for fact in facts)
        order = self._chance.sample(facts, len(facts)) if shuffled else facts
        self._tallies["reorderings"] += shuffled
        self._tallies["webhooks"] += len(facts)
        self._tallies["displaced"] += sum(fact is not other for fact, other in zip(facts, order, strict=True))
        at = self._clock.now
        for fact in order:
            at += self._chance.randint(0, APART_MS)
            self._at(at, self._arrival(fact))
        ends = at + REST_MS
        while self._agenda and self._agenda[0][0] < ends:
            self._clock.now, _number, action = heapq.heappop(self._agenda)
            await action()
            await self._follow()

    def _at(self, at: int, action: Callable[[], Awaitable[None]]) -> None:
        heapq.heappush(self._agenda, (max(at, self._clock.now), next(self._numbers), action))

    def _arrival(self, fact: Fact) -> Callable[[], Awaitable[None]]:
        async def arrive() -> None:
            await self._intake.accept(Report(SID, key_of(fact, SID), fact))

        return arrive

    async def _follow(self) -> None:
        """Do what is due, perform what was started, and come back when the next thing falls due."""
        await self._catch_up()
        due_at = await self._store.run(_next_due)
        for due in self._store.started:
            self._at(self._clock.now + self._chance.randint(*CALL_MS), self._performance(due))
        self._store.started.clear()
        if due_at is not None and due_at < self._wakes_at:
            self._wakes_at = due_at
            self._at(due_at, self._wake)

    async def _wake(self) -> None:
        self._wakes_at = NEVER

    async def _catch_up(self) -> None:
        await self._store.run(lambda unit: unit.start_due(64))
        for sid in await self._store.run(lambda unit: inbox.due_conversations(unit, 64)):
            await self._look(sid)

    async def _look(self, sid: str) -> None:
        """As the looker's own round does: what a list lacks that lags is asked for again."""
        self._tallies["looks"] += 1
        try:
            await self._looker.look_at(sid, None, whole=False)
        except NotProcessed:
            await self._store.run(lambda unit: put_off(unit, sid))

    def _performance(self, due: Due) -> Callable[[], Awaitable[None]]:
        async def perform() -> None:
            effect = cast(Effect, codec.decode(due.payload))
            try:
                outcome = await self._performer.perform(due, effect)
            except Exception as error:
                outcome = after_failure(due, effect, error, self._clock(), PATIENCE, routable=True)
            await self._intake.settle(due, outcome)

        return perform

    def telling(self) -> _Telling:
        """How it ended."""
        checked = verify(Stores(self._connection, self._clock.now))
        violations = [f"{name}: {line}" for name, lines in checked.items() for line in lines]
        row = self._connection.execute(select(conversation)).one()
        told = self._connection.execute(select(history.c.event).order_by(history.c.version)).scalars()
        events = [codec.decode(text) for text in told]
        received = [event for event in events if isinstance(event, MessageReceived)]
        times = Counter(event.message_sid for event in received)
        if set(times) != self._twilio.customers_messages() or set(times.values()) - {1}:
            violations.append(f"heard {sorted(times.items())}, written {sorted(self._twilio.customers_messages())}")
        late = any(event.late for event in received)
        indexes = [event.index for event in received if not event.late]
        if indexes != sorted(indexes):
            violations.append(f"decided in the order {indexes}, and none of them is called late")
        if late and not self._twilio.lag_ms and not self._visited:
            # Where a worker has written before anything was heard, what stands before his message counts as answered.
            violations.append("called late, though Twilio's list told everything and no worker wrote")
        return _Telling(_outcome(codec.decode_conversation(row)), late, violations, self._tallies)


def _next_due(unit: Unit) -> int | None:
    return min((at for at in (outbox.next_due(unit), inbox.next_due(unit)) if at is not None), default=None)


def _outcome(snapshot: Conversation) -> tuple[Any, ...]:
    """The state and who is there; of what is over, that it is."""
    if snapshot.state == "closed":
        return ("closed",)
    here = sorted(worker.identity for worker in snapshot.workers)
    waits = snapshot.waiting_since is not None or snapshot.claim is not None
    return snapshot.state, here, snapshot.address, snapshot.proxy_address, snapshot.customer_sid, waits
