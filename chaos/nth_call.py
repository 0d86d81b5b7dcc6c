"""The N-th call to the database or to Twilio fails, for every N of each golden story.

It raises and did nothing, it raises and was carried out all the same, or it hangs: a database for a while, Twilio for
longer than is waited. A call is one statement or commit of the writing connection, those of the start included, or one
REST request.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.frame import Figure, Scale
from chaos.stage import HASTE, Stage, stage
from chaos.stories import GOLDEN
from chaos.traps import DELAY_S, Trap, found

PLACES = ("database", "twilio")
ACTS = ("raise", "raise_after", "hang")
STAGES = 2
NEVER = 1_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """One run: the call `number` at `place` of a story does `act`."""

    story: str
    place: str
    number: int
    act: str

    def __str__(self) -> str:
        return f"{self.story}, {self.place} call {self.number}, {self.act}"


async def nth_call_fails(scale: Scale) -> Figure:
    """Every N of each story × {raise, raise after success, hang}."""
    async with stage() as first, stage() as second:
        lengths = {(story, place): await _length(first, story, place) for story in GOLDEN for place in PLACES}
        everyone = [
            Case(*where, n, act) for where, length in lengths.items() for n in range(1, length + 1) for act in ACTS
        ]
        # Twilio is called far less often than the database, and is the more treacherous: a share of each.
        chance = random.Random(scale.seed)
        chosen = []
        for place in PLACES:
            there = [case for case in everyone if case.place == place]
            chosen += chance.sample(there, min(len(there), scale.of(len(there), 15)))
        stages = (first, second)
        results = await asyncio.gather(*(_run_all(here, chosen[n::STAGES]) for n, here in enumerate(stages)))
    violations = [line for lines, _missed in results for line in lines]
    missed = sum(missed for _lines, missed in results)
    counts = Counter((case.place, case.act) for case in chosen)
    return Figure(
        "the N-th database or network call fails",
        f"{len(chosen) - missed} of {len(everyone)} cases over {len(GOLDEN)} stories: "
        + ", ".join(f"{n} × {place} {act}" for (place, act), n in sorted(counts.items())),
        violations,
        [
            f"{missed} more were not reached: a story makes some calls more or fewer from run to run",
            f"shortened: a call hangs for {DELAY_S} s, "
            + ", ".join(f"{name}={value}" for name, value in HASTE.items()),
        ],
    )


async def _length(here: Stage, story: str, place: str) -> int:
    """How many calls a story makes when nothing fails."""
    note = here.folder / f"length of {story} {place}"
    undisturbed = await here.play(GOLDEN[story], [Trap(place, "raise", str(note), number=NEVER)])
    assert not undisturbed, undisturbed
    return found(note)[0]


async def _run_all(here: Stage, mine: Sequence[Case]) -> tuple[list[str], int]:
    lines: list[str] = []
    missed = 0
    for number, case in enumerate(mine):
        note = here.folder / f"case{number}"
        violations, sprung = await run(here, case, note)
        lines += violations
        missed += not sprung
    return lines, missed


async def run(here: Stage, case: Case, note: Path) -> tuple[list[str], bool]:
    """One case; what must not have happened, and whether the call was reached at all."""
    trap = Trap(case.place, case.act, str(note), number=case.number)
    violations = await here.play(GOLDEN[case.story], [trap])
    return [f"{case}: {line}" for line in violations], found(note)[1]
