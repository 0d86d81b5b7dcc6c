"""Starting a conversation with a customer, or finding the one his pair of addresses is in already.

Whatever it dies of halfway, the same token ends in the same conversation: its unique name in Twilio is made of the
token, who is in it already is added once, and what is found there is taken in under the keys its webhooks would have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.addresses import channel_key, senders_for, twilio_address
from orchestrator.asking import ActRefused, asking, key_of_act, told
from orchestrator.directory import Directory
from orchestrator.errors import CrmUnavailable, PairTaken
from orchestrator.looker import Looker
from orchestrator.people.rights import Person
from orchestrator.ports import Crm, Listed, Member, Openings
from orchestrator.taking import Report, key_of, note_act, take
from states.customers import Customer
from states.events import ConversationStarted, CustomerJoined, WorkerJoined
from states.facts import ParticipantPresent
from states.names import ParticipantSid
from states.roles import Knowledge
from storage import audit
from storage.unit import About, Unit
from storage.writer import Batches

ACT = "start"
CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Opened:
    """The conversation, and whether its worker is the one who asked for it; else nobody is with the customer."""

    conversation_sid: str
    is_with_him: bool


class SomebodyElses(ActRefused):
    """Another worker has the customer in this conversation."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for: `senders` are ours, in the order they are tried, `proxy_address` the one that is tried; None
    for a customer in a chat, whose address is his identity. `is_welcome` is false where he said that he does not want
    to be written to on this channel."""

    by: Person
    identity: str
    key: str
    token: str
    name: str
    address: str
    senders: tuple[str | None, ...]
    is_welcome: bool
    proxy_address: str | None = None


class Starter:
    """Opens conversations. `proxy_numbers` is `PROXY_NUMBERS`: senders by the prefix of the customer's address."""

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

    async def open(self, by: Person, customer_id: str, channel_type: str, channel_value: str, token: str) -> Opened:
        """The open conversation of this customer's channel, begun with `by` in it where there is none. Raises
        ActRefused and StorageError."""
        wanted = await self._wanted(by, customer_id, channel_type, channel_value, token)
        about = About(key=wanted.key, address=wanted.address)
        standing = await told(self._writer, lambda unit: _standing(unit, wanted), about)
        if isinstance(standing, Opened):
            return standing
        with asking("Twilio"):
            return await self._over_one_of(standing, wanted)

    async def _over_one_of(self, senders: Sequence[str | None], wanted: _Wanted) -> Opened:
        """The conversation over the first sender whose pair is free in Twilio too; over the last whatever it is."""
        has_begun = False
        for sender in senders[:-1]:
            try:
                opened = await self._over(replace(wanted, proxy_address=sender))
            except PairTaken:
                has_begun = True
            except SomebodyElses:
                continue
            else:
                return await self._without_ours(opened, wanted) if has_begun else opened
        wanted = replace(wanted, proxy_address=senders[-1])
        try:
            opened = await self._over(wanted)
        except PairTaken:
            return await self._give_way(wanted)
        return await self._without_ours(opened, wanted) if has_begun else opened

    async def _over(self, wanted: _Wanted) -> Opened:
        """The conversation over one sender: the open one that only Twilio knows, or a new one. Raises PairTaken, the
        new one without its customer, where there is an open one by now."""
        listed = await self._in_twilio(wanted)
        if listed is not None:
            return await self._adopt(listed, wanted)
        return await self._begin(wanted)

    async def _wanted(self, by: Person, customer_id: str, kind: str, value: str, token: str) -> _Wanted:
        key = key_of_act(token)
        if by.identity is None:
            raise ActRefused("You serve no customers: your account has no worker's identity.", 403)
        worker = self._directory.known(by.identity)
        if worker is None:
            with asking("TaskRouter"):
                worker = await self._directory.find(by.identity)
        if worker is None and self._directory.configured:
            raise ActRefused("You are no worker of TaskRouter: you can take conversations over, and begin none.", 403)
        customer = await self._customer(customer_id)
        if channel_key(kind, value) not in {channel_key(it.type, it.value) for it in customer.channels}:
            raise ActRefused("This customer has no such channel.", 422)
        address, senders = twilio_address(kind, value), self._senders(kind, value)
        identity = by.identity if worker is None else worker.identity
        is_welcome = customer.may_be_started(kind)
        return _Wanted(by, identity, key, token, customer.display_name, address, senders, is_welcome)

    async def _customer(self, customer_id: str) -> Customer:
        try:
            customer = await self._crm.find(customer_id)
        except CrmUnavailable as error:
            raise ActRefused("The customers cannot be looked up now. Try again in a moment.", 409) from error
        if customer is None:
            raise ActRefused("There is no such customer.", 404)
        return customer

    def _senders(self, kind: str, value: str) -> tuple[str | None, ...]:
        if kind.strip().lower() == CHAT:
            return (None,)
        senders = senders_for(kind, value, self._proxy_numbers)
        if not senders:
            raise ActRefused("We have no sender for this channel; see PROXY_NUMBERS.", 409)
        return senders

    async def _in_twilio(self, wanted: _Wanted) -> Listed | None:
        """The pair's open conversation that no webhook has told of."""
        if wanted.proxy_address is None:
            return None
        return await self._openings.by_address(wanted.address, wanted.proxy_address)

    async def _adopt(self, listed: Listed, wanted: _Wanted) -> Opened:
        await self._looker.look_at(listed.conversation_sid, listed.service_sid, whole=True)
        about = About(listed.conversation_sid, wanted.key)
        return await told(self._writer, lambda unit: _taken_up(unit, listed.conversation_sid, wanted), about)

    async def _begin(self, wanted: _Wanted) -> Opened:
        """A conversation of our own: the worker first, so that the customer is never alone in it."""
        if not wanted.is_welcome:
            raise ActRefused("This customer does not want to be written to on this channel.", 409)
        listed = await self._openings.create(_unique_name(wanted), wanted.name)
        if listed.state == "closed":
            raise ActRefused("The conversation was begun, and closed meanwhile. Start it anew.", 409)
        sid, scope = listed.conversation_sid, listed.service_sid
        worker = await self._openings.add_participant(sid, wanted.identity, scope)
        customer = await self._add_customer(listed, wanted)
        about = About(sid, wanted.key, address=wanted.address)
        return await told(self._writer, lambda unit: _begun(unit, listed, worker, customer, wanted), about)

    async def _add_customer(self, listed: Listed, wanted: _Wanted) -> Member:
        sid, scope = listed.conversation_sid, listed.service_sid
        if wanted.proxy_address is None:
            return await self._openings.add_participant(sid, wanted.address, scope)
        return await self._openings.add_address(sid, wanted.address, wanted.proxy_address, scope)

    async def _without_ours(self, opened: Opened, wanted: _Wanted) -> Opened:
        """Close what was begun over a sender that was taken meanwhile, unless it is what was opened over another."""
        ours = await self._openings.create(_unique_name(wanted), wanted.name)
        if ours.conversation_sid != opened.conversation_sid:
            await self._openings.close_conversation(ours.conversation_sid, ours.service_sid)
        return opened

    async def _give_way(self, wanted: _Wanted) -> Opened:
        """The customer wrote just now, and Twilio has made a conversation for him: that one is taken."""
        ours = await self._openings.create(_unique_name(wanted), wanted.name)
        await self._openings.close_conversation(ours.conversation_sid, ours.service_sid)
        theirs = await self._in_twilio(wanted)
        if theirs is None:
            raise ActRefused("This customer's conversation has just changed. Start it anew.", 409)
        return await self._adopt(theirs, wanted)


def _unique_name(wanted: _Wanted) -> str:
    return f"expert-hub-{wanted.token}"


def _standing(unit: Unit, wanted: _Wanted) -> Opened | list[str | None]:
    """What this token has opened before, or the open conversation of ours that the pair is in; else the senders whose
    pair with this customer is in none. One that somebody else serves is passed over as long as there are others."""
    row = unit.inbox_row(wanted.key)
    if row is not None:
        return Opened(row["conversation_sid"], is_with_him=True)
    known = {sender: unit.open_with_pair(wanted.address, sender) for sender in wanted.senders}
    taken = [sids[0] for sids in known.values() if sids]
    free = [sender for sender, sids in known.items() if not sids]
    opened = []
    for sid in taken:
        try:
            opened.append(_taken_up(unit, sid, wanted))
        except SomebodyElses:
            if not free and sid == taken[-1] and not opened:
                raise
    return next((it for it in opened if it.is_with_him), opened[0]) if opened else free


def _taken_up(unit: Unit, sid: str, wanted: _Wanted) -> Opened:
    """An open conversation, unless somebody else has its customer."""
    stored = unit.conversation(sid)
    if stored is None or stored.conversation.state == "closed":
        raise ActRefused("This customer's conversation has just been closed. Start it anew.", 409)
    here = {worker.identity.casefold() for worker in stored.conversation.workers}
    if wanted.identity.casefold() in here:
        _note(unit, sid, wanted)
        return Opened(sid, is_with_him=True)
    if here:
        raise SomebodyElses(f"{stored.conversation.workers[-1].identity} is with this customer already.", 409)
    return Opened(sid, is_with_him=False)


def _begun(unit: Unit, listed: Listed, worker: Member, customer: Member, wanted: _Wanted) -> Opened:
    """Take in what was begun: the worker before the customer, who is therefore not greeted."""
    sid, scope = listed.conversation_sid, listed.service_sid
    his, customers = ParticipantSid(worker.participant_sid), ParticipantSid(customer.participant_sid)
    started = ConversationStarted(wanted.address, wanted.proxy_address, listed.friendly_name)
    joined = CustomerJoined(customers, customer.address, customer.proxy_address, customer.identity)
    # Who is who need not be found out: we have just added them. The keys are those of what webhooks may tell.
    for key, event in (
        (key_of(started, sid), started),
        (key_of(ParticipantPresent(his), sid), WorkerJoined(wanted.identity, his)),
        (key_of(ParticipantPresent(customers), sid), joined),
    ):
        take(unit, Report(sid, key, event, scope), Knowledge(None))
    _note(unit, sid, wanted)
    return Opened(sid, is_with_him=True)


def _note(unit: Unit, sid: str, wanted: _Wanted) -> None:
    if unit.inbox_row(wanted.key) is None:
        note_act(unit, sid, wanted.key)
        audit.record(unit, wanted.by.login, ACT, sid, wanted.identity, "", "done")
