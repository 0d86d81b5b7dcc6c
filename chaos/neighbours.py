"""The CRM and the bot are dead, hang, babble: a dead CRM delays no reply, and a dead bot leaves nobody in silence."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from chaos.frame import Figure, Scale
from chaos.house import House, house, serving
from orchestrator.running import any_port
from states import texts

CRM_MODES = ("healthy", "healthy again", "dead", "hanging", "babbling")
BOT_MODES = ("dead", "slow", "dripping", "failing", "babbling", "endless")
ROUND = 10
TOLERANCE = 1.1
MEASURED_AT_MOST = 3
NAMED_WITHIN_S = 30
BOT_TIMEOUT_S, SHORT_TIMEOUT_S = 10.0, 1.0
# What a reply takes beside the waiting for the bot, however busy the machine is.
SLACK_S = 2.0
GIVE_UP_S = 30.0
BABBLE = (b"<html>It works!</html>", b"\xff\xfe\x00", b'{"message": 5, "route": []}', b"[]", b"", b'{"data": "none"}')


class Neighbour:
    """A server that misbehaves in its mode, and else answers what `answer` makes of a request."""

    def __init__(self, mode: str, dice: random.Random) -> None:
        self.mode = mode
        self._dice = dice

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, or misbehave."""
        match self.mode:
            case "hanging" | "slow":
                await asyncio.sleep(3600)
            case "babbling":
                return web.Response(body=self._dice.choice(BABBLE), content_type="application/json")
            case "failing":
                return web.Response(status=self._dice.choice((500, 502, 404, 301)))
            case "dripping" | "endless":
                return await _pour(request, self.mode == "dripping")
        return self.answer(request)

    def answer(self, request: web.Request) -> web.Response:
        """What a healthy one answers: as Strapi 5 does, with the customer of whatever number is asked for."""
        number = request.query.get("filters[channels][value][$eq]", "+15550000000")
        record = {
            "id": 1,
            "customer_id": number[1:],
            "display_name": "Maria Sanchez",
            "channels": [{"type": "sms", "value": number}],
        }
        paging = {"page": 1, "pageSize": 100, "pageCount": 1, "total": 1}
        return web.json_response({"data": [record], "meta": {"pagination": paging}})


async def _pour(request: web.Request, slowly: bool) -> web.StreamResponse:
    """An answer without an end."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" " * (1 if slowly else 65_536))
        await asyncio.sleep(0.1 if slowly else 0)


@asynccontextmanager
async def _neighbour(mode: str, dice: random.Random) -> AsyncIterator[tuple[Neighbour, str]]:
    """One that listens, unless it is dead, and its address."""
    neighbour, port = Neighbour(mode, dice), any_port(0)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", neighbour.handle)
    async with AsyncExitStack() as stack:
        if mode != "dead":
            await stack.enter_async_context(serving(app, port))
        yield neighbour, f"http://127.0.0.1:{port}"


async def crm_faults(scale: Scale) -> Figure:
    """New customers write while the CRM is well, dead, hanging, babbling: a house each, some customers in turn."""
    each, dice = scale.of(4_000, at_least=ROUND), random.Random(scale.seed)
    async with AsyncExitStack() as stack:
        streets = [await stack.enter_async_context(_with_crm(mode, dice)) for mode in CRM_MODES]
        # Where noise hides the answer more is measured, of all alike.
        for _ in range(MEASURED_AT_MOST):
            await _measure(streets, each, dice)
            if not _slower(streets):
                break
        found = _slower(streets)
        for street in streets:
            street.crm.mode = "healthy"
            found += await _all_named(street)
    return Figure(
        fault="the CRM is dead, hangs, babbles",
        did=f"{len(streets[0].waited)} new customers each; reply p99 in ms: " + _listed(streets, 0.99),
        violations=found,
        notes=[
            f"median in ms: {_listed(streets, 0.5)}; longest: {_listed(streets, 1)}",
            "a house each, side by side, in random turns; two healthy ones show the noise, the slower of them counts",
        ],
    )


@dataclass(slots=True)
class _Street:
    """A house with its CRM, and how long its new customers waited for the first reply, in seconds."""

    mode: str
    crm: Neighbour
    house: House
    waited: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """A quantile of the waiting times, in milliseconds."""
        return sorted(self.waited)[math.ceil(share * len(self.waited)) - 1] * 1000


@asynccontextmanager
async def _with_crm(mode: str, dice: random.Random) -> AsyncIterator[_Street]:
    async with _neighbour(mode, dice) as (crm, url):
        settings = {"CRM": "strapi", "STRAPI_URL": url, "STRAPI_TOKEN": "a-token"}
        async with house(**settings) as it:
            yield _Street(mode, crm, it)


async def _measure(streets: list[_Street], each: int, dice: random.Random) -> None:
    done = len(streets[0].waited)
    for first in range(done, done + each, ROUND):
        for street in dice.sample(streets, len(streets)):
            for number in range(first, first + ROUND):
                began = time.monotonic()
                sid = await street.house.say(f"+1555{number:07d}", "Hello")
                await street.house.replied(sid, "", GIVE_UP_S)
                street.waited.append(time.monotonic() - began)


def _slower(streets: list[_Street]) -> list[str]:
    """Whose replies were slower than a tenth more than those of the healthy ones."""
    limit = TOLERANCE * max(street.quantile(0.99) for street in streets if street.mode.startswith("healthy"))
    p99 = {street.mode: street.quantile(0.99) for street in streets}
    return [f"{mode}: p99 {ms:.1f} ms, the limit is {limit:.1f} ms" for mode, ms in p99.items() if ms > limit]


def _listed(streets: list[_Street], share: float) -> str:
    return ", ".join(f"{street.mode} {street.quantile(share):.1f}" for street in streets)


async def _all_named(street: _Street) -> list[str]:
    """Wait until a CRM that is back has named everybody; whom it has not. One that was dead stays so."""
    unnamed: list[str] = []
    for _ in range(0 if street.mode == "dead" else NAMED_WITHIN_S * 10):
        unnamed = [conversation.sid for conversation in street.house.conversations if not conversation.friendly_name]
        if not unnamed:
            break
        await asyncio.sleep(0.1)
    return [f"{sid}: not named, though the CRM that was {street.mode} is back" for sid in unnamed]


async def bot_faults(scale: Scale) -> Figure:
    """New customers write while the bot behind a URL is dead, slow, drips, fails, babbles, never ends."""
    each, dice = scale.of(1_000, at_least=5), random.Random(scale.seed)
    timeout_s = BOT_TIMEOUT_S if scale.share >= 1 else SHORT_TIMEOUT_S
    longest: dict[str, float] = {}
    found = []
    for mode in BOT_MODES:
        async with (
            _neighbour(mode, dice) as (_, url),
            house(BOT="http", BOT_URL=url, BOT_TIMEOUT_S=f"{timeout_s:g}") as it,
        ):
            senders = [f"+1555{number:07d}" for number in range(each)]
            waited = []
            # Some at a time: fifty at the same moment measure how fast the machine is.
            for first in range(0, each, ROUND):
                waited += await asyncio.gather(*(_fallback(it, s) for s in senders[first : first + ROUND]))
            longest[mode] = max(waited)
            found += [f"{mode}: silence for {s:.1f} s" for s in waited if s > timeout_s + SLACK_S]
            await it.rest()
            found += [f"{mode}: {line}" for line in it.violations()]
    return Figure(
        fault="the bot is dead, slow, drips, answers 4xx and 5xx, babbles, never ends",
        did=f"{each} new customers each; longest wait for the fallback in s: "
        + ", ".join(f"{mode} {seconds:.2f}" for mode, seconds in longest.items()),
        violations=found,
        notes=[
            f"BOT_TIMEOUT_S={timeout_s:g}, of a deployment's {BOT_TIMEOUT_S:g}; {SLACK_S:g} s beside it for all else"
        ],
    )


async def _fallback(it: House, sender: str) -> float:
    """Seconds from a new customer's writing to the words that stand in for the bot's; infinite if there are none."""
    began = time.monotonic()
    sid = await it.say(sender, "Hello")
    is_said = await it.replied(sid, texts.BOT_TROUBLE, GIVE_UP_S)
    return time.monotonic() - began if is_said else math.inf
