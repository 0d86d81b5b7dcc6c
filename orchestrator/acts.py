"""What people who are signed in do: write, hand over, close, start, be available, repair.

An act on a conversation is an event of its machine. In one transaction it is looked whether the page's token was used
already, whether the act is allowed in the conversation as it is stored now, and then it is decided, and noted in the
audit log. Who may act on whose conversation is for the pages to ask, but for writing.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from orchestrator.asking import ActRefused, a_body, a_reason, a_sid, a_token, asking, in_state, key_of_act, told
from orchestrator.assigning import assign_by_hand
from orchestrator.directory import Directory
from orchestrator.people.rights import Person
from orchestrator.pictures import Pictures
from orchestrator.ports import Worker, Workers
from orchestrator.starting import Starter
from orchestrator.taking import admit_act
from states.conversation import Conversation
from states.events import CloseAsked, Event, HandedToBot, HandedToFlex, HandedToQueue, HandedToWorker, WorkerWrote
from states.names import WorkerSid
from states.table import OPEN
from storage import audit, parked
from storage.unit import About, Unit
from storage.writer import Batches

__all__ = ["ActRefused", "Acts"]

Act = Callable[[Unit, Conversation], Event]
Repair = Callable[[Connection, str, int], None]


class Acts:
    """Everything a person can do. `on_availability` is called when somebody's may have changed, `on_due` when an effect
    may be due; `has_flex`: whether there is a Flex account to hand customers to.

    Every method raises ActRefused, nothing done, with a sentence for the person; and StorageError.
    """

    def __init__(
        self,
        writer: Batches,
        directory: Directory,
        workers: Workers | None,
        starter: Starter,
        pictures: Pictures,
        on_availability: Callable[[], None],
        on_due: Callable[[], None],
        has_flex: bool = False,
    ) -> None:
        self._writer = writer
        self._directory = directory
        self._workers = workers
        self._starter = starter
        self._pictures = pictures
        self._on_availability = on_availability
        self._on_due = on_due
        self.has_flex = has_flex

    async def write(self, sid: str, by: Person, body: str, token: str) -> None:
        """Send the customer a message of `by`, who must be with him. `token` is drawn by the page: a repeat is no
        second message."""
        text, identity = a_body(body), by.identity

        def event(_unit: Unit, conversation: Conversation) -> Event:
            in_state(conversation, OPEN)
            here = {worker.identity.casefold() for worker in conversation.workers}
            if identity is None or identity.casefold() not in here:
                raise ActRefused("You are not in this conversation.", 403)
            return WorkerWrote(identity, text, by.login)

        await self._act(sid, by, "write", None, "", token, event)

    async def hand_to_worker(self, sid: str, by: Person, identity: str, reason: str, token: str) -> None:
        """Give the customer to this worker, available or not; whoever has him leaves once the worker has joined."""
        a_sid(sid), a_token(token)
        worker = await self._worker(identity)

        def event(unit: Unit, conversation: Conversation) -> Event:
            in_state(conversation, OPEN)
            if conversation.claim is not None:
                raise ActRefused(f"{conversation.claim.identity} is on the way already. Try again in a moment.", 409)
            here = {present.identity.casefold() for present in conversation.workers}
            if worker.identity.casefold() not in here:
                return assign_by_hand(unit, worker, by.login, reason)
            if len(here) == 1:
                raise ActRefused(f"{worker.identity} is with this customer already.", 409)
            return HandedToWorker(worker.identity, WorkerSid(worker.sid), unit.now, by.login, reason)

        await self._act(sid, by, "hand_to_worker", worker.identity, reason, token, event)

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

    async def _worker(self, identity: str) -> Worker:
        if not self._directory.configured:
            raise ActRefused("Nobody can be found here: TASKROUTER_WORKSPACE_SID is not set.", 409)
        with asking("TaskRouter"):
            worker = await self._directory.find(identity)
        if worker is None:
            raise ActRefused(f"{identity[:100]} does not work here.", 404)
        return worker

    async def _act(
        self, sid: str, by: Person, act: str, target: str | None, reason: str, token: str, event: Act
    ) -> None:
        """Carry an act out, once for a token."""
        a_sid(sid), a_reason(reason)
        key = key_of_act(token)

        def work(unit: Unit) -> None:
            if unit.inbox_row(key) is not None:
                return
            stored = unit.conversation(sid)
            if stored is None:
                raise ActRefused("There is no such conversation.", 404)
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
