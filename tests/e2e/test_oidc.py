"""Signing in through a provider of identities: a real one on loopback, honest, dishonest and broken."""

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from sqlalchemy import select

from orchestrator.people.oidc_pages import COOKIE, NOT_TOLD, UNKNOWN
from orchestrator.people.pages import BUSY, STALE
from orchestrator.people.sessions import SESSION
from storage import people
from storage.attempts import LIMIT
from storage.schema import person, signin
from tests.e2e.conftest import House
from tests.e2e.doors import CREDENTIALS
from tests.provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, providing
from tests.visitors import Answer, Visitor, add_person, visiting

BOSS = "boss@example.test"


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with providing() as provider:
        yield provider


@pytest.fixture
async def house(bare_house: House, provider: IdentityProvider) -> House:
    """A house with an account of its own and a provider; one person, who has no password."""
    await bare_house.start(
        TWILIO_API_URL=bare_house.sandbox.url,
        OIDC_ISSUER=provider.url,
        OIDC_CLIENT_ID=CLIENT_ID,
        OIDC_CLIENT_SECRET=CLIENT_SECRET,
        **CREDENTIALS,
    )
    await add_person(bare_house.service, BOSS, "admin", None)
    return bare_house


@pytest.fixture
async def visitor(house: House) -> AsyncIterator[Visitor]:
    async with visiting(house.url) as visitor:
        yield visitor


async def to_provider(visitor: Visitor, going_to: str = "") -> str:
    """Leave for the provider; the path and query it sends back with."""
    left = await visitor.get("/signin/oidc" + (f"?next={going_to}" if going_to else ""))
    assert left.status == 303, left.text
    async with visitor.session.get(str(left.leads_to), allow_redirects=False) as response:
        assert response.status == 302
        back = urlsplit(response.headers["Location"])
    return f"{back.path}?{back.query}"


async def through(visitor: Visitor, going_to: str = "") -> Answer:
    """To the provider and back."""
    return await visitor.get(await to_provider(visitor, going_to))


async def stored(house: House, query: Any) -> list[dict[str, Any]]:
    return await house.service.writer.run(lambda unit: [dict(r) for r in unit.connection.execute(query).mappings()])


async def test_a_person_is_known_by_his_verified_address_and_from_then_on_by_the_subject(
    house: House, visitor: Visitor, provider: IdentityProvider
) -> None:
    assert "/signin/oidc" in (await visitor.get("/signin")).text
    provider.email = "Boss@Example.TEST"
    answer = await through(visitor, "/console%3Fstate%3Drouting")
    assert (answer.status, answer.leads_to) == (303, "/console?state=routing")
    assert COOKIE not in visitor.cookies
    (row,) = await stored(house, select(person))
    assert row["oidc_subject"] == f"{provider.url} 7"
    assert (await visitor.get("/signin")).status == 303
    provider.email = "another@example.test"
    async with visiting(house.url) as later:
        assert (await through(later)).leads_to == "/console"
    assert len(await stored(house, select(signin))) == 2
    assert len(await stored(house, select(person))) == 1


async def test_what_is_known_of_the_provider_is_kept_and_new_keys_are_fetched(
    house: House, visitor: Visitor, provider: IdentityProvider
) -> None:
    for _ in range(2):
        assert (await through(visitor)).status == 303
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    assert provider.asked.count("/keys") == 1
    provider.keys.append(ECKey.generate_key("P-256", {"kid": "two", "use": "sig"}))
    provider.signed_by = provider.keys[1]
    assert (await through(visitor)).status == 303
    assert provider.asked.count("/keys") == 2


async def test_a_client_that_must_post_its_secret_does(
    house: House, visitor: Visitor, provider: IdentityProvider
) -> None:
    provider.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await through(visitor)).status == 303


HOUR_AGO = int(time.time()) - 3600
WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "nonce of another": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "audience of another": {"aud": "another"},
    "audience among others for another": {"aud": [CLIENT_ID, "another"], "azp": "another"},
    "audience among others for nobody": {"aud": [CLIENT_ID, "another"]},
    "no audience": {"aud": None},
    "issuer of another": {"iss": "https://evil.example.test"},
    "expired": {"exp": HOUR_AGO},
    "no end": {"exp": None},
    "of the future": {"iat": HOUR_AGO + 7200 + 3600},
    "nobody": {"sub": None},
    "a number": {"sub": 7},
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
async def test_a_claim_that_is_not_as_it_should_be_lets_nobody_in(
    house: House, visitor: Visitor, provider: IdentityProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    answer = await through(visitor)
    assert (answer.status, answer.problem) == (422, NOT_TOLD)
    assert SESSION not in visitor.cookies
    assert COOKIE not in visitor.cookies
    assert await stored(house, select(signin)) == []


@pytest.mark.parametrize("claims", [{"aud": [CLIENT_ID]}, {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}], ids=str)
async def test_an_audience_that_is_a_list_with_us_is_right(
    house: House, visitor: Visitor, provider: IdentityProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    assert (await through(visitor)).status == 303


@pytest.mark.parametrize("how", ["none", "another key", "another key's name", "the client's secret", "the public key"])
async def test_a_signature_that_is_not_the_providers_lets_nobody_in(
    house: House, visitor: Visitor, provider: IdentityProvider, how: str
) -> None:
    (key,) = provider.keys
    match how:
        case "none":
            provider.header = {"alg": "none"}
        case "another key":
            provider.signed_by = RSAKey.generate_key(2048, {"kid": "one"})
        case "another key's name":
            provider.header = {"kid": "no such"}
        case "the client's secret":
            provider.signed_by = OctKey.import_key(CLIENT_SECRET, {"kid": "one"})
            provider.header = {"alg": "HS256"}
        case "the public key":
            provider.signed_by = OctKey.import_key(_modulus(key), {"kid": "one"})
            provider.header = {"alg": "HS256"}
    answer = await through(visitor)
    assert (answer.status, answer.problem) == (422, NOT_TOLD)
    assert await stored(house, select(signin)) == []


def _modulus(key: Any) -> str:
    return str(key.as_dict(private=False)["n"])


@pytest.mark.parametrize(
    ("email", "verified"),
    [
        ("nobody@example.test", True),
        (BOSS, False),
        (BOSS, "true"),
        (BOSS, None),
        (None, True),
    ],
    ids=str,
)
async def test_somebody_unknown_is_not_let_in_and_nobody_is_added(
    house: House, visitor: Visitor, provider: IdentityProvider, email: str | None, verified: Any
) -> None:
    provider.email, provider.verified = email, verified
    answer = await through(visitor)
    assert (answer.status, answer.problem) == (422, UNKNOWN)
    assert [row["oidc_subject"] for row in await stored(house, select(person))] == [None]
    assert await stored(house, select(signin)) == []


async def test_an_address_that_is_another_accounts_now_is_not_he(
    house: House, visitor: Visitor, provider: IdentityProvider
) -> None:
    assert (await through(visitor)).status == 303
    provider.subject = "8"
    async with visiting(house.url) as other:
        assert (await through(other)).problem == UNKNOWN


async def test_whoever_is_disabled_stays_out(house: House, visitor: Visitor, provider: IdentityProvider) -> None:
    await house.service.writer.run(lambda unit: people.disable(unit.connection, BOSS, unit.now))
    assert (await through(visitor)).problem == UNKNOWN


async def test_the_seeded_of_a_sandbox_are_not_known_by_an_address(
    house: House, visitor: Visitor, provider: IdentityProvider
) -> None:
    await add_person(house.service, "admin@example.test", "admin", None)
    provider.email = "admin@example.test"
    assert (await through(visitor)).problem == UNKNOWN
    assert await stored(house, select(signin)) == []


async def test_a_state_counts_once_and_in_its_own_browser(
    house: House, visitor: Visitor, provider: IdentityProvider
) -> None:
    back = await to_provider(visitor)
    async with visiting(house.url) as other:
        assert (await other.get(back)).problem == STALE
        await to_provider(other)
        assert (await other.get(back)).problem == STALE
    kept = visitor.cookies[COOKIE]
    assert (await visitor.get(back)).status == 303
    await visitor.post("/signout")
    assert (await visitor.get(back)).problem == STALE
    visitor.session.cookie_jar.update_cookies({COOKIE: kept})
    assert (await visitor.get(back)).problem == NOT_TOLD  # the code was redeemed already
    assert await stored(house, select(signin)) == []


@pytest.mark.parametrize("change", ["state=", "state=x.y", "state=%ff.%ff", ""], ids=str)
async def test_a_state_that_is_not_ours_is_refused_before_the_provider_is_asked(
    house: House, visitor: Visitor, provider: IdentityProvider, change: str
) -> None:
    back = await to_provider(visitor)
    asked = len(provider.asked)
    code = parse_qs(urlsplit(back).query)["code"][0]
    assert (await visitor.get(f"/signin/oidc/callback?code={code}&{change}")).problem == STALE
    assert len(provider.asked) == asked


async def test_where_to_go_cannot_be_changed_on_the_way(
    house: House, visitor: Visitor, provider: IdentityProvider
) -> None:
    back = await to_provider(visitor, "/console")
    assert (await visitor.get(back.replace("L2NvbnNvbGU", "Ly9ldmls"))).problem == STALE
    assert (await through(visitor, "//evil.example.test")).leads_to == "/console"


async def test_a_refusal_of_the_provider_is_told(house: House, visitor: Visitor, provider: IdentityProvider) -> None:
    back = await to_provider(visitor)
    state = parse_qs(urlsplit(back).query)["state"][0]
    answer = await visitor.get(f"/signin/oidc/callback?error=access_denied&state={state}")
    assert (answer.status, answer.problem) == (422, NOT_TOLD)


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example.test"},
        {"token_endpoint": "http://idp.example.test/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
    ids=str,
)
async def test_a_provider_that_tells_nonsense_of_itself_is_not_gone_to(
    house: House, visitor: Visitor, provider: IdentityProvider, discovery: dict[str, Any]
) -> None:
    provider.discovery = discovery
    answer = await visitor.get("/signin/oidc")
    assert (answer.status, answer.problem) == (503, BUSY)


async def test_a_provider_that_is_away_costs_nobody_his_password(bare_house: House) -> None:
    away = {"OIDC_ISSUER": "http://127.0.0.1:9", "OIDC_CLIENT_ID": "hub", "OIDC_CLIENT_SECRET": "canary"}
    await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, **CREDENTIALS, **away)
    await add_person(bare_house.service, BOSS, "admin")
    async with visiting(bare_house.url) as visitor:
        assert (await visitor.get("/signin/oidc")).status == 503
        assert (await visitor.sign_in(BOSS)).status == 303


async def test_coming_back_is_a_try_too(house: House, visitor: Visitor, provider: IdentityProvider) -> None:
    provider.email = "nobody@example.test"
    for _ in range(LIMIT):
        assert (await through(visitor)).status == 422
    assert (await through(visitor)).status == 429


async def test_without_a_provider_there_is_no_such_way(bare_house: House) -> None:
    await bare_house.start()
    async with visiting(bare_house.url) as visitor:
        assert "/signin/oidc" not in (await visitor.get("/signin")).text
        assert (await visitor.get("/signin/oidc")).status == 404
