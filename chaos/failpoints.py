"""Kill, raise and delay at every named failpoint, in the hands of every kind of effect.

A story with every kind of effect is played again and again. In each run one failpoint acts once, as soon as an effect
of one kind has begun. What only happens at a start, or after one, is met in the second life, the first having been
killed over an effect of that kind.
"""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from chaos.frame import Figure, Scale
from chaos.stage import HASTE, Stage, Story, stage
from chaos.stories import bot_troubled, everything, flexed, known
from chaos.traps import Trap, found
from states import flexing
from states.effects import CloseConversation, Effect, RemoveParticipant, SendTemplate
from states.names import snake_case

ROOT = Path(__file__).parents[1]
ACTS = ("kill", "raise", "delay")
# Only people who are signed in ask for these, and no story has any.
ASKED_BY_PEOPLE = (RemoveParticipant, CloseConversation, SendTemplate)
KINDS = tuple(snake_case(effect.__name__) for effect in get_args(Effect) if effect not in ASKED_BY_PEOPLE)
# A refusal is left as a note.
IN_FLEX = (*flexing.IN_FLEX, "leave_note")
AT_A_START = ("start.before", "start.after", "recover")
# Only a message is looked for before it is sent again.
ONLY_FOR = {"probe": ("send_message",)}
STAGES = 2


@dataclass(frozen=True, slots=True)
class Case:
    """One run: `act` at `point`, once an effect of `kind` has begun."""

    point: str
    kind: str
    act: str

    def traps(self, folder: Path) -> list[Trap]:
        """The trap, and the one before it that brings the service to the point."""
        note = folder / f"{self.point}-{self.kind}-{self.act}"
        if self.point in AT_A_START or self.point == "probe":
            before = Trap("call.after", "kill", f"{note}-before", self.kind)
            return [before, Trap(self.point, self.act, str(note), self.kind if self.point == "probe" else None)]
        return [Trap(self.point, self.act, str(note), self.kind)]

    def story(self) -> Story:
        """What is played. A bot that fails is not asked again: a customer waits for it."""
        if self.kind == "find_last":
            return known
        if self.kind in IN_FLEX:
            return flexed
        fails = (self.kind, self.act) == ("ask_bot", "raise") and self.point in ("call.before", "call.after")
        return bot_troubled if fails else everything

    def __str__(self) -> str:
        return f"{self.act} at {self.point} for {self.kind}"


def points() -> list[str]:
    """Every failpoint in the program, by name."""
    sources = (path.read_text() for package in ("orchestrator", "storage") for path in (ROOT / package).rglob("*.py"))
    return sorted({name for source in sources for name in re.findall(r'reached\("([a-z_.]+)"', source)})


def cases(share: int, chance: random.Random) -> list[Case]:
    """At most `share` of all cases, but enough to have every point, every kind and every act."""
    everyone = [Case(p, kind, act) for p in points() for kind in ONLY_FOR.get(p, KINDS) for act in ACTS]
    chance.shuffle(everyone)
    used: Counter[str] = Counter()
    chosen: list[Case] = []
    while len(chosen) < max(share, len(points())):
        # Points first, so that the least share has them all; then whatever was used least.
        best = min(everyone, key=lambda c: (used[c.point], used[c.act], used[c.kind]))
        everyone.remove(best)
        chosen.append(best)
        used.update((best.point, best.act, best.kind))
    return chosen


async def failpoints(scale: Scale) -> Figure:
    """Every point × every kind of effect × {kill, raise, delay}."""
    total = sum(len(ONLY_FOR.get(point, KINDS)) * len(ACTS) for point in points())
    chosen = cases(scale.of(total), random.Random(scale.seed))
    found_out = await asyncio.gather(*(_run_all(chosen[n::STAGES]) for n in range(STAGES)))
    acts = Counter(case.act for case in chosen)
    return Figure(
        "kill, raise and delay at every named failpoint, for every kind of effect",
        f"{len(chosen)} of {total} cases: {len({c.point for c in chosen})} of {len(points())} points,"
        f" {len({c.kind for c in chosen})} of {len(KINDS)} kinds, {', '.join(f'{n} × {a}' for a, n in acts.items())}",
        [line for lines in found_out for line in lines],
        [f"shortened: {', '.join(f'{name}={value}' for name, value in HASTE.items())}"],
    )


async def _run_all(mine: Sequence[Case]) -> list[str]:
    async with stage() as here:
        return [line for case in mine for line in await run(here, case)]


async def run(here: Stage, case: Case) -> list[str]:
    """One case; what must not have happened."""
    traps = case.traps(here.folder)
    violations = await here.play(case.story(), traps)
    sprung = (found(Path(trap.file))[1] for trap in traps)
    violations += [f"{trap.place} was never reached" for trap, fired in zip(traps, sprung, strict=True) if not fired]
    return [f"{case}: {line}" for line in violations]
