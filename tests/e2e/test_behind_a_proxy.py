"""Behind a reverse proxy: whose tries to sign in are counted, and who is on this machine whatever is trusted."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from storage.attempts import LIMIT
from tests.e2e.conftest import House
from tests.visitors import Visitor, visiting

LOGINS = count()


@pytest.fixture
async def visitor(bare_house: House) -> AsyncIterator[Visitor]:
    async with visiting(bare_house.url) as visitor:
        yield visitor


async def fails(visitor: Visitor, forwarded: str) -> int:
    """The status of a sign-in that cannot succeed, under a login nobody has tried, as a proxy passes it on."""
    await visitor.get("/signin")
    form = {"csrf": visitor.csrf, "login": f"nobody-{next(LOGINS)}", "password": "another password"}
    return (await visitor.ask("POST", "/signin", form, Origin=visitor.url, X_Forwarded_For=forwarded)).status


async def test_each_client_of_a_trusted_proxy_has_tries_of_his_own(bare_house: House, visitor: Visitor) -> None:
    await bare_house.start(TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8")
    assert [await fails(visitor, "198.51.100.1") for _ in range(LIMIT)] == [422] * LIMIT
    # What he writes before his own address, and which of our proxies pass it on, makes him nobody else.
    for same in ("198.51.100.1", "203.0.113.9, 198.51.100.1", "127.0.0.1, 198.51.100.1, 10.0.0.2"):
        assert await fails(visitor, same) == 429
    assert await fails(visitor, "198.51.100.2") == 422


@pytest.mark.parametrize("trusted", [{}, {"TRUSTED_PROXIES": "10.0.0.0/8"}], ids=str)
async def test_of_anybody_else_the_header_is_not_looked_at(
    bare_house: House, visitor: Visitor, trusted: dict[str, str]
) -> None:
    await bare_house.start(**trusted)
    assert [await fails(visitor, f"198.51.100.{number}") for number in range(LIMIT)] == [422] * LIMIT
    assert await fails(visitor, "198.51.100.99") == 429


async def test_what_a_trusted_proxy_passes_on_is_not_of_this_machine(bare_house: House, visitor: Visitor) -> None:
    """The contract: without a token, the operator routes refuse whatever carries the header."""
    await bare_house.start(TRUSTED_PROXIES="127.0.0.1")
    for forwarded in ("198.51.100.1", "127.0.0.1"):
        assert (await visitor.get("/metrics", X_Forwarded_For=forwarded)).status == 401
        assert 'name="as"' not in (await visitor.get("/signin", X_Forwarded_For=forwarded)).text
    assert (await visitor.get("/metrics")).status == 200
