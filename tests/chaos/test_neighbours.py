"""A little of what `make chaos` does with a bot that misbehaves."""

import pytest

from chaos.frame import Scale
from chaos.neighbours import bot_faults


async def test_however_the_bot_fails_its_customers_hear_something_within_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.neighbours.BOT_MODES", ("dead", "slow", "babbling"))
    figure = await bot_faults(Scale(0.001, 1))
    assert figure.violations == []
