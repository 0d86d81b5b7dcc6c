"""What the table asks and does about Flex, another account that may have the customer. Methods of `Draft`, by
inheritance.

A stay in Flex is asked for, made there (a conversation, its history, an Interaction), and joined; only then do the
workers here leave. Whatever ends it, the conversation there is closed, or is on its way to be.
"""

from msgspec.structs import replace

from states import texts
from states.conversation import FlexStay
from states.effects import (
    CloseInFlex,
    CopyToFlex,
    InviteFlex,
    LeaveNote,
    OpenInFlex,
    ReadFlex,
    RelayToFlex,
    SendMessage,
)
from states.marks import writes
from states.roles import is_channel_address
from states.writers.pen import Pen

OPENING = ("open_in_flex", "copy_to_flex", "invite_flex")
IN_FLEX = (*OPENING, "relay_to_flex", "read_flex", "close_in_flex")
NAMELESS = "Customer"
AGENT = "Flex"
PROGRAM = "system"
PICTURES = "[pictures: {count}]"
NOTE_MAX = 1000


class Flexing(Pen):
    """The questions about Flex, and what is written of it."""

    __slots__ = ()

    # Guards

    def bot_asks_for_flex(self) -> bool:
        """The bot answers this turn and wants the customer in Flex, which is configured."""
        event = self.event
        return bool(event.turn == self.before.turn) and event.route == "flex" and event.flex is True

    def flex_is_asked(self) -> bool:
        """The customer is on his way to Flex, or there."""
        return self.before.flex is not None

    def is_of_this_stay(self) -> bool:
        """What was made in Flex belongs to the present stay."""
        return self.before.flex is not None and self.before.flex.key == self.event.stay

    def is_of_this_flex(self) -> bool:
        """What happened in Flex happened in the conversation that is of the present stay."""
        return self.before.flex is not None and self.before.flex.sid == self.event.flex_sid

    def is_new_in_flex(self) -> bool:
        """A message of the present stay that was not passed on before."""
        return self.is_of_this_flex() and self.before.flex is not None and self.event.index > self.before.flex.seen

    def flex_has_ended(self) -> bool:
        """The conversation of the present stay is over there."""
        return self.is_of_this_flex() and self.event.ended is True

    def nobody_is_here(self) -> bool:
        """No worker of ours is with the customer."""
        return not self.before.workers

    def flex_failed(self) -> bool:
        """Flex, or the way to it, refused the customer of the present stay."""
        return self._is_of_stay_in(OPENING) and self.before.flex is not None and not self.before.flex.joined

    def was_queued(self) -> bool:
        """The customer was in the queue before he was on his way to Flex."""
        return self.before.flex is not None and self.before.flex.queued_since is not None

    def flex_lost(self) -> bool:
        """A message of the customer could not be passed on to Flex, which has him."""
        return self._is_of_stay_in(("relay_to_flex",)) and self.before.flex is not None and self.before.flex.joined

    def _is_of_stay_in(self, kinds: tuple[str, ...]) -> bool:
        stay = self.before.flex
        return stay is not None and self.event.effect in kinds and _version(self.event.key) >= _version(stay.key)

    def flex_names_worker(self) -> bool:
        """Flex gives us the customer for somebody by name."""
        return self.event.to == "email" and self.event.routable is True

    def flex_wants_anyone(self) -> bool:
        """Flex gives us the customer for whoever is free."""
        return self.event.to == "agent" and self.event.routable is True

    # Writers

    @writes(OpenInFlex)
    def open_in_flex(self) -> None:
        """Begin a stay; who is in the queue waits for Flex instead."""
        kept = self.next
        key = f"{kept.sid}/{kept.version}"
        reason = getattr(self.event, "reason", "")
        self._note(flex=FlexStay(key, queued_since=kept.waiting_since, reason=reason), waiting_since=None)
        self._ask_for(OpenInFlex(key, self._customer_name()))

    @writes(CopyToFlex, InviteFlex)
    def bring_to_flex(self) -> None:
        """Let the history follow, and then the agents."""
        event, stay, customer = self.event, self.next.flex, self.next.customer
        assert stay is not None
        self._note(flex=replace(stay, sid=event.flex_sid, upto=event.upto))
        self._ask_for(CopyToFlex(stay.key, event.flex_sid, event.upto, self._customer_name()))
        about = {
            "from": self.next.address or "",
            "customerName": self._customer_name(),
            "customer_id": customer.customer_id if customer is not None else "",
            "reason": stay.reason,
            "expert_hub_conversation": self.next.sid,
        }
        known = {name: value for name, value in about.items() if value}
        self._ask_for(InviteFlex(stay.key, event.flex_sid, known))

    def note_flex_joined(self) -> None:
        """Flex has the customer now; nobody is looked for here any more."""
        stay = self.next.flex
        assert stay is not None
        self._note(flex=replace(stay, joined=True, queued_since=None), refused=(), queue=None)

    @writes(RelayToFlex)
    def relay_to_flex(self) -> None:
        """Pass the customer's message on, unless it is in the history that went with him."""
        event, stay = self.event, self.next.flex
        if stay is None or not stay.sid or event.index <= stay.upto:
            return
        body = event.body
        if event.media:
            body = f"{body}\n{PICTURES.format(count=event.media)}".strip()
        for part in texts.parts(body):
            self._ask_for(RelayToFlex(stay.key, stay.sid, self._customer_name(), part, event.message_sid))

    @writes(ReadFlex)
    def read_flex(self) -> None:
        """See what is new there."""
        self._ask_for(ReadFlex(self.event.flex_sid, self.event.left))

    @writes(SendMessage)
    def say_as_agent(self) -> None:
        """Send what an agent wrote in Flex, under his name."""
        event, stay = self.event, self.next.flex
        assert stay is not None
        self._note(flex=replace(stay, seen=event.index))
        body = f"{event.body}\n{PICTURES.format(count=event.media)}" if event.media else event.body
        for part in texts.parts(body):
            self._ask_for(SendMessage(part, self._agent_name(event.author)))

    def note_agents(self) -> None:
        """Remember who is there."""
        stay = self.next.flex
        assert stay is not None
        self._note(flex=replace(stay, agents=self.event.agents))

    @writes(CloseInFlex)
    def leave_flex(self) -> None:
        """The stay is over, if there is one."""
        stay = self.next.flex
        if stay is not None:
            self._note(flex=None)
            if stay.sid:
                self._ask_for(CloseInFlex(stay.sid))

    @writes(CloseInFlex)
    def relieve_flex(self) -> None:
        """If we assigned the worker who joined, Flex is relieved too."""
        if self.was_claimed():
            self.leave_flex()

    @writes(CloseInFlex)
    def leave_flex_asked(self) -> None:
        """The customer is on his way to Flex no more; if he is there already he stays until somebody has joined."""
        if self.next.flex is not None and not self.next.flex.joined:
            self.leave_flex()

    @writes(CloseInFlex)
    def close_there(self) -> None:
        """Nobody waits any more for what was made there."""
        self._ask_for(CloseInFlex(self.event.flex_sid))

    def back_to_queue(self) -> None:
        """Wait on as if nothing had been asked of Flex."""
        if self.before.flex is not None:
            self._note(waiting_since=self.before.flex.queued_since)

    @writes(LeaveNote)
    def note_refusal(self) -> None:
        """Tell the workers why the customer is still here."""
        text = f"Flex did not take this customer: {self.event.reason}"
        self._ask_for(LeaveNote(PROGRAM, text[:NOTE_MAX]))

    @writes(SendMessage)
    def say_flex_lost(self) -> None:
        """Say that the last message did not get there, and what to try next."""
        self._say_own("flex_lost")

    def _customer_name(self) -> str:
        """What the customer is called in Flex: never his address, for a message under it would be his own."""
        customer = self.next.customer
        name = "" if customer is None else customer.display_name.strip()[:256]
        return name if name and name.casefold() != PROGRAM and not is_channel_address(name) else NAMELESS

    def _agent_name(self, author: str) -> str:
        """What an agent is called here: never what a customer or the program is."""
        name = author.strip()[:256]
        odd = not name or name.casefold() == PROGRAM or is_channel_address(name) or name == self.next.address
        return AGENT if odd else name


def _version(key: str) -> int:
    return int(key.split("/")[1])
