"""Setting an account, and putting it back: what was there is on disk before anything is written."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.twilio_client import Connect
from orchestrator.connecting import before
from orchestrator.connecting.before import Before, Entry
from orchestrator.connecting.resources import Fields, Resource, Value, resource_of
from orchestrator.connecting.survey import Survey
from orchestrator.errors import EffectError


class StoppedHalfway(Exception):
    """Some of it was written. `done` of `of` resources; `error` says why no more."""

    def __init__(self, done: int, of: int, error: EffectError) -> None:
        super().__init__(str(error))
        self.done, self.of, self.error = done, of, error


@dataclass(frozen=True, slots=True)
class Return:
    """One resource on its way back. `verdict`: `restore`, `same` as before already, or `changed` by somebody since."""

    resource: Resource
    found: Fields | None
    entry: Entry
    verdict: str

    @property
    def changes(self) -> dict[str, tuple[Value, Value]]:
        """Field by field, what it is and what it was."""
        found, was = self.found or {}, self.entry.before or {}
        names = dict.fromkeys([*was, *found]) if self.found is None or self.entry.before is None else was
        return {name: (found.get(name), was.get(name)) for name in names if found.get(name) != was.get(name)}


async def set_all(survey: Survey, path: Path, account_sid: str) -> None:
    """Make every difference go away, one resource after the other, having remembered what they were.

    Raises FileRefused, nothing written, and StoppedHalfway.
    """
    kept = before.load(path, account_sid) or before.begin(account_sid)
    for each in survey.to_do:
        kept.note(each.resource.key, each.found, each.wanted)
    before.save(path, kept)
    for done, each in enumerate(survey.to_do):
        try:
            await each.resource.write({name: value for name, (_, value) in each.changes.items()})
        except EffectError as error:
            raise StoppedHalfway(done, len(survey.to_do), error) from error


async def way_back(connect: Connect, kept: Before) -> list[Return]:
    """Every resource of the file as it is now, and whether it may be put back. Raises EffectError."""
    resources = [resource_of(connect, entry.key) for entry in kept.entries]
    found = await asyncio.gather(*(resource.read() for resource in resources))
    return [
        Return(resource, is_now, entry, _verdict(entry, is_now))
        for resource, is_now, entry in zip(resources, found, kept.entries, strict=True)
    ]


async def put_back(returns: list[Return]) -> None:
    """Write what was there. Raises StoppedHalfway."""
    for done, each in enumerate(returns):
        try:
            if each.entry.before is None:
                await each.resource.remove()
            else:
                await each.resource.write({name: value for name, (_, value) in each.changes.items()})
        except EffectError as error:
            raise StoppedHalfway(done, len(returns), error) from error


def _verdict(entry: Entry, found: Fields | None) -> str:
    """Whether what is there is what was there, what we set, or neither."""
    if found == entry.before:
        return "same"
    if found is not None and any(_has(found, entry, ours) for ours in entry.ours):
        return "restore"
    return "changed"


def _has(found: Fields, entry: Entry, ours: Fields) -> bool:
    """Whether a resource is what it was with what we set on top, and nothing else."""
    if entry.before is None:
        return all(found.get(name) == value for name, value in ours.items())
    return found == entry.before | ours
