"""Performing what goes to Flex, another account: a stay's conversation, its history, its agents, and what is said.

Every call may be made twice: the conversation is found by its name, messages by their tags, the Interaction by the task
it made. What is no more wanted when its turn comes is not done.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from orchestrator.errors import NotSent, Rejected
from orchestrator.intake import Outcome
from orchestrator.ports import SYSTEM, Conversations, Flex, FlexLook, Published
from orchestrator.taking import admit_result
from states.conversation import Conversation, FlexStay
from states.effects import CloseInFlex, CopyToFlex, InviteFlex, OpenInFlex, ReadFlex, RelayToFlex
from states.events import Event, FlexJoined, FlexOpened, FlexSeen, FlexWrote
from states.names import MessageSid
from states.roles import is_channel_address
from storage import outbox
from storage.lanes import Due
from storage.unit import Unit
from storage.writer import Batches

FlexEffect = OpenInFlex | CopyToFlex | InviteFlex | RelayToFlex | ReadFlex | CloseInFlex

EVENT_PATH = "/flex-event"
MESSAGES_MAX = 200
"""Messages of a history that go along; older ones stay here."""
PART_MAX = 8_000
"""Characters of a history in one message there; Twilio takes 32 KB."""
HEADING = "What was said so far (UTC):"
OMITTED = "({count} earlier messages are left out)"


@dataclass(frozen=True, slots=True)
class FlexDesk:
    """Carries effects out in the Flex account. `public_url`: where its webhooks reach us."""

    flex: Flex
    conversations: Conversations
    writer: Batches
    public_url: str

    async def perform(self, due: Due, effect: FlexEffect) -> Outcome:
        """Carry one effect out. Raises EffectError when that did not succeed."""
        match effect:
            case OpenInFlex():
                return await self._open(due, effect)
            case CopyToFlex():
                return await self._copy(due, effect)
            case InviteFlex():
                return await self._invite(due, effect)
            case RelayToFlex():
                return await self._relay(due, effect)
            case ReadFlex():
                return await self._read(due, effect)
            case CloseInFlex():
                await self.flex.close(effect.flex_sid)
                return Outcome("done")

    async def _open(self, due: Due, effect: OpenInFlex) -> Outcome:
        sid, stay = due.conversation_sid, effect.stay
        if not await self._is_wanted(due, stay):
            return Outcome("skipped")
        url = f"{self.public_url}{EVENT_PATH}?{urlencode({'conversation': sid})}"
        flex_sid = await self.flex.open(f"expert-hub-{stay.replace('/', '-')}", effect.name, url)

        def opened(unit: Unit) -> Event:
            return FlexOpened(stay, flex_sid, unit.open(sid).next_index - 1)

        return Outcome("done", opened, result_sid=flex_sid)

    async def _copy(self, due: Due, effect: CopyToFlex) -> Outcome:
        conversation = await self._wanted(due, effect.stay)
        if conversation is None:
            return Outcome("skipped")
        said = await self.conversations.messages(due.conversation_sid, -1, due.service_sid)
        posted = await self.flex.posted(effect.flex_sid) if due.attempts > 1 else {}
        for number, part in enumerate(_history(said, conversation, effect)):
            key = f"{due.key}#{number}"
            if key not in posted:
                await self._insist(due)
                await self.flex.post(effect.flex_sid, SYSTEM, part, key)
        return Outcome("done")

    async def _invite(self, due: Due, effect: InviteFlex) -> Outcome:
        if not await self._is_wanted(due, effect.stay):
            return Outcome("skipped")
        found = await self.flex.invited(effect.flex_sid) if due.status_before == "ambiguous" else None
        if found is None:
            await self._insist(due)
            found = await self.flex.invite(effect.flex_sid, effect.attributes)
        return Outcome("done", FlexJoined(effect.stay, effect.flex_sid, found), result_sid=found)

    async def _relay(self, due: Due, effect: RelayToFlex) -> Outcome:
        if not await self._is_wanted(due, effect.stay):
            return Outcome("skipped")
        posted = await self.flex.posted(effect.flex_sid) if due.status_before == "ambiguous" else {}
        if due.key in posted:
            return Outcome("done", result_sid=posted[due.key])
        await self._insist(due)
        return Outcome("done", result_sid=await self.flex.post(effect.flex_sid, effect.author, effect.body, due.key))

    async def _read(self, due: Due, effect: ReadFlex) -> Outcome:
        sid, flex_sid = due.conversation_sid, effect.flex_sid
        stay = await self._stay(sid)
        if stay is None or stay.sid != flex_sid:
            return Outcome("skipped")
        look = await self.flex.look(flex_sid, stay.seen)
        return Outcome("done", lambda unit: taken_in(unit, sid, flex_sid, look, left=effect.left))

    async def _wanted(self, due: Due, stay: str) -> Conversation | None:
        """The conversation, if it is still in this stay."""
        stored = await self.writer.run(lambda unit: unit.peek(due.conversation_sid))
        present = None if stored is None else stored.conversation.flex
        return stored.conversation if stored is not None and present is not None and present.key == stay else None

    async def _is_wanted(self, due: Due, stay: str) -> bool:
        return await self._wanted(due, stay) is not None

    async def _stay(self, sid: str) -> FlexStay | None:
        stored = await self.writer.run(lambda unit: unit.peek(sid))
        return None if stored is None else stored.conversation.flex

    async def _insist(self, due: Due) -> None:
        """A repetition leaves only while the effect is ours. Raises NotSent."""
        if due.attempts > 1 and not await self.writer.run(lambda unit: outbox.restamp(unit, due)):
            raise NotSent("another replica has taken this over")


async def refuse(due: Due) -> Outcome:
    """What is done where no Flex is configured any more."""
    raise Rejected(f"{due.kind}: no Flex account is configured", 400, 400)


def taken_in(unit: Unit, sid: str, flex_sid: str, look: FlexLook, *, left: bool = False) -> Event | None:
    """Take in what stands in Flex beyond what was seen, in order; then who is there, if that has changed. `left`: it
    was told that somebody left."""
    stay = unit.open(sid).conversation.flex
    if stay is None or stay.sid != flex_sid:
        return None
    for message in look.messages:
        if message.tag is None and message.author.casefold() != SYSTEM and message.index > stay.seen:
            told = (message.index, message.author, message.body, message.media)
            wrote = FlexWrote(flex_sid, MessageSid(message.message_sid), *told)
            admit_result(unit, sid, f"flex/{message.message_sid}", wrote)
    all_left = bool(left or stay.agents) and not look.agents
    if look.ended or all_left or set(look.agents) != set(stay.agents):
        reason = "it is over there" if look.ended else "the agent has left"
        ended = look.ended or all_left
        return FlexSeen(flex_sid, look.agents, ended, reason if ended else "")
    return None


def _history(said: Iterable[Published], conversation: Conversation, effect: CopyToFlex) -> Iterator[str]:
    """The messages as a few long ones. What the customer wrote beyond `upto` follows by itself."""
    lines = [
        _line(message, is_his=_is_his(message, conversation), name=effect.name)
        for message in said
        if message.index <= effect.upto or not _is_his(message, conversation)
    ]
    if len(lines) > MESSAGES_MAX:
        lines = [OMITTED.format(count=len(lines) - MESSAGES_MAX), *lines[-MESSAGES_MAX:]]
    part = HEADING
    for line in lines if lines else ():
        if len(part) + len(line) >= PART_MAX:
            yield part
            part = line
        else:
            part = f"{part}\n{line}"
    if lines:
        yield part


def _is_his(message: Published, conversation: Conversation) -> bool:
    is_participant = message.participant_sid is not None and message.participant_sid == conversation.customer_sid
    return is_participant or is_channel_address(message.author) or message.author == conversation.address


def _line(message: Published, *, is_his: bool, name: str) -> str:
    """`11-26 10:04 Maria Sanchez: Hello`, cut to what a part holds."""
    at = f"{message.created_at[5:10]} {message.created_at[11:16]}"
    pictures = f" [pictures: {message.media}]" if message.media else ""
    return f"{at} {name if is_his else message.author}: {message.body}{pictures}"[: PART_MAX // 2]
