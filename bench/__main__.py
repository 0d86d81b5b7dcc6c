"""Measure and print the table: `python -m bench [--rounds N] [--seconds S] [--stored N] [--json FILE]`."""

# The table is printed.
# ruff: noqa: T201

import argparse
import asyncio
import json
import os
import platform
from pathlib import Path
from statistics import median

from bench import measures
from bench.measures import Figure
from bench.processes import take_the_other_cores


def main() -> None:
    """Run every measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turns")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each load lasts")
    parser.add_argument("--stored", type=int, default=1_000_000, help="how many conversations are many")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    given = parser.parse_args()
    take_the_other_cores()
    figures, notes = asyncio.run(_measure(given.rounds, given.seconds, given.stored))
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    print(f"\n{machine}; {given.rounds} rounds of {given.seconds:g} s, median (lowest to highest)\n")
    print(_table(figures))
    print("\n" + "\n".join(notes))
    if given.json:
        found = {"machine": machine, "figures": [figure.json() for figure in figures], "notes": notes}
        given.json.write_text(json.dumps(found, indent=2) + "\n")


async def _measure(rounds: int, seconds: float, many: int) -> tuple[list[Figure], list[str]]:
    print("cold starts …")
    figures = await measures.cold_starts(rounds)
    print("webhooks …")
    found, notes = await measures.webhooks(rounds, seconds)
    print("stored conversations …")
    return found + await measures.stored(rounds, seconds, 1_000, many) + figures, notes


def _table(figures: list[Figure]) -> str:
    rows = [("what", "measured", "reach", "goal"), ("---",) * 4]
    for figure in figures:
        low, high = min(figure.values), max(figure.values)
        spread = f" ({_short(low)} to {_short(high)})" if len(figure.values) > 1 else ""
        measured = f"{_short(median(figure.values))}{spread} {figure.unit}".rstrip()
        rows.append((figure.what, measured, figure.reach, figure.goal))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 50 else f"{value:.2f}"


if __name__ == "__main__":
    main()
