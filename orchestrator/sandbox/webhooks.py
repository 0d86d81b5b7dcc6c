"""Sending webhooks as Twilio does: signed, form-encoded, pre-action ones awaited, post-action ones behind one another.

Post-action webhooks of one conversation keep their order, each waiting for the one before to be answered or given up,
unless the faults delay them: then each goes when its time comes. Nothing is sent again (Twilio's retry count is 0).
"""

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import aiohttp
import structlog

from orchestrator.sandbox.accounts import OURS, Account
from orchestrator.sandbox.delivery import Answer, Delivery, Origin, Scoped, Targets, answer_of, common, present
from orchestrator.sandbox.errors import HookRejected
from orchestrator.sandbox.events import Parameters
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.forms import Pairs
from orchestrator.sandbox.ledger import NO_ANSWER, Ledger

_POST_LIMIT_S = 5.0
_TASKROUTER_LIMIT_S = 15.0
_VOICE_LIMIT_S = 15.0
_ANSWER_BYTES = 64 * 1024

_logger = structlog.get_logger()


@dataclass(slots=True)
class Webhooks:
    """The sender. Open it within a running loop; `close` ends what is under way. `pre_limit_s`: how long a pre-action
    webhook has, in seconds; `account`: whose webhooks they are; `scoped`: those of single conversations, by SID."""

    targets: Targets
    ledger: Ledger
    faults: Faults = field(default_factory=Faults)
    pre_limit_s: float = 5.0
    account: Account = OURS
    scoped: dict[str, list[Scoped]] = field(default_factory=dict)
    service_targets: Targets = field(default_factory=Targets.nowhere)
    _session: aiohttp.ClientSession | None = None
    _tails: dict[str, asyncio.Task[Answer]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[Answer]] = field(default_factory=set)

    def open(self) -> None:
        """Get ready to send. Each webhook has a connection of its own, as Twilio's do."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))

    async def close(self) -> None:
        """Drop what has not been delivered."""
        await self.forget()
        if self._session:
            await self._session.close()

    async def forget(self) -> None:
        """Cancel every delivery under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tails.clear()

    async def settled(self) -> None:
        """Wait until nothing is left to deliver."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def pre(self, event: str, origin: Origin, parameters: Parameters) -> dict[str, Any]:
        """Ask whether an action may go ahead; the fields to change. Raises HookRejected when it may not."""
        targets = self._conversations
        if event not in targets.filters or not targets.pre_url:
            return {}
        pairs = common(event, origin, parameters)
        delivery = Delivery(targets.pre_url, targets.method, pairs, self.pre_limit_s, asks=True)
        if self.faults.loses_webhook():
            self._note_loss(delivery)
            return {}
        if self.faults.repeats_webhook():
            self._start(delivery, "", None, None)
        return _verdict(event, await self._asked(delivery))

    def post(self, event: str, origin: Origin, conversation_sid: str, parameters: Parameters) -> None:
        """Tell that something happened, without waiting."""
        targets = self._conversations
        pairs = common(event, origin, parameters, self.account)
        if event in targets.filters and targets.post_url:
            self._queue(conversation_sid, self._delivery(targets.post_url, targets.method, pairs))
        for webhook in self.scoped.get(conversation_sid, ()):
            if event in webhook.filters:
                self._queue(conversation_sid, self._delivery(webhook.url, webhook.method.upper(), pairs))

    def _delivery(self, url: str, method: str, pairs: Pairs) -> Delivery:
        return Delivery(url, method, pairs, _POST_LIMIT_S, account=self.account)

    def routing(self, conversation_sid: str, parameters: Parameters) -> None:
        """Call the routing callback, behind what was told of the conversation before."""
        pairs = present(parameters)
        self._queue(conversation_sid, Delivery(self.targets.routing_url, "POST", pairs, _POST_LIMIT_S))

    def taskrouter(self, url: str, parameters: Parameters) -> None:
        """Tell TaskRouter's event callback."""
        self._queue("taskrouter", Delivery(url, "POST", present(parameters), _TASKROUTER_LIMIT_S))

    async def voice(self, url: str, pairs: Pairs) -> tuple[int, bytes]:
        """Ask what to do with a call: status and body of the answer, 0 for none. One that is repeated is asked again
        and its answer not looked at."""
        delivery = Delivery(url, "POST", pairs, _VOICE_LIMIT_S)
        if self.faults.loses_webhook():
            self._note_loss(delivery)
            return NO_ANSWER, b""
        answer = await self._send(delivery)
        if self.faults.repeats_webhook():
            await self._send(delivery)
        return answer.status, answer.body

    async def _asked(self, delivery: Delivery) -> Answer:
        """The answer to a question. Raises HookRejected when the account is reset before there is one."""
        task = asyncio.create_task(self._deliver_later(self.faults.webhook_delay_s() or 0, delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task])
        if task.cancelled():
            raise HookRejected("the account was reset meanwhile")
        return task.result()

    @property
    def _conversations(self) -> Targets:
        """The chat service's own targets where it has any; only one of the two can be set."""
        return self.service_targets if self.service_targets.is_set else self.targets

    def _queue(self, lane: str, delivery: Delivery) -> None:
        if self.faults.loses_webhook():
            self._note_loss(delivery)
            return
        for _ in range(2 if self.faults.repeats_webhook() else 1):
            self._start(delivery, lane, self._tails.get(lane), self.faults.webhook_delay_s())

    def _start(
        self, delivery: Delivery, lane: str, previous: asyncio.Task[Answer] | None, delay_s: float | None
    ) -> None:
        if delay_s is None:
            task = asyncio.create_task(self._deliver_behind(previous, delivery))
            self._tails[lane] = task
        else:
            task = asyncio.create_task(self._deliver_later(delay_s, delivery))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, lane))

    def _ended(self, lane: str, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if self._tails.get(lane) is task:
            del self._tails[lane]
        if not task.cancelled() and task.exception():
            _logger.error("sandbox.webhook_failed", exc_info=task.exception())

    async def _deliver_behind(self, previous: asyncio.Task[Answer] | None, delivery: Delivery) -> Answer:
        if previous:
            await asyncio.wait([previous])
        return await self._send(delivery)

    async def _deliver_later(self, delay_s: float, delivery: Delivery) -> Answer:
        await asyncio.sleep(delay_s)
        return await self._send(delivery)

    async def _send(self, delivery: Delivery) -> Answer:
        """One request and its answer, entered in the ledger."""
        answer = await self._exchange(delivery)
        self.ledger.webhook(delivery.method, delivery.path, delivery.pairs, answer.status, answer.note)
        return answer

    async def _exchange(self, delivery: Delivery) -> Answer:
        assert self._session is not None, "open() comes first"
        target, data = delivery.target(), delivery.data()
        try:
            async with (
                asyncio.timeout(delivery.limit_s),
                self._session.request(
                    delivery.method, target, data=data, headers=delivery.headers(), allow_redirects=False
                ) as response,
            ):
                body = await _body(response)
                return replace(answer_of(delivery, response.status, body), body=body)
        except TimeoutError:
            return Answer(NO_ANSWER, note=f"no answer in {delivery.limit_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(NO_ANSWER, note=f"no connection: {type(error).__name__}")

    def _note_loss(self, delivery: Delivery) -> None:
        self.ledger.webhook(delivery.method, delivery.path, delivery.pairs, NO_ANSWER, "lost")


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The body, as far as anybody would read one."""
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_BYTES:
            break
    return body


def _verdict(event: str, answer: Answer) -> dict[str, Any]:
    """What a pre-action answer means (Twilio Docs, "Conversations Webhooks"): silence lets the action pass."""
    if answer.status not in (NO_ANSWER, 200):
        raise HookRejected(f"{event} was answered {answer.status}")
    return answer.changes
