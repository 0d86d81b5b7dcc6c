"""The account's conversations and Twilio's rules about them: pure memory, no network, no waiting.

Every method either changes the world and tells it, or raises `TwilioError` and changes nothing.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from orchestrator.sandbox import seeds
from orchestrator.sandbox.changes import Changes
from orchestrator.sandbox.drafts import Draft, Newcomer, Opening
from orchestrator.sandbox.errors import TwilioError, not_found
from orchestrator.sandbox.records import Binding, Conversation, Message, Participant, Timers, Upload, User
from orchestrator.sandbox.workforce import Workforce

MAX_PARTICIPANTS = 1000
MAX_CHANNEL_PARTICIPANTS = 50


def utc_now() -> datetime:
    """The time, as the world keeps it."""
    return datetime.now(UTC)


@dataclass(slots=True)
class World:
    """One Twilio account. `now` gives the time in UTC."""

    now: Callable[[], datetime] = utc_now
    changes: Changes = field(default_factory=Changes)
    conversations: dict[str, Conversation] = field(init=False, default_factory=dict)
    users: dict[str, User] = field(init=False, default_factory=dict)
    uploads: dict[str, Upload] = field(init=False, default_factory=dict)
    default_timers: Timers = field(init=False, default_factory=Timers)
    workforce: Workforce = field(init=False)
    _timed: dict[str, Conversation] = field(init=False, default_factory=dict)
    _identities: dict[str, User] = field(init=False, default_factory=dict)
    _unique_names: dict[str, Conversation] = field(init=False, default_factory=dict)
    _pairs: dict[tuple[str, str], Conversation] = field(init=False, default_factory=dict)
    _ordinals: "count[int]" = field(init=False, default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.workforce = Workforce(self.now, self.next_ordinal, self.changes)

    def reset(self) -> None:
        """An empty account with the seeded workers, who get new SIDs: nothing old counts for them."""
        self.conversations.clear()
        self.users.clear()
        self.uploads.clear()
        self.default_timers = Timers()
        self._timed.clear()
        self._identities.clear()
        self._unique_names.clear()
        self._pairs.clear()
        self.workforce.reset()
        self.changes.tell("reset")

    def next_ordinal(self) -> int:
        """The number of the next record."""
        return next(self._ordinals)

    # Conversations

    def conversation(self, name: str) -> Conversation:
        """The conversation with this SID or unique name."""
        found = self.conversations.get(name) or self._unique_names.get(name)
        if found is None:
            raise not_found(f"/Conversations/{name}")
        return found

    def by_pair(self, address: str, proxy_address: str) -> Conversation | None:
        """The open conversation that holds this pair."""
        return self._pairs.get((address, proxy_address))

    def open_conversation(self, opening: Opening) -> Conversation:
        """Create a conversation without anybody in it."""
        if opening.state == "closed":
            raise TwilioError(50384, "A conversation cannot be created closed")
        self._check_unique_name(opening.unique_name)
        now = self.now()
        conversation = Conversation(
            sid=new_sid("CH"),
            ordinal=self.next_ordinal(),
            created=opening.created or now,
            updated=opening.updated or now,
            entered=now,
            stirred=now,
            messaging_service_sid=opening.messaging_service_sid,
            created_by=opening.created_by,
            friendly_name=opening.friendly_name,
            attributes=opening.attributes,
            state=opening.state,
        )
        self.conversations[conversation.sid] = conversation
        self.rename(conversation, opening.unique_name)
        self.set_timers(conversation, opening.timers or self.default_timers)
        self.changes.tell("conversation", conversation.sid)
        return conversation

    def rename(self, conversation: Conversation, unique_name: str | None) -> None:
        """Give the conversation this unique name, or none."""
        if unique_name == conversation.unique_name:
            return
        self._check_unique_name(unique_name)
        self._unique_names.pop(conversation.unique_name or "", None)
        conversation.unique_name = unique_name
        if unique_name:
            self._unique_names[unique_name] = conversation

    def set_timers(self, conversation: Conversation, timers: Timers) -> None:
        """Let these timers run from now on, in place of all others."""
        conversation.timers, conversation.stirred = timers, self.now()
        if timers == Timers():
            self._timed.pop(conversation.sid, None)
        else:
            self._timed[conversation.sid] = conversation

    def timed_out(self) -> list[tuple[Conversation, str]]:
        """The conversations whose timers have run out, and the states that are due."""
        now = self.now()
        due = [(it, [state for state, at in it.deadlines().items() if at <= now]) for it in self._timed.values()]
        return [(it, states[-1]) for it, states in due if states]

    def touch(self, conversation: Conversation, updated: datetime | None = None) -> None:
        """Note that the conversation was changed."""
        conversation.updated = updated or self.now()
        self.changes.tell("conversation", conversation.sid)

    def set_state(self, conversation: Conversation, state: str) -> str:
        """Bring the conversation into `state`, and return the state it was in. Closing releases its pairs."""
        before = conversation.state
        self.require_open(conversation)
        conversation.state = state
        if state == "closed":
            self._timed.pop(conversation.sid, None)
            self._release(conversation.channel_participants())
        self.touch(conversation)
        if state == "active":
            conversation.stirred = conversation.updated
        return before

    def remove_conversation(self, conversation: Conversation) -> None:
        """Delete the conversation and everything in it."""
        del self.conversations[conversation.sid]
        self._timed.pop(conversation.sid, None)
        self._unique_names.pop(conversation.unique_name or "", None)
        if conversation.state != "closed":
            self._release(conversation.channel_participants())
        conversation.updated = self.now()
        self.changes.tell("conversation", conversation.sid)

    def require_open(self, conversation: Conversation) -> None:
        """Refuse what a closed conversation does not take (50377: the state is final), and a removed one."""
        if self.conversations.get(conversation.sid) is not conversation:
            raise not_found(f"/Conversations/{conversation.sid}")
        if conversation.state == "closed":
            raise TwilioError(50377, f"Conversation {conversation.sid} is closed; its state is final")

    # Participants

    def add_participant(self, conversation: Conversation, newcomer: Newcomer) -> Participant:
        """Add somebody; an identity gets a user, a pair is held until it is released."""
        self.require_open(conversation)
        self._check_newcomer(conversation, newcomer)
        now = self.now()
        participant = Participant(
            sid=new_sid("MB"),
            ordinal=self.next_ordinal(),
            created=newcomer.created or now,
            updated=newcomer.updated or now,
            entered=now,
            identity=newcomer.identity,
            binding=newcomer.binding,
            attributes=newcomer.attributes,
            role_sid=newcomer.role_sid,
        )
        conversation.participants[participant.sid] = participant
        if newcomer.binding:
            self._pairs[_pair(newcomer.binding)] = conversation
        if newcomer.identity:
            self.ensure_user(newcomer.identity)
        self.changes.tell("participant", conversation.sid)
        return participant

    def remove_participant(self, conversation: Conversation, participant: Participant) -> None:
        """Take somebody out, and release his pair."""
        self.require_open(conversation)
        del conversation.participants[participant.sid]
        self._release([participant])
        participant.updated = self.now()
        self.changes.tell("participant", conversation.sid)

    # Messages

    def publish(self, conversation: Conversation, draft: Draft) -> Message:
        """Put the message behind all others. The conversation's own state is the caller's to wake."""
        self.require_open(conversation)
        now = self.now()
        author = conversation.participant_of(draft.author)
        message = Message(
            sid=new_sid("IM"),
            ordinal=self.next_ordinal(),
            index=conversation.next_index,
            author=draft.author,
            created=draft.created or now,
            updated=draft.updated or now,
            entered=now,
            body=draft.body,
            media=draft.media,
            attributes=draft.attributes,
            participant_sid=author.sid if author else None,
            content_sid=draft.content_sid,
        )
        conversation.next_index += 1
        conversation.messages[message.sid] = message
        conversation.updated = conversation.stirred = now
        self.changes.tell("message", conversation.sid)
        return message

    # Users

    def ensure_user(self, identity: str) -> User:
        """The user with this identity, made when there was none."""
        return self.user_of(identity) or self.add_user(identity)

    def user_of(self, identity: str) -> User | None:
        """The user with this identity."""
        return self._identities.get(identity)

    def add_user(self, identity: str, friendly_name: str | None = None, attributes: str = "{}") -> User:
        """Create a user."""
        if self.user_of(identity):
            raise TwilioError(50201, "User already exists")
        now = self.now()
        user = User(new_sid("US"), self.next_ordinal(), identity, now, now, friendly_name, attributes, seeds.ROLE_SID)
        self.users[user.sid] = self._identities[identity] = user
        return user

    def remove_user(self, user: User) -> None:
        """Delete a user, and take him out of every open conversation."""
        del self.users[user.sid], self._identities[user.identity]
        for conversation in self.conversations.values():
            participant = conversation.with_identity(user.identity)
            if participant and conversation.state != "closed":
                self.remove_participant(conversation, participant)

    # Rules

    def _check_unique_name(self, unique_name: str | None) -> None:
        if unique_name in self._unique_names:
            raise TwilioError(50353, "Conversation with provided unique name already exists")

    def _check_newcomer(self, conversation: Conversation, newcomer: Newcomer) -> None:
        if len(conversation.participants) >= MAX_PARTICIPANTS:
            raise TwilioError(50417, f"A conversation has at most {MAX_PARTICIPANTS} participants")
        if newcomer.identity and conversation.with_identity(newcomer.identity):
            raise TwilioError(50433, "Participant already exists in this Conversation")
        if newcomer.binding:
            self._check_binding(conversation, newcomer.binding)

    def _check_binding(self, conversation: Conversation, binding: Binding) -> None:
        if len(conversation.channel_participants()) >= MAX_CHANNEL_PARTICIPANTS:
            raise TwilioError(50418, f"At most {MAX_CHANNEL_PARTICIPANTS} participants may be outside chat")
        holder = self._pairs.get(_pair(binding))
        if holder:
            raise TwilioError(
                50416,
                "A binding for this participant and proxy address already exists in Conversation " + holder.sid,
            )

    def _release(self, participants: Iterable[Participant]) -> None:
        for participant in participants:
            if participant.binding:
                self._pairs.pop(_pair(participant.binding), None)


def new_sid(prefix: str) -> str:
    """A SID nobody has."""
    return prefix + secrets.token_hex(16)


def _pair(binding: Binding) -> tuple[str, str]:
    return binding.address, binding.proxy_address
