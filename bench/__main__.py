"""Measure, print the table, write it as JSON: `make bench`, or `python -m bench [--only GROUP ...] [--json FILE]`."""

# The table is printed.
# ruff: noqa: T201

import argparse
import json
import os
import platform
import sys
import traceback
from pathlib import Path

from bench import customers, loops, peers, replicas, replies, starts, stored, webhooks
from bench.figures import Found, progress, table
from bench.pressing import Plan
from bench.processes import take_the_other_cores

GROUPS = {
    "webhooks": webhooks.measure,
    "starts": starts.measure,
    "stored": stored.measure,
    "replies": replies.measure,
    "customers": customers.measure,
    "peers": peers.measure,
    "postgres": replicas.measure,
}


def main() -> int:
    """Run every group that is wanted, print the table, write the JSON; 1 where a group could not be measured."""
    given = _arguments()
    plan = Plan(given.rounds, given.seconds, given.stored, given.messages)
    take_the_other_cores()
    found, failed = loops.run(_measure(given.only or list(GROUPS), plan))
    machine = _machine()
    print(f"\n{machine}; {plan.rounds} rounds of {plan.seconds:g} s, each figure a median (lowest to highest).\n")
    print(table(found.figures))
    print("\n" + "\n".join(f"- {note}" for note in found.notes))
    figures = [figure.json() for figure in found.figures]
    content = {"machine": machine, "figures": figures, "notes": found.notes, "failed": failed}
    given.json.write_text(json.dumps(content, indent=2) + "\n")
    progress(f"the same as JSON: {given.json}")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="GROUP", help=f"of: {', '.join(GROUPS)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turns")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each load lasts")
    parser.add_argument("--stored", type=int, default=1_000_000, help="how many conversations are many")
    parser.add_argument("--messages", type=int, default=40, help="how many customer messages are timed")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures are written as JSON")
    return parser.parse_args()


async def _measure(groups: list[str], plan: Plan) -> tuple[Found, list[str]]:
    """What the groups found, and which of them failed: what one took an hour to find is not lost with the next."""
    found, failed = Found(), []
    for name in groups:
        progress(f"{name} …")
        try:
            found += await GROUPS[name](plan)
        except Exception:
            traceback.print_exc()
            found.notes.append(f"The group {name} could not be measured.")
            failed.append(name)
    return found, failed


def _machine() -> str:
    cores = f"{os.cpu_count()} cores ({_processor()})"
    return f"{cores}, {platform.system()} {platform.machine()}, Python {platform.python_version()}, {loops.name()}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "of an unknown kind"


if __name__ == "__main__":
    sys.exit(main())
