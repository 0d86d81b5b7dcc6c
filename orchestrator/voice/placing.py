"""Giving a call its place: in the open conversation of the two numbers, or in one that is begun for it.

Whatever it dies of halfway, the same call ends in the same conversation and is told there once: the conversation's
unique name is made of the CallSid, who is in it already is added once, and the call's row is closed in the transaction
that decides. A call that was answered begins no conversation: it is told in the last one the two had.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import Select, select

from orchestrator.directory import Directory
from orchestrator.errors import CrmUnavailable, EffectError, Held, NotProcessed, PairTaken, Rejected
from orchestrator.looker import Looker
from orchestrator.ports import Crm, Listed, Member, Openings
from orchestrator.taking import Report, key_of, take
from orchestrator.voice import callers, calls
from states.calls import ENDED, WANTED, Call
from states.customers import Customer
from states.decide import decide
from states.events import CallEnded, CallMissed, ConversationStarted, CustomerJoined
from states.facts import ParticipantPresent
from states.names import ParticipantSid
from states.roles import Knowledge
from storage.schema import conversation
from storage.unit import About, Stored, Unit
from storage.writer import Batches

log = structlog.get_logger()

RETRY_MS, RETRY_MAX_MS = 1_000, 60_000
# With the pauses between them, about an hour; then a person must look.
TRIES = 64


class Placer:
    """Takes up calls that are over. `proxy_numbers` is `PROXY_NUMBERS`."""

    def __init__(
        self,
        writer: Batches,
        directory: Directory,
        crm: Crm,
        openings: Openings,
        looker: Looker,
        proxy_numbers: Mapping[str, str],
    ) -> None:
        self._writer = writer
        self._directory = directory
        self._crm = crm
        self._openings = openings
        self._looker = looker
        self._proxy_numbers = proxy_numbers
        looker.on_call = self.take_up

    async def take_up(self, call_sid: str) -> None:
        """Give a call its place, if it is due. What does not succeed is tried again later, or given up and logged."""
        call = await self._writer.run(lambda unit: calls.waiting(unit, call_sid), calls.about(call_sid))
        if call is None:
            return
        try:
            await self._place(call)
        except Exception as error:
            await self._put_off(call_sid, error)

    async def _put_off(self, call_sid: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"

        def work(unit: Unit) -> bool:
            tries = calls.tries(unit, call_sid)
            is_final = isinstance(error, Rejected) or (tries >= TRIES and not isinstance(error, Held))
            delay_ms = min(RETRY_MS * 2 ** min(tries, 10), RETRY_MAX_MS)
            calls.put_off(unit, call_sid, delay_ms, reason, is_final)
            return is_final

        is_final = await self._writer.run(work, calls.about(call_sid))
        is_ours = not isinstance(error, EffectError | CrmUnavailable)
        tell = log.error if is_final or is_ours else log.warning
        tell("call_parked" if is_final else "call_not_placed", call_sid=call_sid, reason=reason, exc_info=is_ours)

    async def _place(self, call: Call) -> None:
        among = callers.pairs(call.caller, callers.sender(call.caller, call.called, self._proxy_numbers))
        about = About(call.call_sid, calls.key_of(call.call_sid), address=call.caller)
        if await self._writer.run(lambda unit: self._in_open(unit, call, among), about):
            return
        listed = await self._listed(among)
        if listed is not None:
            await self._looker.look_at(listed.conversation_sid, listed.service_sid, whole=True)
            if not await self._writer.run(lambda unit: self._tell(unit, listed.conversation_sid, call), about):
                raise NotProcessed("the conversation has just been closed")
        elif call.outcome in ENDED:
            await self._writer.run(lambda unit: self._in_last(unit, call, among), about)
        else:
            await self._begin(call, among[0])

    async def _listed(self, among: list[tuple[str, str]]) -> Listed | None:
        """The open conversation of the two that no webhook has told of."""
        for address, proxy in among:
            listed = await self._openings.by_address(address, proxy)
            if listed is not None:
                return listed
        return None

    async def _begin(self, call: Call, pair: tuple[str, str]) -> None:
        """A conversation of our own, with nobody in it but the customer."""
        customer = await self._customer(call)
        has_refused = call.outcome != "text" and customer is not None and not customer.may_be_started("sms")
        if has_refused or await self._writer.run(lambda unit: unit.has_stopped(pair[0])):
            log.info("call_not_written_about", call_sid=call.call_sid)
            await self._writer.run(lambda unit: calls.placed(unit, call, None), calls.about(call.call_sid))
            return
        listed = await self._created(call, call.caller if customer is None else customer.display_name)
        sid, scope = listed.conversation_sid, listed.service_sid
        try:
            member = await self._openings.add_address(sid, *pair, scope)
        except PairTaken as taken:
            await self._openings.close_conversation(sid, scope)
            raise NotProcessed("the customer wrote just now, and his conversation is another") from taken
        about = About(sid, calls.key_of(call.call_sid), address=pair[0])
        await self._writer.run(lambda unit: self._begun(unit, listed, member, pair, call), about)

    async def _customer(self, call: Call) -> Customer | None:
        """Who called. Whoever chose to go on by text is written to, known or not."""
        try:
            return await self._crm.find_by_address(call.caller)
        except CrmUnavailable:
            if call.outcome == "text":
                return None
            raise

    async def _created(self, call: Call, name: str) -> Listed:
        """The call's conversation; another where the first was closed, because its customer wrote meanwhile."""
        for suffix in ("", "-2", "-3"):
            listed = await self._openings.create(f"expert-hub-{call.call_sid}{suffix}", name)
            if listed.state != "closed":
                return listed
        raise Rejected("every conversation begun for this call was closed", 409, 409)

    # Within one transaction

    def _in_open(self, unit: Unit, call: Call, among: list[tuple[str, str]]) -> bool:
        return any(
            self._tell(unit, sid, call) for address, proxy in among for sid in unit.open_with_pair(address, proxy)
        )

    def _in_last(self, unit: Unit, call: Call, among: list[tuple[str, str]]) -> None:
        found = (unit.connection.execute(_last_of(*pair)).scalar() for pair in among)
        sid = next((it for it in found if it is not None), None)
        if sid is None:
            log.info("call_without_conversation", call_sid=call.call_sid, outcome=call.outcome)
            calls.placed(unit, call, None)
        else:
            self._tell(unit, sid, call, is_closed=True)

    def _begun(self, unit: Unit, listed: Listed, member: Member, pair: tuple[str, str], call: Call) -> None:
        """Take in what was begun, under the keys of what webhooks may tell, and the call behind it."""
        sid, scope = listed.conversation_sid, listed.service_sid
        participant = ParticipantSid(member.participant_sid)
        started = ConversationStarted(*pair, listed.friendly_name)
        joined = CustomerJoined(participant, member.address, member.proxy_address)
        for key, event in (
            (key_of(started, sid), started),
            (key_of(ParticipantPresent(participant), sid), joined),
        ):
            take(unit, Report(sid, key, event, scope), Knowledge(None))
        self._tell(unit, sid, call, is_closed=True)

    def _tell(self, unit: Unit, sid: str, call: Call, *, is_closed: bool = False) -> bool:
        """Tell a conversation of the call, and close the call's row. False where it is closed, unless it may be; a call
        that has its place already is told no more."""
        row = unit.inbox_row(calls.key_of(call.call_sid))
        stored = unit.conversation(sid)
        if row is None or row["status"] != "waiting":
            return True
        if stored is None or (stored.conversation.state == "closed" and not is_closed):
            return False
        calls.placed(unit, call, self._admit(unit, stored, call))
        return True

    def _admit(self, unit: Unit, stored: Stored, call: Call) -> int:
        assert call.outcome is not None, "it is over"
        told = (call.call_sid, call.outcome, call.identity)
        event: CallEnded | CallMissed
        if call.outcome in ENDED:
            event = CallEnded(*told, call.duration_s)
        else:
            wanted = call.outcome in WANTED and self._directory.configured
            event = CallMissed(*told, wanted, call.language, call.duration_s)
        return unit.apply(stored, decide(stored.conversation, event, unit.now), event)


def _last_of(address: str, proxy: str) -> Select[Any]:
    pair = conversation.c.address == address, conversation.c.proxy_address == proxy
    return select(conversation.c.sid).where(*pair).order_by(conversation.c.id.desc()).limit(1)
