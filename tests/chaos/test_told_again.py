"""Killed, told twice and told out of order, small: the whole figures are `make chaos`."""

import pytest

from chaos.deliveries import deliveries
from chaos.frame import Scale
from chaos.kills import kill_nine
from chaos.reorderings import reorderings


async def test_ten_kills_lose_nothing_and_double_nothing() -> None:
    assert (await kill_nine(Scale(0.001, seed=1))).violations == []


async def test_webhooks_that_arrive_up_to_five_times_make_one_transition_each() -> None:
    assert (await deliveries(Scale(0.005, seed=1))).violations == []


async def test_webhooks_in_any_order_come_to_the_same() -> None:
    assert (await reorderings(Scale(0.002, seed=1))).violations == []


async def test_deciding_messages_as_they_come_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: without the wait for what is missing before a message, it finds the disorder."""
    monkeypatch.setattr("orchestrator.taking._is_gap", lambda *_known: False)
    assert (await reorderings(Scale(0.002, seed=1))).violations
