"""One conversation: what was said, where it is, how it came there and why; now, or as it was at any version."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection, Row

from orchestrator.again import Retold, retold
from orchestrator.console.asking import channel_of, whole
from orchestrator.console.overview import WorkerLoad, loads
from orchestrator.console.story import Moment, act_json, journey, reason_json, timeline
from orchestrator.dumps import full, iso, snapshot
from orchestrator.pages.rendering import answer_json, render
from orchestrator.people.rights import PERSON, REPAIR, STEP_IN
from orchestrator.service import SERVICE, Service
from states import drawing
from states.conversation import Conversation
from states.decide import triggers_in
from storage import audit, boards, conversations, notes, threads
from storage.audit import Act
from storage.conversations import Dump
from storage.notes import Note
from storage.threads import Entry

# How much of a long story one page holds; what is before it is a version away.
DECISIONS, MESSAGES, MOMENTS = 100, 200, 400
# What a page says after an act; the address holds the name alone, so nobody can make it say anything else.
DONE: Final = {
    "assign": "The worker was asked to join.",
    "take": "You were asked to join.",
    "queue": "The customer waits for whoever is available.",
    "bot": "The customer is with the assistant again.",
    "flex": "Flex is being asked to take the customer.",
    "close": "The conversation is being closed.",
    "retry": "It will be tried again.",
    "skip": "It is settled as not to be done.",
    "replay": "The event will be decided again.",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored of a conversation, as of one moment."""

    dump: Dump
    thread: list[Entry]
    has_more: bool
    notes: list[Note]
    acts: list[Act]


@dataclass(frozen=True, slots=True)
class View:
    """A conversation as its page shows it. `version`: the one shown; `as_of`: what it was then, None where that cannot
    be had; `state`: where it was then, which is always known."""

    found: Found
    version: int
    told: list[Retold]
    as_of: Conversation | None
    now: int

    @property
    def conversation(self) -> Conversation:
        """As it is now."""
        return self.found.dump.conversation

    @property
    def is_past(self) -> bool:
        """Whether something happened after the version shown."""
        return self.version < self.conversation.version

    @property
    def rows(self) -> Sequence[Row[Any]]:
        """The history up to the version shown."""
        return self.found.dump.history[: self.version]

    @property
    def until(self) -> int | None:
        """When what came after the version shown began, milliseconds since 1970; None where nothing did."""
        return self.found.dump.history[self.version].at if self.is_past else None

    @property
    def shown_at(self) -> int:
        """When the version shown came about."""
        return int(self.rows[-1].at) if self.rows else self.conversation.created_at

    @property
    def state(self) -> str:
        """The state at the version shown."""
        return journey(self.rows).state

    def drawing(self) -> str:
        """The machine with the way so far. It holds nothing from outside."""
        return drawing.as_svg(journey(self.rows), within_page=True)

    def triggers(self) -> list[str]:
        """What may happen next."""
        return triggers_in(self.state)

    def moments(self) -> list[Moment]:
        """The timeline, newest last, of the last decisions up to the version shown and what went on since."""
        told = self.told[max(0, self.version - DECISIONS) : self.version]
        first = told[0].row.at if len(told) < self.version else 0
        until = self.until
        moments = timeline(told, self._effects(told), self.found.dump.undecided, self.found.notes, self.found.acts)
        return [
            moment
            for moment in moments
            # Decisions are told up to the version already: two may be of the same millisecond.
            if moment.kind == "decision"
            or (first <= moment.at and (until is None or moment.at < until or moment.kind == "effect"))
        ][-MOMENTS:]

    def _effects(self, told: Sequence[Retold]) -> list[Row[Any]]:
        versions = {step.row.version for step in told}
        return [row for row in self.found.dump.effects if int(row.key.split("/")[1]) in versions]

    def messages(self) -> list[Entry]:
        """The transcript up to the version shown."""
        until = self.until
        return [entry for entry in self.found.thread if until is None or entry.at < until]


def found_of(connection: Connection, sid: str) -> Found | None:
    """Everything about one conversation; None if it was never heard of."""
    dump = conversations.dump(connection, sid)
    if dump is None:
        return None
    thread, has_more = threads.thread(connection, sid, limit=MESSAGES)
    return Found(dump, thread, has_more, notes.of(connection, sid), audit.of(connection, sid))


async def view_of(request: web.Request) -> View:
    """The conversation an address names, at the version it names. Raises HTTPNotFound and BadAsk."""
    service, sid = request.app[SERVICE], request.match_info["sid"]
    version = whole(request.query, "version")
    found = await service.reader.read(lambda connection: found_of(connection, sid))
    if found is None:
        raise web.HTTPNotFound(text="There is no such conversation.")
    newest = found.dump.conversation.version
    shown = newest if version is None else min(version, newest)
    told = retold(found.dump.conversation, found.dump.history)
    if shown == newest:
        as_of: Conversation | None = found.dump.conversation
    else:
        as_of = told[shown - 1].after if shown else None
    return View(found, shown, told, as_of, service.writer.now())


async def show(request: web.Request) -> web.Response:
    """The page of a conversation."""
    return await page(request, await view_of(request))


async def page(request: web.Request, view: View, status: int = 200, **more: Any) -> web.Response:
    """The page of a conversation, perhaps with what became of an act."""
    role, identity = request[PERSON].role, (request[PERSON].identity or "").casefold()
    context = {
        "view": view,
        "channel": channel_of(view.conversation.address),
        "workers": await _workers(request.app[SERVICE]),
        "may_step_in": role in STEP_IN.roles,
        "may_repair": role in REPAIR.roles,
        "is_with_you": identity in {worker.identity.casefold() for worker in view.conversation.workers},
        "token": secrets.token_urlsafe(16),
        "has_flex": request.app[SERVICE].acts.has_flex,
        "did": DONE.get(request.query.get("did", "")),
        "refused": None,
        "typed": {},
    }
    return render(request, "console/conversation.html", status=status, **(context | more))


async def _workers(service: Service) -> list[WorkerLoad]:
    found = loads(service, await service.reader.read(boards.load))
    return [worker for worker in found if worker.available is not None]


async def show_json(request: web.Request) -> web.Response:
    """The state dump, and beside it the transcript, the reasons, notes and what people did."""
    view = await view_of(request)
    return answer_json(
        full(view.found.dump, view.now)
        | {
            "reasons": [reason_json(step) for step in view.told],
            "thread": [_entry(entry) for entry in view.found.thread],
            "notes": [{"at": iso(note.at), "author": note.author, "body": note.body} for note in view.found.notes],
            "audit": [act_json(act) for act in view.found.acts],
            "shown": {
                "version": view.version,
                "state": view.state,
                "snapshot": None if view.as_of is None else known(view.as_of),
            },
        }
    )


def known(conversation: Conversation) -> dict[str, Any]:
    """All that the machine remembered at one version."""
    claim = conversation.claim
    return snapshot(conversation) | {
        "workers": [worker.identity for worker in conversation.workers],
        "on_his_way": None if claim is None else claim.identity,
        "waiting_since": iso(conversation.waiting_since),
        "bot_turn": conversation.turn,
        "asked_in_this_turn": conversation.asked,
        "could_not_be_added": list(conversation.refused),
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "index": entry.index,
        "message_sid": entry.message_sid,
        "author": entry.author,
        "side": entry.side,
        "body": entry.body,
        "media": entry.media,
        "at": iso(entry.at),
        "status": entry.status,
        "error": entry.error,
        "kind": entry.kind,
        "call_sid": entry.call_sid,
    }
