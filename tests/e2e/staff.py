"""Who is signed in in these tests, and what they do and are refused."""

from typing import Any

import pytest
from sqlalchemy import select

from orchestrator.acts import ActRefused, Acts
from orchestrator.people.rights import Person, Role
from storage.schema import audit
from tests.e2e.conftest import House

MARIA, MARIA_ID = "+15550100001", "1"
ADA, GRACE, ALAN = "ada@example.test", "grace@example.test", "alan@example.test"
ADAS = Person(1, "ada", "Ada Lovelace", Role.worker, ADA)
GRACES = Person(2, "grace", "Grace Hopper", Role.worker, GRACE)
BOSS = Person(3, "alan", "Alan Turing", Role.supervisor)


def acts(house: House) -> Acts:
    return house.service.acts


async def with_ada(house: House) -> str:
    """A conversation that ada serves, in which nothing is under way."""
    sid = await house.say(MARIA, f"{ADA}, please")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    return sid


async def by(house: House, sid: str, author: str) -> list[str]:
    return [body for who, body in await house.said(sid) if who == author]


async def audited(house: House) -> list[tuple[Any, ...]]:
    columns = (audit.c.who, audit.c.act, audit.c.conversation_sid, audit.c.target, audit.c.reason, audit.c.outcome)
    query = select(*columns).order_by(audit.c.id)
    return await house.service.reader.read(lambda connection: [tuple(row) for row in connection.execute(query)])


async def triggers(house: House, sid: str) -> list[str]:
    return [row["trigger"] for row in (await house.dump(sid))["history"]]


async def settled(house: House, sid: str, identities: list[str]) -> Any:
    """Wait until exactly these are in the conversation and nothing is under way; its dump."""

    async def are_there() -> bool:
        return await house.identities(sid) == identities

    await house.until(are_there)
    return await house.quiet(sid)


def refused(status: int, says: str) -> Any:
    return pytest.raises(ActRefused, match=says, check=lambda refusal: refusal.status == status)


async def is_said(house: House, sid: str, body: str) -> bool:
    return (("system", body)) in await house.said(sid)
