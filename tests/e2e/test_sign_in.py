"""Signing in and out over real sockets: sessions, forgeries, and how often one may try."""

import asyncio
import json
import re

import pytest
from sqlalchemy import select, update

from orchestrator.people.sessions import FORM, SESSION, digest, form_token
from storage import people
from storage.attempts import LIMIT
from storage.people import HOUR_MS, IDLE_MS, LASTS_MS, MINUTE_MS
from storage.schema import attempt, person, signin
from tests.e2e.conftest import House, on_both
from tests.e2e.doors import CREDENTIALS
from tests.e2e.signing import change, is_signed_in, stored
from tests.visitors import QUICK, SECRET, Visitor, add_person, visiting

ADA, GRACE = "ada@example.test", "grace@example.test"
BOSS = "boss@example.test"
WRONG = "The login or the password is not right. Please check both and try again."
GUARDED = "/signout"


@on_both
async def test_a_person_signs_in_with_a_password_and_out_again(house: House, visitor: Visitor) -> None:
    number = await add_person(house.service, BOSS, "supervisor")
    answer = await visitor.sign_in(BOSS.upper())
    assert (answer.status, answer.leads_to) == (303, "/console")
    token = visitor.cookies[SESSION]
    (row,) = await stored(house, select(signin))
    assert (row["token_hash"], row["person_id"]) == (digest(token), number)
    assert row["expires_at"] - row["created_at"] == LASTS_MS
    assert await is_signed_in(visitor)
    assert (await visitor.post("/signout")).leads_to == "/signin"
    assert SESSION not in visitor.cookies
    assert await stored(house, select(signin)) == []
    visitor.session.cookie_jar.update_cookies({SESSION: token})
    assert not await is_signed_in(visitor)


async def test_the_cookie_is_kept_from_scripts_and_other_sites(house: House, visitor: Visitor) -> None:
    await add_person(house.service, BOSS, "admin")
    await visitor.get("/signin")
    answer = await visitor.post("/signin", login=BOSS, password=SECRET)
    cookie = answer.headers["Set-Cookie"]
    assert re.fullmatch(
        rf"{SESSION}=[\w-]{{43}}; HttpOnly; Max-Age={LASTS_MS // 1000}; Path=/; SameSite=Lax", cookie
    ), cookie


async def test_over_https_the_cookie_is_bound_to_the_host(bare_house: House) -> None:
    await bare_house.start(PUBLIC_URL="https://hub.example.test", TWILIO_API_URL=bare_house.sandbox.url, **CREDENTIALS)
    await add_person(bare_house.service, BOSS, "admin")
    async with visiting(bare_house.url) as visitor:
        shown = await visitor.get("/signin")
        name, _, secret = shown.headers["Set-Cookie"].partition(";")[0].partition("=")
        assert name == f"__Host-{FORM}"
        token = re.search(r'name="csrf" value="([^"]+)"', shown.text)[1]  # type: ignore[index]
        form = {"csrf": token, "login": BOSS, "password": SECRET}
        kept = f"{name}={secret}"
        refused = await visitor.ask("POST", "/signin", form, Cookie=kept, Origin="https://other.example.test")
        answer = await visitor.ask("POST", "/signin", form, Cookie=kept, Origin="https://hub.example.test")
    assert refused.status == 403
    assert re.match(
        rf"__Host-{SESSION}=[\w-]{{43}}; HttpOnly; .*Path=/; SameSite=Lax; Secure", answer.headers["Set-Cookie"]
    )


async def test_a_wrong_password_an_unknown_login_and_a_disabled_person_are_told_the_same(
    house: House, visitor: Visitor
) -> None:
    for login in (BOSS, "gone@example.test"):
        await add_person(house.service, login, "admin")
    await house.service.writer.run(lambda unit: people.disable(unit.connection, "gone@example.test", unit.now))
    answers = [
        await visitor.sign_in(BOSS, "another password"),
        await visitor.sign_in("nobody@example.test"),
        await visitor.sign_in("gone@example.test"),
        await visitor.sign_in(ADA, ""),
    ]
    assert {(answer.status, answer.problem) for answer in answers} == {(422, WRONG)}
    assert SESSION not in visitor.cookies
    without_login = [re.sub(r'value="[^"]*"', "", answer.plain) for answer in answers]
    assert len(set(without_login)) == 1


@on_both
async def test_after_five_failures_a_minute_a_login_waits_whoever_asks(house: House, visitor: Visitor) -> None:
    await add_person(house.service, BOSS, "admin")
    for _ in range(LIMIT):
        assert (await visitor.sign_in(BOSS, "another password")).status == 422
    answer = await visitor.sign_in(BOSS)
    assert answer.status == 429
    wait = int(answer.headers["Retry-After"])
    assert 0 < wait <= 60
    assert f"Please wait {wait} seconds" in str(answer.problem)
    # The address has had its tries too.
    assert (await visitor.sign_in("somebody@example.test")).status == 429
    keys = {row["key"] for row in await stored(house, select(attempt))}
    assert len(keys) == 2
    assert not any(BOSS in key or "127" in key for key in keys)
    await change(house, update(attempt).values(at=attempt.c.at - MINUTE_MS))
    assert (await visitor.sign_in(BOSS)).status == 303
    assert await stored(house, select(attempt)) == []


async def test_tries_at_the_same_time_are_counted_before_they_are_made(house: House, visitor: Visitor) -> None:
    await add_person(house.service, BOSS, "admin")
    await visitor.get("/signin")
    tries = [visitor.post("/signin", login=BOSS, password=f"another password {n}") for n in range(LIMIT + 3)]
    statuses = sorted(answer.status for answer in await asyncio.gather(*tries))
    assert statuses == [422] * LIMIT + [429] * 3


async def test_those_who_succeed_hinder_nobody(house: House, visitor: Visitor) -> None:
    await add_person(house.service, BOSS, "admin")
    for _ in range(LIMIT + 2):
        assert (await visitor.sign_in(BOSS)).status == 303
        await visitor.post("/signout")


async def test_each_sign_in_is_a_new_token_and_ends_the_one_before(house: House, visitor: Visitor) -> None:
    await add_person(house.service, BOSS, "admin")
    await visitor.sign_in(BOSS)
    first = visitor.cookies[SESSION]
    form = "f" * 43
    visitor.session.cookie_jar.update_cookies({FORM: form})
    answer = await visitor.post("/signin", login=BOSS, password=SECRET, csrf=form_token(form))
    assert answer.status == 303
    second = visitor.cookies[SESSION]
    assert second != first
    assert [row["token_hash"] for row in await stored(house, select(signin))] == [digest(second)]


@on_both
async def test_whoever_is_disabled_is_out_with_the_next_request(house: House, visitor: Visitor) -> None:
    await add_person(house.service, BOSS, "admin")
    await visitor.sign_in(BOSS)
    assert await is_signed_in(visitor)
    await house.service.writer.run(lambda unit: people.disable(unit.connection, BOSS, unit.now))
    assert not await is_signed_in(visitor)
    assert (await visitor.post(GUARDED)).status == 401


async def test_another_password_ends_the_sign_ins_and_is_the_one_that_counts(house: House, visitor: Visitor) -> None:
    await add_person(house.service, BOSS, "admin")
    await visitor.sign_in(BOSS)
    hashed = QUICK.hash("staple battery horse")
    await house.service.writer.run(lambda unit: people.set_password(unit.connection, BOSS, hashed))
    assert not await is_signed_in(visitor)
    assert (await visitor.sign_in(BOSS)).status == 422
    assert (await visitor.sign_in(BOSS, "staple battery horse")).status == 303
    (row,) = await stored(house, select(person).where(person.c.login == BOSS))
    assert row["password_hash"].startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_a_sign_in_is_touched_once_a_minute_and_ends_when_idle(house: House, visitor: Visitor) -> None:
    await visitor.tap(ADA)

    async def seen() -> int:
        (row,) = await stored(house, select(signin))
        return int(row["seen_at"])

    began = await seen()
    assert await is_signed_in(visitor)
    assert await seen() == began
    await change(house, update(signin).values(seen_at=began - HOUR_MS))
    assert await is_signed_in(visitor)
    assert await seen() >= began
    await change(house, update(signin).values(seen_at=began - IDLE_MS))
    assert not await is_signed_in(visitor)
    await visitor.tap(ADA)
    assert len(await stored(house, select(signin))) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "{url}"}, 303),
        ({"Sec_Fetch_Site": "same-origin"}, 303),
        ({"Sec_Fetch_Site": "none"}, 303),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "null"}, 303),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "{url}"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "https://evil.example.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[broken"}, 403),
        ({}, 403),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/signin", "/signout"])
async def test_what_changes_something_comes_from_a_page_of_ours(
    house: House, visitor: Visitor, path: str, headers: dict[str, str], status: int
) -> None:
    await visitor.get("/signin")
    if path == "/signout":
        await visitor.tap(ADA)
    sent = {name: value.format(url=house.url) for name, value in headers.items()}
    form = {"csrf": visitor.csrf, "as": ADA}
    assert (await visitor.ask("POST", path, form, **sent)).status == status
    assert (len(await stored(house, select(signin))) == 1) == ((path == "/signin") == (status == 303))


@pytest.mark.parametrize("token", ["", "0" * 64, "\u00e9", None])
@pytest.mark.parametrize("path", ["/signin", "/signout"])
async def test_without_its_token_a_form_changes_nothing(
    house: House, visitor: Visitor, path: str, token: str | None
) -> None:
    await visitor.get("/signin")
    if path == "/signout":
        await visitor.tap(ADA)
    before = len(await stored(house, select(signin)))
    form = {"as": ADA} | ({} if token is None else {"csrf": token})
    assert (await visitor.ask("POST", path, form, Origin=house.url)).status == 403
    assert len(await stored(house, select(signin))) == before


async def test_the_token_may_come_in_a_header_and_is_of_one_session(house: House, visitor: Visitor) -> None:
    await visitor.tap(ADA)
    async with visiting(house.url) as other:
        await other.tap(GRACE)
        assert other.csrf != visitor.csrf
        assert (await visitor.ask("POST", "/signout", X_CSRF_Token=other.csrf, Origin=house.url)).status == 403
    assert (await visitor.ask("POST", "/signout", X_CSRF_Token=visitor.csrf, Origin=house.url)).status == 303


async def test_nobody_signs_another_in_with_a_form_of_his_own(house: House, visitor: Visitor) -> None:
    """A form that was made for another browser's cookie is of no use in this one."""
    async with visiting(house.url) as attacker:
        await attacker.get("/signin")
        token = attacker.csrf
    form = {"csrf": token, "as": ADA}
    assert (await visitor.ask("POST", "/signin", form, Origin=house.url)).status == 403
    await visitor.get("/signin")
    assert (await visitor.ask("POST", "/signin", form, Origin=house.url)).status == 403
    assert await stored(house, select(signin)) == []


@pytest.mark.parametrize(
    ("going_to", "leads_to"),
    [
        ("/app/CH1?x=1&y=%2F", "/app/CH1?x=1&y=%2F"),
        ("", "/app"),
        ("//evil.example.test", "/app"),
        ("/\\evil.example.test", "/app"),
        ("/\t/evil.example.test", "/app"),
        ("https://evil.example.test/", "/app"),
        ("javascript:alert(1)", "/app"),
        ("/app\r\nSet-Cookie: a=b", "/app"),
        ("/signin?next=/signin", "/app"),
        ("/signout", "/app"),
        ("app", "/app"),
        ("/" + "x" * 3000, "/app"),
    ],
)
async def test_a_sign_in_leads_on_within_the_house_only(
    house: House, visitor: Visitor, going_to: str, leads_to: str
) -> None:
    await visitor.get("/signin")
    answer = await visitor.post("/signin", **{"as": ADA, "next": going_to})
    assert (answer.status, answer.leads_to) == (303, leads_to)
    led = await visitor.ask("GET", f"/signin?next={''.join(f'%{byte:02x}' for byte in going_to.encode()[:2100])}")
    assert (led.status, led.leads_to) == (303, leads_to)


async def test_the_page_is_escaped_and_keeps_to_itself(house: House, visitor: Visitor) -> None:
    hostile = '"><script>alert(1)</script>'
    shown = await visitor.get("/signin?next=/a%22%3E%3Cscript%3E")
    assert '"><script>' not in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    policy = shown.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    answer = await visitor.post("/signin", login=hostile, password="x")
    assert answer.status == 422
    assert hostile not in answer.text
    assert "&#34;&gt;&lt;script&gt;alert(1)" in answer.text


async def test_whoever_is_not_signed_in_is_led_to_the_sign_in_or_told(house: House, visitor: Visitor) -> None:
    assert (await visitor.post("/signout")).status == 401
    answer = await visitor.ask("POST", "/signout", Accept="text/html", Origin=house.url)
    assert (answer.status, 'href="/signin"' in answer.text) == (401, True)
    visitor.session.cookie_jar.update_cookies({SESSION: "x" * 43})
    answer = await visitor.post("/signout")
    assert (answer.status, json.loads(answer.text)) == (
        401,
        {"error": "You are not signed in. Please sign in and try again."},
    )


async def test_a_database_that_does_not_answer_is_told_calmly(house: House, visitor: Visitor) -> None:
    await visitor.tap(ADA)
    await house.service.reader.close()
    (house.data / "hub.db").rename(house.data / "away.db")
    answer = await visitor.post("/signout")
    assert answer.status == 503
    assert "Please try again" in answer.text
    assert (await visitor.get("/signin")).status == 503


async def test_what_people_do_is_logged_by_number_alone(
    house: House, visitor: Visitor, capfd: pytest.CaptureFixture[str]
) -> None:
    number = await add_person(house.service, BOSS, "admin")
    await visitor.sign_in(BOSS, "another password")
    await visitor.sign_in(BOSS)
    await visitor.post("/signout")
    said = "".join(capfd.readouterr())
    for event in ("sign_in_refused", "signed_in", "signed_out"):
        assert event in said
    assert f"person={number}" in said or f'"person": {number}' in said
    assert BOSS not in said
    assert SECRET not in said
