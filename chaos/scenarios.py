"""The scenarios by name, in the order they are run."""

from chaos.frame import Scenario

SCENARIOS: dict[str, Scenario] = {}
