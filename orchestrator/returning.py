"""Returning: whom a customer would get back who asks for the person he talked to last, and who that is by name.

Read when somebody asks and when the menu is first said: the CRM for the owner, the store for the last worker,
TaskRouter for who is there. A neighbour that is silent costs its candidates, never the answer.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from orchestrator.adapters.guarded_crm import GuardedCrm
from orchestrator.callbacks import name_of
from orchestrator.directory import Directory
from orchestrator.errors import CrmUnavailable, EffectError, Rejected
from orchestrator.ports import Worker
from states.customers import Customer
from states.returning import DAY_MS, Candidate, Standing, Weighed, candidates, keys_of, owner_of, weigh
from storage import people, relationships
from storage.readers import Readers
from storage.writer import wall_clock

# While a customer waits for an answer the CRM has as long as it has for a name.
CRM_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a search. `worker`: whom to claim; `name`: what to call him who is not there."""

    worker: Worker | None
    name: str | None
    considered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """Whom a customer can have back. `again`: he has talked to him before."""

    name: str
    again: bool


class Returning:
    """Everything that is asked about a relationship. `cover`: folded identity to who covers for him; `limit_days`: how
    long ago is too long."""

    def __init__(
        self, crm: GuardedCrm, directory: Directory, reader: Readers, cover: Mapping[str, str], limit_days: float
    ) -> None:
        self._crm = crm
        self._directory = directory
        self._reader = reader
        self._cover = cover
        self._limit_ms = round(limit_days * DAY_MS)

    async def find(self, address: str | None, customer_id: str | None) -> Found:
        """Whom the customer gets, of those he knows, as TaskRouter has them now. Raises StorageError."""
        customer, answers = await self._customer(address, customer_id)
        if customer is not None:
            customer_id = customer.customer_id
        owner = owner_of(customer.worker if customer else None, crm_answers=answers)
        considered = await self._candidates(address, customer_id, owner)
        standing, workers = await self._standing(considered)
        weighed = weigh(considered, standing)
        name = None if weighed.away is None else await self._name(weighed.away)
        worker = None if weighed.chosen is None else workers[str(weighed.chosen.identity).casefold()]
        return Found(worker, name, weighed.considered)

    async def offer(self, address: str) -> Offer | None:
        """Whom to offer to a customer who has been here before, as far as was heard last: nobody who is away, and
        nobody to whom he has not talked within the limit. Raises StorageError."""
        customer = await self._crm.customer_within(address, CRM_LIMIT_S)
        customer_id = None if customer is None else customer.customer_id
        owner = owner_of(None if customer is None else customer.worker)
        considered = await self._candidates(address, customer_id, owner)
        last = next(it for it in considered if it.role == "last")
        if last.identity is None or last.hindrance not in (None, "considered already"):
            return None
        return await self._named(weigh(considered, self._heard(considered)), last.identity)

    async def _named(self, weighed: Weighed, last: str) -> Offer | None:
        chosen = None if weighed.chosen is None else weighed.chosen.identity
        if chosen is None:
            return None
        return Offer(await self._name(chosen), again=chosen.casefold() == last.casefold())

    async def _candidates(self, address: str | None, customer_id: str | None, owner: Candidate) -> list[Candidate]:
        keys = keys_of(address, customer_id)
        last = await self._reader.read(lambda connection: relationships.last_of(connection, keys))
        return candidates(owner, last, self._cover, wall_clock(), self._limit_ms)

    async def _customer(self, address: str | None, customer_id: str | None) -> tuple[Customer | None, bool]:
        """The customer as the CRM has him, and whether it has answered."""
        try:
            async with asyncio.timeout(CRM_LIMIT_S):
                if customer_id is not None:
                    return await self._crm.find(customer_id), True
                return None if address is None else await self._crm.find_by_address(address), True
        except (CrmUnavailable, TimeoutError):
            return None, False

    async def _standing(self, considered: list[Candidate]) -> tuple[dict[str, Standing], dict[str, Worker]]:
        """How it stands with each up to the first who is available; once TaskRouter is silent nobody else is asked."""
        standing: dict[str, Standing] = {}
        workers: dict[str, Worker] = {}
        for identity in _open_to(considered):
            try:
                worker = await self._fetched(identity)
            except EffectError:
                break
            standing[identity] = _standing_of(worker)
            if worker is not None and worker.available:
                workers[identity] = worker
                break
        return standing, workers

    async def _fetched(self, identity: str) -> Worker | None:
        try:
            return await self._directory.find(identity)
        except Rejected:
            # Nobody can be found in a workspace that refuses to be read.
            return None

    def _heard(self, considered: list[Candidate]) -> dict[str, Standing]:
        return {identity: _standing_of(self._directory.known(identity)) for identity in _open_to(considered)}

    async def _name(self, identity: str) -> str:
        """What to call a worker: as the person signs in who he is, else by his identity."""

        def question(connection: Connection) -> str | None:
            person = people.by_identity(connection, identity)
            return None if person is None else person.name

        return await self._reader.read(question) or name_of(identity)


def _open_to(considered: list[Candidate]) -> list[str]:
    return [it.identity.casefold() for it in considered if it.identity is not None and it.hindrance is None]


def _standing_of(worker: Worker | None) -> Standing:
    if worker is None:
        return "gone"
    return "available" if worker.available else "offline"
