"""A little of what `make chaos` does to three replicas over one PostgreSQL."""

import pytest

from chaos.frame import Scale, Scenario
from chaos.postgres_binaries import NoPostgres, binaries
from chaos.replicas import postgres_stops, replica_deliveries, replica_freezes, replica_kills, replica_routing
from tests.tools import lacking

SMALLEST = Scale(0.0, seed=1)


@pytest.fixture(autouse=True)
def _postgres() -> None:
    """Each scenario starts a server of its own."""
    try:
        binaries()
    except NoPostgres as error:
        lacking(str(error))


# One after another: each runs six processes, and their waiting times are short.
@pytest.mark.xdist_group("replicas")
@pytest.mark.parametrize(
    "scenario", [replica_kills, replica_freezes, postgres_stops, replica_deliveries, replica_routing]
)
async def test_nothing_is_lost_or_doubled_whatever_is_done_to_replicas(scenario: Scenario) -> None:
    assert (await scenario(SMALLEST)).violations == []
