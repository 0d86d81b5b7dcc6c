"""Twilio Conversations as the neighbour that carries messages (Twilio Docs, "Conversations API v1").

Every call is one attempt. Each docstring says how its call survives being made twice. Webhooks are left off
for our own writes: what we wrote comes back to us as the outcome of an effect.
"""

import json
from bisect import bisect_right
from datetime import datetime
from typing import Any
from urllib.parse import quote

from orchestrator.adapters.outcomes import NOT_FOUND, AnswerTooLong, calling, json_object, known
from orchestrator.adapters.twilio_client import Connect
from orchestrator.errors import Gone, NotProcessed, PairTaken, Rejected
from orchestrator.ports import SYSTEM, Listed, Member, Published
from states.roles import is_channel_address

_TAG = "expert_hub"
_OPEN = ("active", "inactive")
_FRIENDLY_NAME_MAX = 256
_ATTRIBUTES_MAX_BYTES = 4096

_PAGE = 50
_SMALL_PAGE = 4
"""Messages in a page that fits into one answer even if a customer fills each with 32 KB that JSON spells sixfold."""

_PAIR_TAKEN = 50416
_ALREADY_THERE = {_PAIR_TAKEN, 50433, 50437}
_NAME_TAKEN = 50353
_NO_PARTICIPANT = {NOT_FOUND, 50432}
_ATTRIBUTES_TOO_LONG = 50303


class TwilioConversations:
    """The `Conversations` and `Openings` ports over an official client that was built with a `TwilioTransport`.

    messaging_service_sid: of the conversations that are started here; None: the account's default.
    """

    def __init__(self, connect: Connect, messaging_service_sid: str | None = None) -> None:
        self._connect = connect
        self._messaging_service_sid = messaging_service_sid

    async def send_message(
        self,
        sid: str,
        body: str,
        key: str,
        service_sid: str | None = None,
        author: str = SYSTEM,
        media_sid: str | None = None,
    ) -> Published:
        """Publish `body`, or else a medium that was kept before, under `author`, tagged with the effect key.

        Twice: it is published twice, for Twilio knows no idempotency key; so look with `find_sent` before.
        """
        content = {"body": body} if media_sid is None else {"media_sid": media_sid}
        return await self._publish(sid, service_sid, key, author=author, **content)

    async def _publish(self, sid: str, service_sid: str | None, key: str, **message: str) -> Published:
        with calling(conversation=True):
            messages = (await self._conversation(sid, service_sid)).messages
            return _published(await messages.create_async(attributes=_compact({_TAG: {"key": key}}), **message))

    async def send_template(
        self,
        sid: str,
        content_sid: str,
        variables: dict[str, str],
        key: str,
        service_sid: str | None = None,
        author: str = SYSTEM,
    ) -> Published:
        """Publish an approved template with its gaps filled, tagged with the effect key. Twice: as `send_message`."""
        content = {"content_sid": content_sid, "content_variables": _compact(variables)}
        return await self._publish(sid, service_sid, key, author=author, **content)

    async def find_sent(
        self, sid: str, key: str, after_index: int, service_sid: str | None = None, author: str = SYSTEM
    ) -> Published | None:
        """The message of `author` tagged `key` with an index above `after_index`. A read: harmless twice."""
        sent = await self.messages(sid, after_index, service_sid)
        return next((message for message in sent if (message.tag, message.author) == (key, author)), None)

    async def add_participant(self, sid: str, identity: str, service_sid: str | None = None) -> Member:
        """Add a worker by his identity.

        Twice: Twilio refuses the second with 50433, and who is there already is the answer. A refusal because
        he is in another conversation stays one.
        """
        participants = (await self._conversation(sid, service_sid)).participants
        try:
            with calling(conversation=True):
                return _member(await participants.create_async(identity=identity))
        except Rejected as refusal:
            present = await self._present(refusal, sid, identity, service_sid)
            if present is None:
                raise
            return present

    async def remove_participant(self, sid: str, participant_sid: str, service_sid: str | None = None) -> None:
        """Take somebody out. Twice: Twilio does not find the second, and who is not there is out."""
        participants = (await self._conversation(sid, service_sid)).participants
        try:
            with calling():
                await participants(participant_sid).delete_async()
        except Rejected as refusal:
            if refusal.code not in _NO_PARTICIPANT:
                raise

    async def close_conversation(self, sid: str, service_sid: str | None = None) -> None:
        """Close the conversation for good. Twice: Twilio refuses the second, for the state is final (50377)."""
        conversation = await self._conversation(sid, service_sid)
        try:
            with calling(conversation=True):
                await conversation.update_async(state="closed")
        except Gone:
            return

    async def create(self, unique_name: str, friendly_name: str) -> Listed:
        """An active conversation without anybody in it, in the account's default service.

        Twice: Twilio refuses the second with 50353, and the one of this unique name is the answer.
        """
        api = await self._api()
        named = {"friendly_name": friendly_name[:_FRIENDLY_NAME_MAX], "unique_name": unique_name}
        by_service = {"messaging_service_sid": self._messaging_service_sid} if self._messaging_service_sid else {}
        try:
            with calling():
                return _listed(await api.conversations.create_async(**named, **by_service))
        except Rejected as refusal:
            if refusal.code != _NAME_TAKEN:
                raise
        return await self.conversation(unique_name)

    async def add_address(self, sid: str, address: str, proxy_address: str, service_sid: str | None = None) -> Member:
        """Add a customer by his address. Twice: Twilio refuses the second with 50416, and who is there is the answer.

        Raises PairTaken where it is another conversation that has the pair.
        """
        participants = (await self._conversation(sid, service_sid)).participants
        binding = {"messaging_binding_address": address, "messaging_binding_proxy_address": proxy_address}
        try:
            with calling(conversation=True):
                return _member(await participants.create_async(**binding))
        except Rejected as refusal:
            if refusal.code != _PAIR_TAKEN:
                raise
            taken = PairTaken(str(refusal), refusal.status, refusal.code)
        for member in await self.members(sid, service_sid):
            if (member.address, member.proxy_address) == (address, proxy_address):
                return member
        raise taken

    async def set_friendly_name(self, sid: str, name: str, service_sid: str | None = None) -> None:
        """Name the conversation, cut to 256 characters. Twice: the same name again."""
        with calling(conversation=True):
            conversation = await self._conversation(sid, service_sid)
            await conversation.update_async(friendly_name=name[:_FRIENDLY_NAME_MAX])

    async def set_participant_attributes(
        self,
        sid: str,
        participant_sid: str | None,
        address: str | None,
        attributes: dict[str, str],
        service_sid: str | None = None,
    ) -> None:
        """Merge into the attributes of a participant, who is found by address or identity if he has no SID.

        Twice: the second finds them set and writes nothing. Over 4 KB of UTF-8 (Twilio Docs, "Conversations
        Limits") our avatar goes first, then our display name is shortened; keys of others are kept.
        """
        who = participant_sid or await self._participant_at(sid, address, service_sid)
        with calling():
            participant = (await self._conversation(sid, service_sid)).participants(who)
            before = json_object((await participant.fetch_async()).attributes)
            after = _fitted(before, attributes)
            if after != before:
                await participant.update_async(attributes=_compact(after))

    async def messages(self, sid: str, after_index: int, service_sid: str | None = None) -> list[Published]:
        """All messages with an index above `after_index`, ascending. A read: harmless twice.

        Read from the newest back, so that a long conversation costs what is new in it. A message that arrives
        meanwhile pushes others to the next page, where they are seen again and counted once.
        """
        with calling(conversation=True):
            messages = (await self._conversation(sid, service_sid)).messages
            try:
                return await _newest(messages, after_index, _PAGE)
            except AnswerTooLong:
                return await _newest(messages, after_index, _SMALL_PAGE)

    async def members(self, sid: str, service_sid: str | None = None) -> list[Member]:
        """Everybody who is in the conversation. A read: harmless twice."""
        with calling(conversation=True):
            participants = (await self._conversation(sid, service_sid)).participants
            return [_member(record) for record in await participants.list_async(page_size=_PAGE)]

    async def has_member(self, sid: str, participant_sid: str, service_sid: str | None = None) -> bool:
        """Whether this participant is in the conversation: he himself is read, for a list may lag. Harmless twice."""
        return await self._fetched(sid, participant_sid, service_sid) is not None

    async def conversation(self, sid: str, service_sid: str | None = None) -> Listed:
        """The conversation itself, closed ones too. A read: harmless twice."""
        with calling(conversation=True):
            conversation = await self._conversation(sid, service_sid)
            return _listed(await conversation.fetch_async())

    async def by_address(self, address: str, proxy_address: str | None) -> Listed | None:
        """The newest open conversation of this address with the proxy address, or with any if that is None.

        A read: harmless twice. Closed conversations may be listed too, and are passed over.
        """
        with calling():
            api = await self._api()
            joined = await api.participant_conversations.list_async(address=address, page_size=_PAGE)
            found = [_joined(record) for record in joined if proxy_address in (None, _proxy_of(record))]
        still_open = [listed for listed in found if listed.state in _OPEN]
        return max(still_open, key=lambda listed: listed.created_at, default=None)

    async def any_one(self) -> None:
        """Ask for one conversation, whichever: tells whether the credentials are accepted. Harmless twice."""
        with calling():
            await (await self._api()).conversations.page_async(page_size=1)

    async def created_since(self, since: str) -> list[Listed]:
        """Open conversations created at or after `since` (ISO 8601, UTC), to the second, as Twilio has it.

        A read: harmless twice. One that turns active between the two listings is seen the next time.
        """
        found: dict[str, Listed] = {}
        with calling():
            api = await self._api()
            for state in _OPEN:
                # Twilio Docs, "Conversation Resource": the filter wants the beginning of a day
                records = await api.conversations.list_async(
                    start_date=f"{since[:10]}T00:00:00Z", state=state, page_size=_PAGE
                )
                found |= {listed.conversation_sid: listed for listed in map(_listed, records)}
        return [listed for listed in found.values() if listed.created_at[:19] >= since[:19]]

    async def _api(self) -> Any:
        return (await self._connect()).conversations.v1

    async def _conversation(self, sid: str, service_sid: str | None) -> Any:
        """The resource, addressed in its service: unscoped, one of another service would read as gone."""
        api = await self._api()
        scope = api.services(service_sid) if service_sid else api
        return scope.conversations(sid)

    async def _present(self, refusal: Rejected, sid: str, identity: str, service_sid: str | None) -> Member | None:
        """Who is there already, if the refusal is about that, and it is this conversation he is in."""
        if refusal.code not in _ALREADY_THERE:
            return None
        # the client puts it into the path as it is
        return await self._fetched(sid, quote(identity, safe=""), service_sid)

    async def _fetched(self, sid: str, name: str, service_sid: str | None) -> Member | None:
        """Who is there under this participant SID or identity, if anybody is."""
        try:
            with calling():
                conversation = await self._conversation(sid, service_sid)
                return _member(await conversation.participants(name).fetch_async())
        except Rejected as absent:
            if absent.code in _NO_PARTICIPANT:
                return None
            raise

    async def _participant_at(self, sid: str, address: str | None, service_sid: str | None) -> str:
        for member in await self.members(sid, service_sid):
            if address is not None and address in (member.address, member.identity):
                return member.participant_sid
        raise NotProcessed("no participant has this address yet")


async def _newest(messages: Any, after_index: int, page_size: int) -> list[Published]:
    found: dict[int, Published] = {}
    page = await messages.page_async(order="desc", page_size=page_size)
    while page is not None:
        records = [_published(record) for record in page]
        found |= {record.index: record for record in records if record.index > after_index}
        reached = any(record.index <= after_index for record in records)
        page = None if reached else await page.next_page_async()
    return [found[index] for index in sorted(found)]


def _published(record: Any) -> Published:
    author = record.author or ""
    # What was written on a channel is a customer's, whatever is attached to it.
    on_channel = is_channel_address(author)
    return Published(
        message_sid=known(record.sid, str),
        index=known(record.index, int),
        author=author,
        body=record.body or "",
        media=len(record.media or ()),
        participant_sid=record.participant_sid,
        created_at=_time(record.date_created),
        tag=None if on_channel else _tag(record.attributes),
    )


def _tag(attributes: object) -> str | None:
    ours = json_object(attributes).get(_TAG)
    key = ours.get("key") if isinstance(ours, dict) else None
    return key if isinstance(key, str) else None


def _member(record: Any) -> Member:
    binding = record.messaging_binding or {}
    return Member(
        participant_sid=known(record.sid, str),
        identity=record.identity,
        address=binding.get("address"),
        proxy_address=binding.get("proxy_address"),
    )


def _listed(record: Any) -> Listed:
    return Listed(
        conversation_sid=known(record.sid, str),
        service_sid=record.chat_service_sid,
        state=known(record.state, str),
        friendly_name=record.friendly_name,
        created_at=_time(record.date_created),
    )


def _joined(record: Any) -> Listed:
    return Listed(
        conversation_sid=known(record.conversation_sid, str),
        service_sid=record.chat_service_sid,
        state=known(record.conversation_state, str),
        friendly_name=record.conversation_friendly_name,
        created_at=_time(record.conversation_date_created),
    )


def _proxy_of(record: Any) -> str | None:
    proxy: str | None = (record.participant_messaging_binding or {}).get("proxy_address")
    return proxy


def _time(value: datetime | str) -> str:
    """ISO 8601; the client parses a date only in Twilio's usual form, and hands others on as they are."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else known(value, str)


def _fitted(before: dict[str, Any], ours: dict[str, str]) -> dict[str, Any]:
    """`before` with `ours` merged in, as much of them as 4 KB hold."""
    without_avatar = {key: value for key, value in ours.items() if key != "avatar"}
    for addition in (ours, without_avatar, _shortened(before, without_avatar)):
        merged = before | addition
        if _bytes(merged) <= _ATTRIBUTES_MAX_BYTES:
            return merged
    raise Rejected("the participant's attributes are full", 400, _ATTRIBUTES_TOO_LONG)


def _shortened(before: dict[str, Any], ours: dict[str, str]) -> dict[str, str]:
    """`ours` with as much of the display name as fits, or without."""
    name = ours.get("display_name", "")
    lengths = range(len(name) + 1)
    fits = bisect_right(
        lengths,
        _ATTRIBUTES_MAX_BYTES,
        key=lambda length: _bytes(before | ours | {"display_name": name[:length]}),
    )
    if fits > 1:
        return ours | {"display_name": name[: fits - 1]}
    return {key: value for key, value in ours.items() if key != "display_name"}


def _compact(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _bytes(value: dict[str, Any]) -> int:
    return len(_compact(value).encode(errors="replace"))
