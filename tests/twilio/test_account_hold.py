"""While the account's credentials are refused nobody calls but a probe, and what waited goes on at once after it."""

import asyncio

import pytest
from twilio.rest import Client

from orchestrator.adapters.account_hold import AccountHold
from orchestrator.adapters.twilio_conversations import TwilioConversations
from orchestrator.adapters.twilio_transport import TwilioTransport
from orchestrator.errors import Ambiguous, Held
from orchestrator.metrics import REGISTRY
from orchestrator.sandbox import seeds
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.server import Running
from tests.clients import at_hand

SOON_S = 0.05


class Counted(Faults):
    """Faults that count the calls that met them."""

    calls = 0

    def error_before(self) -> int | None:
        self.calls += 1
        return super().error_before()


def gauge() -> float | None:
    return REGISTRY.get_sample_value("expert_hub_credentials_refused")


@pytest.fixture
def port(transport: TwilioTransport) -> TwilioConversations:
    return TwilioConversations(at_hand(Client(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN, http_client=transport)))


@pytest.mark.parametrize("status", [401, 403])
async def test_after_a_refusal_no_request_leaves(sandbox: Running, port: TwilioConversations, status: int) -> None:
    faults = Counted(errors={status: 1.0})
    sandbox.sandbox.set_faults(faults)
    for _ in range(5):
        with pytest.raises(Held):
            await port.any_one()
    assert faults.calls == 1
    assert gauge() == 1


async def test_a_probe_that_is_accepted_lets_everybody_pass_and_tells(
    sandbox: Running, transport: TwilioTransport, port: TwilioConversations
) -> None:
    recovered = asyncio.Event()
    transport.hold = hold = AccountHold(probe_s=SOON_S)
    hold.probe, hold.on_recovered = port.any_one, recovered.set
    faults = Counted(errors={401: 1.0})
    sandbox.sandbox.set_faults(faults)
    running = asyncio.create_task(hold.run())
    with pytest.raises(Held):
        await port.any_one()
    await asyncio.sleep(5 * SOON_S)
    assert not recovered.is_set()
    assert 2 <= faults.calls <= 6
    sandbox.sandbox.set_faults(Faults())
    await asyncio.wait_for(recovered.wait(), 5)
    await port.any_one()
    assert gauge() == 0
    running.cancel()


async def test_a_probe_without_an_answer_leaves_the_account_held() -> None:
    hold = AccountHold(probe_s=SOON_S)
    asked = asyncio.Event()

    async def fails() -> None:
        with hold.passing():
            asked.set()
            raise Ambiguous("answer 503")

    hold.probe = fails
    running = asyncio.create_task(hold.run())
    with pytest.raises(Held), hold.passing():
        raise Held("answer 401")
    await asyncio.wait_for(asked.wait(), 5)
    with pytest.raises(Held, match="nothing is sent"), hold.passing():
        pass
    running.cancel()


async def test_whoever_was_under_way_when_it_began_does_not_end_it() -> None:
    hold = AccountHold()
    with hold.passing(), pytest.raises(Held), hold.passing():
        raise Held("answer 401")
    with pytest.raises(Held), hold.passing():
        pass
    assert gauge() == 1
