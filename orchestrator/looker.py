"""Looker: finds in Twilio's record what no webhook has told.

One mechanism serves sparse webhook filters, gaps, who-is-who questions and lost webhooks: list the messages beyond
the last index, where asked for the participants and the state too, and take them in under the same keys as their
webhooks.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from orchestrator.alarm import Alarm
from orchestrator.directory import Directory
from orchestrator.errors import EffectError, Gone, NotProcessed
from orchestrator.intake import Intake
from orchestrator.metrics import LOOKS
from orchestrator.ports import Conversations, Listed, Member, Published
from orchestrator.seeing import Sighting
from states.facts import MessagePublished, ParticipantPresent
from states.names import MessageSid, ParticipantSid
from states.roles import Unsure
from storage import inbox, replicas
from storage.errors import StorageError
from storage.failpoints import reached
from storage.unit import About, Stored, Unit
from storage.writer import Batches

log = structlog.get_logger()
SIDE_BY_SIDE = 16
IDLE_S = 2.0
FAILED_LOOK_MS = 1_000
FAILED_LOOK_MAX_MS = 30_000
LOOKS_EACH = 4
# How long a list may lack what a webhook told; what it lacks after that does not exist.
LIST_LAG_MS = 5_000
# How long a look stays one replica's: should it die, another one looks then.
CLAIM_MS = 10_000
OTHERS_LOOK_S = 1.0
# A call waits in the inbox too, under its own SID, until it has a conversation.
CALL = "CA"
_ENDED = ("closed",)


@dataclass(frozen=True, slots=True)
class _Before:
    """What is known of a conversation before the look: the last index accounted for, the service scope, whether the
    participants are known, the participant SIDs of its workers, and the highest index of what was told lately and
    waits."""

    sid: str
    after_index: int = -1
    service_sid: str | None = None
    members_known: bool = False
    workers: frozenset[str] = frozenset()
    told_index: int = -1


class Looker:
    """Looks where a look is due. `grace_ms`: the grace of pre-action events, for the waits after an empty look."""

    def __init__(
        self,
        writer: Batches,
        intake: Intake,
        conversations: Conversations,
        directory: Directory,
        grace_ms: int,
    ) -> None:
        self._writer = writer
        self._intake = intake
        self._conversations = conversations
        self._directory = directory
        self._grace_ms = grace_ms
        self._clock = writer.now
        self._alarm = Alarm()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(SIDE_BY_SIDE)
        intake.on_due = self.expect
        self.on_call: Callable[[str], Awaitable[None]] = self._resolve

    def hint(self) -> None:
        """Something is due."""
        self._alarm.ring()

    def expect(self, due_at: int) -> None:
        """Something falls due at this time (milliseconds since 1970). Nearly every message comes by itself before the
        look for it is due, so the store is not asked until then."""
        wait_ms = due_at - self._clock()
        if wait_ms > 0:
            self._alarm.ring_in(wait_ms / 1000)
        else:
            self._alarm.ring()

    async def run(self) -> None:
        """Look where it is due, until cancelled."""
        try:
            while True:
                self._alarm.reset()
                self._alarm.ring_in(await self._round())
                await self._alarm.wait()
        finally:
            for task in self._busy.values():
                task.cancel()

    async def _round(self) -> float:
        """Start every look that is due; seconds until the next one may be."""
        try:
            rows, sids, next_due = await self._writer.run(_due)
        except StorageError as error:
            log.error("looks_not_read", reason=str(error))
            return IDLE_S
        for row in rows:
            self._start(f"look {row.id}", partial(self._follow, row))
        for sid in sids:
            self._start(sid, partial(self.on_call if sid.startswith(CALL) else self._resolve, sid))
        return IDLE_S if next_due is None else min(IDLE_S, (next_due - self._clock()) / 1000)

    def _start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        if name not in self._busy:
            self._busy[name] = asyncio.create_task(self._guarded(name, work))

    async def _guarded(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with self._claimed(name) as is_ours:
                if is_ours:
                    async with self._slots:
                        await work()
                else:
                    await asyncio.sleep(OTHERS_LOOK_S)
        except Exception as error:
            expected = isinstance(error, EffectError | StorageError)
            log.warning("look_failed", reason=str(error), error=type(error).__name__, exc_info=not expected)
            # What could not even be put off is still due, and would be looked at again and again without a pause.
            await asyncio.sleep(FAILED_LOOK_MS / 1000)
        finally:
            self._busy.pop(name, None)
            self._alarm.ring()

    @asynccontextmanager
    async def _claimed(self, name: str) -> AsyncIterator[bool]:
        """While this lasts no other replica looks there; False where one does."""
        if not self._writer.is_shared:
            yield True
            return
        is_ours = await self._writer.run(lambda unit: replicas.take(unit, name, CLAIM_MS), About(lock=name))
        try:
            yield is_ours
        finally:
            if is_ours:
                await self._writer.run(lambda unit: replicas.give_back(unit, name), About(lock=name))

    async def _follow(self, row: Any) -> None:
        """One waiting look: at its conversation, or at the conversation its address pair has by now."""
        try:
            found = await self._look_for(row)
        except EffectError:
            await self._writer.run(
                lambda unit: unit.looks.postpone(row.id, _again_at(unit.now, row.created_at), row.tries)
            )
            raise
        LOOKS.labels(found="yes" if found else "no").inc()
        tries = row.tries + 1
        # Each message that was found took the oldest look off. If this one is left, its own is still to come.
        if row.whole or tries >= LOOKS_EACH:
            await self._writer.run(lambda unit: unit.looks.drop(row.id))
            return
        again_in = self._grace_ms * 2**tries
        await self._writer.run(lambda unit: unit.looks.postpone(row.id, unit.now + again_in, tries))

    async def _look_for(self, row: Any) -> bool:
        if row.conversation_sid is not None:
            return await self.look_at(row.conversation_sid, row.service_sid, whole=row.whole) > 0
        scope = row.service_sid
        sid = await self._writer.run(lambda unit: _made_since(unit, row))
        if sid is None:
            listed = await self._conversations.by_address(row.address, row.proxy_address)
            if listed is None:
                return False
            sid, scope = listed.conversation_sid, listed.service_sid or scope
        # An inbound message made it, so nobody is in it but its customer.
        return await self.look_at(sid, scope, whole=False, autocreated=True) > 0

    async def _resolve(self, sid: str) -> None:
        """Events wait here for a missing message, or for who somebody is."""
        try:
            await self.look_at(sid, None, whole=False)
        except EffectError:
            await self._writer.run(lambda unit: put_off(unit, sid))
            raise

    async def look_at(
        self, sid: str, service_sid: str | None, *, whole: bool, autocreated: bool = False, born_at: int = 0
    ) -> int:
        """Look at one conversation and take in what is found; how many customer messages were new.

        `whole`: at the participants and the state too, which is done anyway where nobody knows who is there; where a
        worker is, it is asked in any case whether he still is. `born_at`: leave messages older than this (milliseconds
        since 1970) alone. Raises EffectError.
        """
        before = await self._writer.run(lambda unit: _read_so_far(unit, sid))
        scope = service_sid or before.service_sid
        if not whole and (before.members_known or autocreated):
            try:
                return await self._look(before, scope, whole=False, born_at=born_at)
            except Unsure:
                log.debug("look_widened", conversation_sid=sid)
        await self._directory.refresh()
        return await self._look(before, scope, whole=True, born_at=born_at)

    async def _look(self, before: _Before, scope: str | None, *, whole: bool, born_at: int) -> int:
        sid = before.sid
        reached("look.before")
        try:
            listed = await self._conversations.conversation(sid, scope) if whole else None
            messages = await self._messages(before, scope)
            # After the messages: lists may lag, but whoever joined before one of these was written is listed by now.
            # With sparse filters nobody tells that a worker left, and what the customer writes then is the bot's.
            members = await self._conversations.members(sid, scope) if whole or before.workers else []
            missing = before.workers - {member.participant_sid for member in members}
            gone = {who for who in missing if not await self._conversations.has_member(sid, who, scope)}
        except Gone:
            return await self._intake.see(Sighting(sid, closed=True, service_sid=scope), sure=True)
        reached("look.after")
        times = {message.index: _ms(message.created_at) for message in messages}
        sighting = Sighting(
            conversation_sid=sid,
            messages=[_fact(message) for message in messages],
            members=[_present(member) for member in members] if whole else None,
            gone=gone,
            closed=listed is not None and listed.state in _ENDED,
            service_sid=scope,
            ours=[message for message in messages if message.tag is not None],
            times=times,
        )
        unread = {index for index, at in times.items() if at >= born_at}
        return await self._intake.see(sighting, sure=whole, is_unread=unread.__contains__)

    async def _messages(self, before: _Before, scope: str | None) -> list[Published]:
        """What stands in the conversation beyond the last index. Raises NotProcessed where the list lacks what was told
        lately: then it may lack what stands below that too, and the list of participants whoever is there."""
        messages = await self._conversations.messages(before.sid, before.after_index, scope)
        if before.told_index > max((message.index for message in messages), default=-1):
            raise NotProcessed("the list of messages lags behind what was told")
        return messages

    async def adopt(self, listed: Listed, born_at: int) -> int:
        """Take up a conversation no webhook told of, if a customer's message in it is unanswered."""
        messages = await self._conversations.messages(listed.conversation_sid, -1, listed.service_sid)
        if not messages or messages[-1].author == "system":
            return 0
        return await self.look_at(listed.conversation_sid, listed.service_sid, whole=True, born_at=born_at)


def _due(unit: Unit) -> tuple[list[Any], list[str], int | None]:
    """The looks and the conversations that are due, and when the next one is. What is due and has not been found, for
    there is too much of it, is found when one of these is over."""
    most = 4 * SIDE_BY_SIDE
    return unit.looks.due(most), inbox.due_conversations(unit, most), inbox.next_due(unit)


def _again_at(now: int, since: int) -> int:
    """While Twilio does not answer, a look is repeated the more seldom the longer it is waited for."""
    return now + min(max(now - since, FAILED_LOOK_MS), FAILED_LOOK_MAX_MS)


def put_off(unit: Unit, sid: str) -> None:
    """A look at this conversation failed: what waits in it is due later."""
    inbox.put_off(unit, sid, _again_at(unit.now, inbox.waiting_since(unit, sid)))


def _made_since(unit: Unit, row: Any) -> str | None:
    """The conversation of this pair that was first heard of after the look was left."""
    if row.proxy_address is None:
        return None
    for sid in unit.open_with_pair(row.address, row.proxy_address):
        stored = unit.peek(sid)
        if stored is not None and stored.conversation.created_at >= row.created_at:
            return sid
    return None


def _read_so_far(unit: Unit, sid: str) -> _Before:
    stored = unit.peek(sid)
    if stored is None:
        return _Before(sid)
    snapshot = stored.conversation
    return _Before(
        sid,
        after_index=stored.next_index - 1,
        service_sid=stored.service_sid,
        members_known=stored.members_known or snapshot.state != "greeting",
        workers=frozenset(worker.participant_sid for worker in snapshot.workers),
        told_index=_told_lately(unit, stored) if stored.has_waiting else -1,
    )


def _told_lately(unit: Unit, stored: Stored) -> int:
    """The highest index beyond what is accounted for of a message that a list may not show yet; -1 without one."""
    since = unit.now - LIST_LAG_MS
    lately = (row["message_index"] for row in unit.waiting(stored.conversation.sid) if row["received_at"] > since)
    return max((index for index in lately if index is not None and index >= stored.next_index), default=-1)


def _ms(created_at: str) -> int:
    """Twilio's REST times are in whole seconds, so a message may be up to a second younger than it says."""
    try:
        at = datetime.fromisoformat(created_at.replace("Z", "+00:00"))
    except ValueError:
        return 0
    return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000) + 999


def _fact(message: Published) -> MessagePublished:
    sid = None if message.participant_sid is None else ParticipantSid(message.participant_sid)
    return MessagePublished(
        MessageSid(message.message_sid), message.index, message.author, message.body, message.media, sid
    )


def _present(member: Member) -> ParticipantPresent:
    return ParticipantPresent(
        ParticipantSid(member.participant_sid), member.identity, member.address, member.proxy_address
    )
