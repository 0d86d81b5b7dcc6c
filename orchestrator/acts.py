"""What people who are signed in do: write, hand over, close, start, be available, repair.

An act on a conversation is an event of its machine. In one transaction it is looked whether the page's token was used
already, whether the act is allowed in the conversation as it is stored now, and then it is decided, and noted in the
audit log. Who may act on whose conversation is for the pages to ask, but for writing.
"""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from orchestrator.asking import (
    ActRefused,
    OutsideWindow,
    a_body,
    a_reason,
    a_sid,
    a_token,
    asking,
    in_state,
    key_of_act,
    some_variables,
    told,
)
from orchestrator.assigning import assign_by_hand
from orchestrator.directory import Directory
from orchestrator.people.rights import Person
from orchestrator.pictures import Picture, Pictures
from orchestrator.ports import Worker, Workers
from orchestrator.starting import Starter
from orchestrator.taking import admit_act, admit_result
from states.conversation import Conversation
from states.events import (
    CloseAsked,
    CustomerOptedIn,
    Event,
    HandedToBot,
    HandedToFlex,
    HandedToQueue,
    HandedToWorker,
    WorkerSentTemplate,
    WorkerWrote,
)
from states.names import WorkerSid
from states.table import OPEN
from storage import audit, parked
from storage.reach import OUTSIDE_WINDOW, hindrance_in
from storage.unit import About, Stored, Unit
from storage.writer import Batches

__all__ = ["ActRefused", "Acts"]

Act = Callable[[Unit, Conversation], Event]
Repair = Callable[[Connection, str, int], None]


class Acts:
    """Everything a person can do. `templates` is `WHATSAPP_TEMPLATES`: SIDs by name. `on_availability` is called when
    somebody's may have changed, `on_due` when an effect may be due; `has_flex`: whether there is a Flex account to hand
    customers to.

    Every method raises ActRefused, nothing done, with a sentence for the person; and StorageError.
    """

    def __init__(
        self,
        writer: Batches,
        directory: Directory,
        workers: Workers | None,
        starter: Starter,
        pictures: Pictures,
        templates: Mapping[str, str],
        on_availability: Callable[[], None],
        on_due: Callable[[], None],
        has_flex: bool = False,
    ) -> None:
        self._writer = writer
        self._directory = directory
        self._workers = workers
        self._starter = starter
        self._pictures = pictures
        self._templates = templates
        self._on_availability = on_availability
        self._on_due = on_due
        self.has_flex = has_flex

    async def write(self, sid: str, by: Person, body: str, token: str, picture: Picture | None = None) -> None:
        """Send the customer a message of `by`, who must be with him, behind a picture if there is one; then the body
        may be empty. `token` is drawn by the page: a repeat is no second message."""
        text = a_body(body) if picture is None or body.strip() else ""
        media = None if picture is None else await self._kept(sid, by, token, picture)

        def event(unit: Unit, conversation: Conversation) -> Event:
            return WorkerWrote(self._speaker(unit, conversation, by), text, by.login, media)

        await self._act(sid, by, "write", None, "", token, event)

    @property
    def templates(self) -> tuple[str, ...]:
        """The names of the approved templates that can be sent when a channel takes no free text."""
        return tuple(self._templates)

    async def send_template(self, sid: str, by: Person, name: str, variables: Mapping[str, str], token: str) -> None:
        """Send the customer an approved template, its gaps filled with `variables`; otherwise like `write`."""
        content_sid, filled = self._templates.get(name), some_variables(variables)
        if content_sid is None:
            raise ActRefused("There is no such template; see WHATSAPP_TEMPLATES.", 404)

        def event(unit: Unit, conversation: Conversation) -> Event:
            identity = self._speaker(unit, conversation, by, is_template=True)
            return WorkerSentTemplate(identity, name, content_sid, filled, by.login)

        await self._act(sid, by, "send_template", name, "", token, event)

    async def hand_to_worker(self, sid: str, by: Person, identity: str, reason: str, token: str) -> None:
        """Give the customer to this worker, available or not; whoever has him leaves once the worker has joined."""
        a_sid(sid), a_token(token)
        worker = await self._worker(identity)
        await self._hand_to(sid, by, worker.identity, worker, reason, token)

    async def take_over(self, sid: str, by: Person, reason: str, token: str) -> None:
        """Give the customer to `by` himself, who need be no worker of TaskRouter; whoever has him leaves once `by` has
        joined."""
        a_sid(sid), a_token(token)
        if by.identity is None:
            raise ActRefused("You have no identity, so you cannot take a conversation over.", 422)
        worker = await self._found(by.identity)
        await self._hand_to(sid, by, by.identity if worker is None else worker.identity, worker, reason, token)

    async def _hand_to(
        self, sid: str, by: Person, identity: str, worker: Worker | None, reason: str, token: str
    ) -> None:
        def event(unit: Unit, conversation: Conversation) -> Event:
            in_state(conversation, OPEN)
            if conversation.claim is not None:
                raise ActRefused(f"{conversation.claim.identity} is on the way already. Try again in a moment.", 409)
            here = {present.identity.casefold() for present in conversation.workers}
            if identity.casefold() not in here:
                return assign_by_hand(unit, identity, worker, by.login, reason)
            if len(here) == 1:
                raise ActRefused(f"{identity} is with this customer already.", 409)
            sid_there = None if worker is None else WorkerSid(worker.sid)
            return HandedToWorker(identity, sid_there, unit.now, by.login, reason)

        await self._act(sid, by, "hand_to_worker", identity, reason, token, event)

    async def hand_to_queue(self, sid: str, by: Person, reason: str, token: str) -> None:
        """Give the customer to whoever else is available; he waits in the queue if nobody is."""

        def event(_unit: Unit, conversation: Conversation) -> Event:
            if not self._directory.configured:
                raise ActRefused(
                    "There is no queue: TASKROUTER_WORKSPACE_SID and TASKROUTER_QUEUE_SID are not set.", 409
                )
            in_state(conversation, OPEN)
            if conversation.state == "greeting":
                raise ActRefused("The customer has not written yet.", 409)
            return HandedToQueue(by.login, reason)

        await self._act(sid, by, "hand_to_queue", None, reason, token, event)

    async def hand_to_bot(self, sid: str, by: Person, reason: str, token: str) -> None:
        """Give the customer back to the bot, which answers his next message."""

        def event(_unit: Unit, conversation: Conversation) -> Event:
            in_state(conversation, OPEN)
            if conversation.state in ("greeting", "awaiting_choice") and conversation.claim is None:
                raise ActRefused("The bot has this customer already.", 409)
            return HandedToBot(by.login, reason)

        await self._act(sid, by, "hand_to_bot", None, reason, token, event)

    async def hand_to_flex(self, sid: str, by: Person, reason: str, token: str) -> None:
        """Give the customer to Flex, another account; whoever has him leaves once Flex has taken him."""

        def event(_unit: Unit, conversation: Conversation) -> Event:
            if not self.has_flex:
                raise ActRefused("There is no Flex: FLEX_ACCOUNT_SID is not set.", 409)
            in_state(conversation, OPEN)
            if conversation.state == "greeting":
                raise ActRefused("The customer has not written yet.", 409)
            if conversation.flex is not None:
                raise ActRefused("The customer is in Flex already, or on his way there.", 409)
            return HandedToFlex(by.login, reason)

        await self._act(sid, by, "hand_to_flex", None, reason, token, event)

    async def close(self, sid: str, by: Person, reason: str, token: str) -> None:
        """Close the conversation, behind what is still on its way to the customer."""

        def event(_unit: Unit, conversation: Conversation) -> Event:
            in_state(conversation, OPEN)
            return CloseAsked(by.login, reason)

        await self._act(sid, by, "close", None, reason, token, event)

    async def start(self, by: Person, customer_id: str, channel_type: str, channel_value: str, token: str) -> str:
        """Open a conversation of `by` with a customer on one of his channels; its SID. The pair's open one is taken
        where there is one and nobody else has it."""
        opened = await self._starter.open(by, customer_id, channel_type, channel_value, token)
        if not opened.is_with_him and by.identity is not None:
            await self.hand_to_worker(opened.conversation_sid, by, by.identity, "", token)
        return opened.conversation_sid

    async def is_available(self, identity: str) -> bool:
        """Whether the worker's TaskRouter activity is one in which he is available."""
        return (await self._worker(identity)).available

    async def set_available(self, identity: str, available: bool) -> None:
        """Switch the worker's TaskRouter activity; who waits is assigned at once."""
        worker = await self._worker(identity)
        assert self._workers is not None, "a worker was found"
        with asking("TaskRouter"):
            await self._workers.set_available(worker.sid, available)
            await self._directory.refresh()
        self._on_availability()

    async def retry_effect(self, key: str, by: Person, reason: str) -> None:
        """Let an effect that was given up be tried again, as `expert-hub effects retry` does."""
        await self._repair(key, by, "retry_effect", reason, parked.retry_effect)
        self._on_due()

    async def skip_effect(self, key: str, by: Person, reason: str) -> None:
        """Settle an effect that was given up as not to be done, as `expert-hub effects skip` does."""
        await self._repair(key, by, "skip_effect", reason, parked.skip_effect)
        self._on_due()

    async def picture(self, sid: str, message_sid: str, number: int) -> tuple[str, bytes]:
        """Content type and bytes of the picture with this number, from 0, among what is attached to a message."""
        return await self._pictures.fetch(sid, message_sid, number)

    async def _kept(self, sid: str, by: Person, token: str, picture: Picture) -> str | None:
        """The MediaSid of a picture, kept by Twilio before the message is accepted: whatever comes of that, nobody sees
        a picture that no message carries. None where the token was used already."""
        key = key_of_act(a_token(token))

        def work(unit: Unit) -> Stored | None:
            stored = _stored(unit, sid)
            self._speaker(unit, stored.conversation, by)
            return stored if unit.inbox_row(key) is None else None

        stored = await told(self._writer, work, About(a_sid(sid), key))
        if stored is None:
            return None
        return await self._pictures.keep(sid, stored.conversation.address, stored.service_sid, picture)

    def _speaker(self, unit: Unit, conversation: Conversation, by: Person, is_template: bool = False) -> str:
        """The identity under which somebody may speak to the customer now."""
        in_state(conversation, OPEN)
        here = {worker.identity.casefold() for worker in conversation.workers}
        if by.identity is None or by.identity.casefold() not in here:
            raise ActRefused("You are not in this conversation.", 403)
        reason = hindrance_in(unit, conversation, is_template)
        if reason == OUTSIDE_WINDOW:
            raise OutsideWindow(self.templates)
        if reason is not None:
            raise ActRefused("The customer said STOP. Nothing can be sent here until he writes START.", 409)
        return by.identity

    async def _worker(self, identity: str) -> Worker:
        if not self._directory.configured:
            raise ActRefused("Nobody can be found here: TASKROUTER_WORKSPACE_SID is not set.", 409)
        worker = await self._found(identity)
        if worker is None:
            raise ActRefused(f"{identity[:100]} does not work here.", 404)
        return worker

    async def _found(self, identity: str) -> Worker | None:
        with asking("TaskRouter"):
            return await self._directory.find(identity)

    async def _act(
        self, sid: str, by: Person, act: str, target: str | None, reason: str, token: str, event: Act
    ) -> None:
        """Carry an act out, once for a token."""
        a_sid(sid), a_reason(reason)
        key = key_of_act(token)

        def work(unit: Unit) -> None:
            if unit.inbox_row(key) is not None:
                return
            stored = _stored(unit, sid)
            _hear_start(unit, stored, key)
            admit_act(unit, stored, key, event(unit, stored.conversation))
            audit.record(unit, by.login, act, sid, target, reason, "done")

        await told(self._writer, work, About(sid, key, assigns=act == "hand_to_worker"))

    async def _repair(self, key: str, by: Person, act: str, reason: str, repair: Repair) -> None:
        a_reason(reason)
        sid = key.partition("/")[0]

        def work(unit: Unit) -> None:
            unit.lanes.close_rows()
            try:
                repair(unit.connection, key, unit.now)
            except parked.NotGivenUp as error:
                raise ActRefused(f"{error}.", 409) from error
            audit.record(unit, by.login, act, sid, key, reason, "done")

        await told(self._writer, work, About(a_sid(sid)))


def _hear_start(unit: Unit, stored: Stored, key: str) -> None:
    """Who has said STOP here may have said START over another sender since."""
    for address in stored.conversation.silenced:
        if not unit.has_stopped(address):
            admit_result(unit, stored.conversation.sid, key, CustomerOptedIn(address))


def _stored(unit: Unit, sid: str) -> Stored:
    stored = unit.conversation(sid)
    if stored is None:
        raise ActRefused("There is no such conversation.", 404)
    return stored
