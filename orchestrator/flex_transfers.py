"""Taking over a customer from Flex: a conversation with him here, or the one his pair of addresses is in already.

Flex keeps its task until we say that it is done, and asks again with the same key where it heard nothing. So whatever
this dies of halfway, the same key ends in the same conversation: its unique name in Twilio is made of the key, who is
in it already is added once, and it is greeted and routed in the transaction that remembers the key.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from orchestrator.addresses import senders_for, twilio_address
from orchestrator.directory import Directory
from orchestrator.errors import CrmUnavailable, EffectError, PairTaken, Rejected
from orchestrator.looker import Looker
from orchestrator.ports import Conversations, Crm, Listed, Member, Openings
from orchestrator.taking import Report, admit_act, key_of, take
from states.conversation import FLEX
from states.events import ConversationStarted, CustomerJoined, CustomerTransferred, Goal
from states.facts import ParticipantPresent
from states.names import ParticipantSid
from states.roles import Knowledge
from storage import audit, notes
from storage.errors import StorageError
from storage.unit import About, Unit
from storage.writer import Batches

ACT = "flex_transfer"
NAMES = 3
"""Unique names tried for one key: a conversation that gave way is closed, and closed for good."""


class TransferRefused(Exception):
    """A customer who is not taken over. The text is a sentence for whoever sent him; `status` of 500 and above is worth
    another try."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Transfer:
    """What Flex asks for. `key`: known from its repetition; `channel` and `value`: how the customer is reached; `to`:
    the bot, anybody who is free, or for `email` the worker `identity`; `history`: what was said there, for us alone."""

    key: str
    channel: str
    value: str
    to: Goal = "agent"
    identity: str | None = None
    name: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    history: str = ""

    @property
    def address(self) -> str:
        """The customer's address as Twilio has it."""
        return twilio_address(self.channel, self.value)

    @property
    def inbox_key(self) -> str:
        """Under which it is remembered that this was done."""
        return f"flex-transfer/{self.key}"

    def unique_name(self, number: int) -> str:
        """What its conversation is called in Twilio; a digest, for a key may hold what a name must not."""
        digest = sha256(self.key.encode()).hexdigest()[:32]
        return f"expert-hub-flex-{digest}" + (f"-{number}" if number else "")


class Transfers:
    """Takes customers over. `proxy_numbers` is `PROXY_NUMBERS`: senders by the prefix of the customer's address."""

    def __init__(
        self,
        writer: Batches,
        directory: Directory,
        crm: Crm,
        openings: Openings,
        conversations: Conversations,
        looker: Looker,
        proxy_numbers: Mapping[str, str],
    ) -> None:
        self._writer = writer
        self._directory = directory
        self._crm = crm
        self._openings = openings
        self._conversations = conversations
        self._looker = looker
        self._proxy_numbers = proxy_numbers

    async def take_over(self, wanted: Transfer) -> str:
        """The SID of the customer's conversation here, once he is in it, greeted and routed. Raises TransferRefused."""
        async with _answering():
            done = await self._writer.run(lambda unit: _done_before(unit, wanted), About(key=wanted.inbox_key))
            if done is not None:
                return done
            senders = self._senders(wanted)
            await self._insist_on_worker(wanted)
            await self._insist_on_consent(wanted)
            sid = await self._open_with_pair(wanted, senders)
            if sid is None:
                return await self._begin(wanted, senders[0])
            return await self._finish(sid, wanted)

    def _senders(self, wanted: Transfer) -> tuple[str, ...]:
        senders = senders_for(wanted.channel, wanted.value, self._proxy_numbers)
        if not senders:
            raise TransferRefused("We have no sender for this address; see PROXY_NUMBERS.", 422)
        return senders

    async def _insist_on_worker(self, wanted: Transfer) -> None:
        if wanted.to == "bot":
            return
        if not self._directory.configured:
            raise TransferRefused("Nobody can be found here: TASKROUTER_WORKSPACE_SID is not set.", 409)
        if wanted.identity is not None and await self._directory.find(wanted.identity) is None:
            raise TransferRefused("The worker who is wanted does not work here.", 422)

    async def _insist_on_consent(self, wanted: Transfer) -> None:
        try:
            customer = await self._crm.find_by_address(wanted.address)
        except CrmUnavailable as error:
            raise TransferRefused("The customer cannot be looked up now. Try again in a moment.", 503) from error
        address = wanted.address
        has_stopped = await self._writer.run(lambda unit: unit.has_stopped(address), About(address=address))
        if has_stopped or (customer is not None and not customer.may_be_started(wanted.channel)):
            raise TransferRefused("This customer does not want to be written to on this channel.", 409)

    async def _open_with_pair(self, wanted: Transfer, senders: Sequence[str]) -> str | None:
        """The open conversation he has with one of our senders, known to us or to Twilio alone."""
        address = wanted.address

        def known(unit: Unit) -> str | None:
            return next((sid for sender in senders for sid in unit.open_with_pair(address, sender)), None)

        sid = await self._writer.run(known, About(address=address))
        if sid is not None:
            return sid
        for sender in senders:
            listed = await self._openings.by_address(address, sender)
            if listed is not None:
                return await self._adopted(listed)
        return None

    async def _adopted(self, listed: Listed) -> str:
        await self._looker.look_at(listed.conversation_sid, listed.service_sid, whole=True)
        return listed.conversation_sid

    async def _begin(self, wanted: Transfer, proxy: str) -> str:
        listed = await self._created(wanted)
        sid, scope = listed.conversation_sid, listed.service_sid
        try:
            customer = await self._openings.add_address(sid, wanted.address, proxy, scope)
        except PairTaken:
            # The customer wrote just now, and Twilio has made a conversation for him: that one is taken.
            await self._openings.close_conversation(sid, scope)
            theirs = await self._open_with_pair(wanted, [proxy])
            if theirs is None:
                raise TransferRefused("The customer's conversation has just changed. Try again.", 503) from None
            return await self._finish(theirs, wanted)
        return await self._finish(sid, wanted, listed, customer)

    async def _created(self, wanted: Transfer) -> Listed:
        for number in range(NAMES):
            listed = await self._openings.create(wanted.unique_name(number), wanted.name or "")
            if listed.state != "closed":
                return listed
        raise TransferRefused("What this key began was closed each time. Ask with another key.", 409)

    async def _finish(
        self, sid: str, wanted: Transfer, begun: Listed | None = None, customer: Member | None = None
    ) -> str:
        """Attributes first, which may be set twice; then everything else, once. `begun` and `customer`: what Twilio has
        just made."""
        given = {"display_name": wanted.name} if wanted.name else {}
        attributes = dict(wanted.attributes) | given
        scope = await self._scope(sid) if begun is None else begun.service_sid
        if attributes:
            who = None if customer is None else customer.participant_sid
            await self._conversations.set_participant_attributes(sid, who, wanted.address, attributes, scope)
        about = About(sid, wanted.inbox_key, address=wanted.address)
        routable = self._directory.configured

        def work(unit: Unit) -> str | None:
            done = _done_before(unit, wanted)
            if done is None and begun is not None and customer is not None:
                _take_in(unit, begun, customer)
            return done or _transferred(unit, sid, wanted, routable=routable)

        finished = await self._writer.run(work, about)
        if finished is None:
            raise TransferRefused("The customer's conversation has just been closed. Try again.", 503)
        return finished

    async def _scope(self, sid: str) -> str | None:
        stored = await self._writer.run(lambda unit: unit.peek(sid))
        return None if stored is None else stored.service_sid


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """What fails outside is a refusal with a sentence: what may succeed later has a status that says so."""
    try:
        yield
    except Rejected as error:
        raise TransferRefused(f"Twilio did not take that (error {error.code}).", 422) from error
    except EffectError as error:
        raise TransferRefused("Twilio does not answer. Try again with the same key.", 503) from error
    except (StorageError, TimeoutError) as error:
        raise TransferRefused("The database does not answer. Try again with the same key.", 503) from error


def _done_before(unit: Unit, wanted: Transfer) -> str | None:
    row = unit.inbox_row(wanted.inbox_key)
    return None if row is None else str(row["conversation_sid"])


def _take_in(unit: Unit, begun: Listed, customer: Member) -> None:
    """Under the keys of what webhooks may tell of it."""
    sid, scope = begun.conversation_sid, begun.service_sid
    who = ParticipantSid(customer.participant_sid)
    started = ConversationStarted(customer.address, customer.proxy_address, begun.friendly_name)
    joined = CustomerJoined(who, customer.address, customer.proxy_address)
    for key, event in ((key_of(started, sid), started), (key_of(ParticipantPresent(who), sid), joined)):
        take(unit, Report(sid, key, event, scope), Knowledge(None))


def _transferred(unit: Unit, sid: str, wanted: Transfer, *, routable: bool) -> str | None:
    """Decide where he goes, with his history as a note beside it; None where the conversation is closed by now."""
    stored = unit.conversation(sid)
    if stored is None or stored.conversation.state == "closed":
        return None
    event = CustomerTransferred(wanted.key, wanted.to, wanted.identity, routable)
    admit_act(unit, stored, wanted.inbox_key, event)
    if wanted.history:
        notes.add(unit, sid, FLEX, wanted.history, unit.now)
    audit.record(unit, FLEX, ACT, sid, wanted.identity or wanted.to, "", "done")
    return sid
