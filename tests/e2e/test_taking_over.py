"""Taking over as somebody who is no worker of TaskRouter: he serves whom he takes, and no customer is ever routed to
him."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from orchestrator.acts import ActRefused
from orchestrator.people.rights import Person, Role
from orchestrator.verifying import Stores, verify
from states.texts import PLEASE_WAIT
from storage import people
from storage.schema import person
from storage.writer import wall_clock
from tests.e2e.conftest import BOTH, House
from tests.e2e.doors import CREDENTIALS, rest
from tests.e2e.workbench import act, audit_of, twin, with_grace
from tests.visitors import Visitor, visiting

DATABASES = BOTH
MARIA, ROBERT = "+15550100001", "+15550100002"
GRACE = "grace@example.test"
SUPERVISOR, ADMIN = "supervisor@example.test", "admin@example.test"
BOSS = Person(9, SUPERVISOR, "Supervisor", Role.supervisor, SUPERVISOR)


@pytest.fixture
async def boss(house: House) -> AsyncIterator[Visitor]:
    async with visiting(house.url) as visitor:
        assert (await visitor.tap(SUPERVISOR)).status == 303
        yield visitor


async def serves(house: House, sid: str, identity: str) -> Any:
    """Wait until he and nobody else is with the customer; the dump."""

    async def is_alone() -> bool:
        return await house.identities(sid) == [identity]

    await house.until(is_alone)
    return await house.quiet(sid)


async def broken_promises(house: House) -> dict[str, list[str]]:
    ledger = await house.ledger()
    found = await house.service.reader.read(lambda connection: verify(Stores(connection, wall_clock(), ledger)))
    return {name: violations for name, violations in found.items() if violations}


async def test_the_seeded_supervisor_takes_over_answers_and_closes(house: House, boss: Visitor) -> None:
    sid = await with_grace(house)
    assert (await act(boss, sid, "take", "She is unhappy")).leads_to == f"/console/c/{sid}?did=take"
    dump = await serves(house, sid, SUPERVISOR)
    assert (dump["state"], dump["worker"]) == ("with_worker", {"identity": SUPERVISOR})

    written = await boss.post(f"/app/c/{sid}/write", body="Let me see to it myself", token="token-0001")
    assert written.leads_to == f"/app/c/{sid}"
    await house.quiet(sid)
    await house.say(MARIA, "Thank you")

    async def is_shown() -> bool:
        thread = (await twin(boss, f"/app/c/{sid}.json"))["messages"]
        last = [(it["side"], it["author"], it["body"]) for it in thread][-2:]
        return last == [("worker", SUPERVISOR, "Let me see to it myself"), ("customer", MARIA, "Thank you")]

    await house.until(is_shown)

    assert (await act(boss, sid, "close", "All is well again")).status == 303
    await house.state(sid, "closed")
    assert await audit_of(boss, sid) == [
        (SUPERVISOR, "close", "All is well again", "done"),
        (SUPERVISOR, "write", "", "done"),
        (SUPERVISOR, "hand_to_worker", "She is unhappy", "done"),
    ]
    assert await broken_promises(house) == {}


async def test_from_the_bot_and_from_the_queue_too(house: House, boss: Visitor) -> None:
    await house.everyone_away()
    asks = await house.say(MARIA, "Hello")
    waits = await house.say(ROBERT, "AGENT")
    await house.state(waits, "routing")
    for sid in (asks, waits):
        await house.quiet(sid)
        assert (await act(boss, sid, "take", "Nobody is here")).status == 303
        assert (await serves(house, sid, SUPERVISOR))["state"] == "with_worker"


async def test_nobody_is_routed_to_him_and_he_is_no_worker(house: House, boss: Visitor) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    await act(boss, sid, "take", "Because")
    await serves(house, sid, SUPERVISOR)
    await house.everyone_away()
    waits = await house.say(ROBERT, "AGENT")

    async def is_told() -> bool:
        return ("system", PLEASE_WAIT) in await house.said(waits)

    await house.until(is_told)
    refused = await act(boss, waits, "assign", "Him, please", identity=SUPERVISOR)
    assert (refused.status, "does not work here" in refused.text) == (404, True)
    workers = {it["identity"]: it for it in (await twin(boss, "/console.json"))["workers"]}
    assert workers[SUPERVISOR] == {"identity": SUPERVISOR, "open": 1, "available": None}
    times = [it for it in (await house.dump(sid))["effects"] if it["kind"] == "set_worker_attributes"]
    assert times == []


async def test_grace_who_is_handed_what_he_took_has_it_and_he_does_not_come_back(house: House, boss: Visitor) -> None:
    sid = await with_grace(house)
    await act(boss, sid, "take", "She is unhappy")
    await serves(house, sid, SUPERVISOR)
    handed = await boss.post(
        f"/app/c/{sid}/hand-over", to=f"worker:{GRACE}", note="She is calm now", token="token-0001"
    )
    assert handed.leads_to == "/app?done=handed"
    assert (await serves(house, sid, GRACE))["worker"] == {"identity": GRACE}
    assert (await boss.post(f"/app/c/{sid}/write", body="And?", token="token-0002")).status == 404
    assert await broken_promises(house) == {}


async def test_what_a_look_finds_of_him_is_a_workers_too(bare_house: House) -> None:
    """No webhook tells of him: the reconciler does, and finds his leaving as well."""
    house = bare_house
    await house.start(RECONCILE_S="1")
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    await house.post("/sandbox/faults", {"seed": 1, "webhook_loss": 1}, "PUT")
    await house.service.acts.take_over(sid, BOSS, "Nobody is here", "token-0001")
    await serves(house, sid, SUPERVISOR)
    (his,) = [it["sid"] for it in (await house.record(sid))["participants"] if it["identity"] == SUPERVISOR]
    await rest(house, "POST", f"/Conversations/{sid}/Messages", told=True, Author=SUPERVISOR, Body="By another program")
    await rest(house, "DELETE", f"/Conversations/{sid}/Participants/{his}", told=True)
    await house.state(sid, "awaiting_choice")
    await house.quiet(sid)
    assert [author for author, _body in await house.said(sid)][-1] == SUPERVISOR
    triggers = [row["trigger"] for row in (await house.dump(sid))["history"]]
    assert triggers.count("message_received") == 1
    assert "customer_joined" not in triggers[triggers.index("handed_to_worker") :]


async def test_an_identity_nobody_took_over_with_is_a_customer_as_ever(house: House) -> None:
    """The contract's rule: in a chat whoever is no worker is a customer, also one who signs in here."""
    sid = await house.say(SUPERVISOR, "Hello", channel="chat")
    assert (await house.state(sid, "awaiting_choice"))["address"] == SUPERVISOR


async def test_who_takes_over_himself_must_be_somebody(house: House) -> None:
    sid = await with_grace(house)
    with pytest.raises(ActRefused, match="no identity"):
        await house.service.acts.take_over(sid, replace(BOSS, identity=None), "", "token-0001")
    await house.service.acts.take_over(sid, BOSS, "", "token-0002")
    await serves(house, sid, SUPERVISOR)
    with pytest.raises(ActRefused, match="with this customer already"):
        await house.service.acts.take_over(sid, BOSS, "", "token-0003")


async def test_he_begins_no_conversation_and_is_asked_for_no_availability(house: House, boss: Visitor) -> None:
    with pytest.raises(ActRefused, match="take conversations over, and begin none"):
        await house.service.acts.start(BOSS, "1", "sms", MARIA, "token-0001")
    page = (await boss.get("/app")).text
    assert "No conversations" in page
    assert "Availability unknown" not in page
    assert 'role="switch"' not in page


async def test_without_taskrouter_he_takes_over_as_well(bare_house: House) -> None:
    await bare_house.start(**CREDENTIALS, TWILIO_API_URL=bare_house.sandbox.url)
    work = insert(person).values(login="boss", name="Boss", role="supervisor", identity=SUPERVISOR, created_at=0)
    await bare_house.service.writer.run(lambda unit: unit.connection.execute(work))
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.quiet(sid)
    await bare_house.service.acts.take_over(sid, BOSS, "Somebody must", "token-0001")
    assert (await serves(bare_house, sid, SUPERVISOR))["state"] == "with_worker"


async def test_a_sandbox_of_before_gives_its_supervisor_an_identity(bare_house: House) -> None:
    await bare_house.start()
    forgotten = update(person).where(person.c.login.in_((SUPERVISOR, ADMIN))).values(identity=None)
    await bare_house.service.writer.run(lambda unit: unit.connection.execute(forgotten))
    await bare_house.stop()
    await bare_house.start()
    found = await bare_house.service.reader.read(lambda connection: people.by_login(connection, SUPERVISOR))
    assert found is not None
    assert found.identity == SUPERVISOR
