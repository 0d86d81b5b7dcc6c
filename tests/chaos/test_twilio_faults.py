"""A little of what `make chaos` does with a Twilio that loses answers, fails half-way, and refuses the account."""

import asyncio
from functools import partial
from typing import Any

import aiohttp
import pytest

from chaos.frame import Scale
from chaos.twilio_faults import ambiguous_creates, commits_after_the_quiet_period
from orchestrator.adapters.account_hold import AccountHold
from orchestrator.metrics import REGISTRY
from orchestrator.sandbox import seeds
from tests.e2e.conftest import House

SMALLEST = Scale(0.001, 1)
MARIA = "+15550100001"


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Customers who write little and at once."""
    monkeypatch.setattr("chaos.twilio_faults.TEXTS", ("Hello", "Thanks"))
    monkeypatch.setattr("chaos.twilio_faults.TALK_S", 10.0)
    monkeypatch.setattr("chaos.twilio_faults.SHORT", 1 / 40)


@pytest.mark.usefixtures("brief")
async def test_creates_that_are_carried_out_late_and_listed_late_are_neither_doubled_nor_lost() -> None:
    figure = await ambiguous_creates(SMALLEST)
    assert figure.violations == []


@pytest.mark.usefixtures("brief")
async def test_what_twilio_carries_out_after_the_quiet_period_is_counted_wherever_it_stands_twice() -> None:
    figure = await commits_after_the_quiet_period(SMALLEST)
    assert figure.violations == []


async def test_a_message_that_stands_there_twice_is_counted_once(bare_house: House) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("expert_hub_duplicate_effects_total") or 0.0

    await bare_house.start()
    before, sid = counted(), await bare_house.say(MARIA, "Hello")
    await bare_house.quiet(sid)
    ours = next(m for m in (await bare_house.record(sid))["messages"] if m["author"] == "system")
    copy = {"Author": "system", "Body": ours["body"], "Attributes": ours["attributes"]}
    url = f"{bare_house.sandbox.url}/v1/Conversations/{sid}/Messages"
    headers = {"Authorization": aiohttp.encode_basic_auth(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN)}
    async with bare_house.session.post(url, data=copy, headers=headers) as answer:
        assert answer.status == 201
    for _ in range(2):
        await bare_house.service.reconciler.round()
    assert counted() - before == 1


async def test_a_refused_account_waits_and_then_goes_on_without_waiting_for_its_retries(
    bare_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.adapters.twilio_transport.AccountHold", partial(AccountHold, 0.3))
    await bare_house.start(RETRY_CAP_S="600")
    await bare_house.post("/sandbox/faults", {"errors": {"401": 1}}, "PUT")
    sid = await bare_house.say(MARIA, "Hello")

    async def waits() -> list[Any]:
        return [effect for effect in (await bare_house.dump(sid))["effects"] if effect["status"] == "retrying"]

    assert await bare_house.until(waits)
    assert REGISTRY.get_sample_value("expert_hub_credentials_refused") == 1
    await asyncio.sleep(0.5)
    await bare_house.post("/sandbox/faults", {}, "PUT")
    dump = await bare_house.quiet(sid)
    assert {effect["status"] for effect in dump["effects"]} == {"done"}
    assert REGISTRY.get_sample_value("expert_hub_credentials_refused") == 0
