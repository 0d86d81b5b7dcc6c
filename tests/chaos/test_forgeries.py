"""What was not signed by Twilio moves nothing; the whole figure is `make chaos`."""

import pytest

from chaos.forgeries import forgeries
from chaos.frame import Scale

SMALL = Scale(0.01, seed=1)


async def test_forged_replayed_shifted_and_unreadable_webhooks_move_nothing() -> None:
    figure = await forgeries(SMALL)
    assert figure.violations == []
    assert figure.did.startswith("200 forged (")


async def test_a_service_that_believes_everybody_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: without signatures it finds what was accepted."""
    monkeypatch.setattr("orchestrator.verified._insist", lambda _genuine: None)
    assert any(" forged answered 2" in line for line in (await forgeries(SMALL)).violations)
