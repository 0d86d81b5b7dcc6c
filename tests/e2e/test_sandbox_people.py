"""The people of the sandbox over real sockets: one tap for whoever is on this machine, and for nobody else."""

import json
import re

import pytest
from sqlalchemy import select, update

from orchestrator.sandbox import seeds
from storage import people
from storage.schema import person, signin
from tests.e2e.conftest import House
from tests.e2e.doors import CREDENTIALS
from tests.e2e.signing import change, is_signed_in, stored
from tests.visitors import QUICK, SECRET, Visitor, add_person, visiting

ADA, GRACE = "ada@example.test", "grace@example.test"
BOSS = "boss@example.test"
WRONG = "The login or the password is not right. Please check both and try again."
GUARDED = "/signout"


@pytest.mark.parametrize("login", [identity for identity, _available in seeds.WORKERS])
async def test_in_the_sandbox_a_worker_is_one_tap_away(house: House, visitor: Visitor, login: str) -> None:
    assert f'value="{login}"' in (await visitor.get("/signin")).text
    assert (await visitor.tap(login)).leads_to == "/app"
    (row,) = await stored(house, select(person).where(person.c.login == login))
    assert (row["role"], row["identity"], row["password_hash"]) == ("worker", login, None)


@pytest.mark.parametrize("role", ["supervisor", "developer", "admin"])
async def test_in_the_sandbox_the_others_are_too(house: House, visitor: Visitor, role: str) -> None:
    assert (await visitor.tap(f"{role}@example.test")).leads_to == "/console"
    (row,) = await stored(house, select(person).where(person.c.login == f"{role}@example.test"))
    # Who may step in may take over, for which he needs an identity; he is no worker for it.
    assert (row["role"], row["identity"]) == (role, None if role == "developer" else f"{role}@example.test")


@pytest.mark.parametrize(
    "headers",
    [{"X_Forwarded_For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Host": "evil.example.test"}, {"Host": "[x"}],
    ids=str,
)
async def test_one_tap_is_for_this_machine_alone(house: House, visitor: Visitor, headers: dict[str, str]) -> None:
    shown = await visitor.get("/signin", **headers)
    assert 'name="as"' not in shown.text
    form = {"csrf": visitor.csrf, "as": ADA}
    answer = await visitor.ask("POST", "/signin", form, Sec_Fetch_Site="same-origin", **headers)
    assert answer.status in (400, 403, 422)
    assert await stored(house, select(signin)) == []


async def test_one_tap_is_for_nobody_but_the_seeded_and_not_past_a_password(house: House, visitor: Visitor) -> None:
    await add_person(house.service, BOSS, "admin", None)
    hashed = QUICK.hash(SECRET)
    await house.service.writer.run(lambda unit: people.set_password(unit.connection, "admin@example.test", hashed))
    for login in (BOSS, "admin@example.test", "nobody@example.test"):
        assert (await visitor.tap(login)).status == 422
    assert (await visitor.sign_in("admin@example.test")).status == 303


async def test_with_real_credentials_nobody_is_offered_and_no_tap_counts(real_house: House) -> None:
    assert await stored(real_house, select(person)) == []
    async with visiting(real_house.url) as visitor:
        assert 'name="as"' not in (await visitor.get("/signin")).text
        assert (await visitor.tap(ADA)).status == 422
        assert (await visitor.sign_in(ADA, "")).status == 422


async def test_the_seeded_of_a_sandbox_cannot_come_in_once_there_are_real_credentials(bare_house: House) -> None:
    await bare_house.start()
    async with visiting(bare_house.url) as visitor:
        await visitor.tap("admin@example.test")
        assert await is_signed_in(visitor)
        await bare_house.stop()
        await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, **CREDENTIALS)
        assert len(await stored(bare_house, select(person))) == 6
        assert len(await stored(bare_house, select(signin))) == 1
        assert not await is_signed_in(visitor)
        assert (await visitor.post(GUARDED)).status == 401
        for password in ("", " ", "None", "admin@example.test", SECRET):
            assert (await visitor.sign_in("admin@example.test", password)).status == 422
        assert (await visitor.tap("admin@example.test")).status == 422


async def test_starting_the_sandbox_again_adds_nobody_twice_and_takes_nobodys_place(bare_house: House) -> None:
    await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, **CREDENTIALS)
    await add_person(bare_house.service, "ada", "admin")
    await change(bare_house, update(person).values(identity="ADA@example.test"))
    await bare_house.stop()
    bare_house.variables = {}
    for _ in range(2):
        await bare_house.start()
        logins = {row["login"] for row in await stored(bare_house, select(person))}
        await bare_house.stop()
    assert logins == {
        "ada",
        GRACE,
        "alan@example.test",
        "supervisor@example.test",
        "developer@example.test",
        "admin@example.test",
    }


async def test_the_twin_of_the_form_names_the_sandboxs_people_where_the_form_does(
    house: House, visitor: Visitor
) -> None:
    told = json.loads((await visitor.get("/signin.json")).text)
    assert (told["password"], told["oidc"]) == (True, None)
    assert told["seeded"][0] == {"login": ADA, "name": "Ada", "role": "worker"}
    form = (await visitor.get("/signin")).text
    assert re.findall(r'name="as" value="([^"]+)"', form) == [one["login"] for one in told["seeded"]]
    assert 'href="/signin.json"' in form
    foreign = json.loads((await visitor.get("/signin.json", Host="hub.example.test")).text)
    assert foreign["seeded"] == []


async def test_with_real_credentials_the_twin_names_nobody(real_house: House) -> None:
    await add_person(real_house.service, BOSS, "supervisor")
    async with visiting(real_house.url) as visitor:
        await visitor.sign_in(BOSS)
        answer = await visitor.get("/signin.json")
    assert json.loads(answer.text) == {"password": True, "oidc": None, "seeded": []}
    assert "no-store" in answer.headers["Cache-Control"]
