"""Run the scenarios and print their figures: `python -m chaos [--full] [--seed N] [--only NAME …]`."""

# The figures are printed.
# ruff: noqa: T201

import argparse
import asyncio
import sys
import time

from chaos.frame import Figure, Scale, Scenario
from chaos.postgres import NoPostgres
from chaos.scenarios import SCENARIOS
from orchestrator.logs import configure

SCALED = 0.05


def main() -> None:
    """Run what was asked for; exit 1 when a promise did not hold."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the whole figures (hours), not a twentieth of them")
    parser.add_argument("--seed", type=int, default=1, help="repeats a run")
    parser.add_argument("--only", nargs="+", choices=sorted(SCENARIOS), help="these scenarios alone")
    given = parser.parse_args()
    # The figures are the output; what the service complains of under fault after fault would drown them.
    configure("critical", "json")
    scale = Scale(1.0 if given.full else SCALED, given.seed)
    figures = [_run(name, SCENARIOS[name], scale) for name in given.only or SCENARIOS]
    print(
        f"\n{sum(figure.held for figure in figures)} of {len(figures)} held (seed {scale.seed}, share {scale.share:g})"
    )
    sys.exit(not all(figure.held for figure in figures))


def _run(name: str, scenario: Scenario, scale: Scale) -> Figure:
    print(f"{name}: ", end="", flush=True)
    began = time.monotonic()
    try:
        figure = asyncio.run(scenario(scale))
    except NoPostgres as error:
        figure = Figure(name, "not run", [str(error)])
    print(f"{'held' if figure.held else 'BROKEN'} in {time.monotonic() - began:.0f} s: {figure.fault}: {figure.did}")
    for line in figure.violations[:20]:
        print(f"    violated: {line}")
    for line in figure.notes:
        print(f"    {line}")
    return figure


if __name__ == "__main__":
    main()
