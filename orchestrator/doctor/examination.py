"""All checks side by side, none of which may keep the others, or the command, longer than the time there is."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp

from orchestrator.connecting.client import account
from orchestrator.doctor import neighbours
from orchestrator.doctor.account import Account, refusal
from orchestrator.doctor.findings import DOWN, FAILED, Finding, ok, skipped, without_secrets, wrong
from orchestrator.doctor.reach import reach
from orchestrator.errors import EffectError
from orchestrator.settings import Settings

LIMIT_S = 20.0


async def examine(settings: Settings, limit_s: float = LIMIT_S) -> list[Finding]:
    """What every check found, in a fixed order, within `limit_s` seconds. Raises nothing."""
    deadline = asyncio.get_running_loop().time() + limit_s

    async def within(name: str, work: Awaitable[list[Finding]], code: int = FAILED) -> list[Finding]:
        try:
            async with asyncio.timeout_at(deadline):
                return await work
        except TimeoutError:
            return [wrong(name, f"no answer within {limit_s:g} s", None, code)]
        except Exception as error:
            return [wrong(name, f"could not be looked at ({type(error).__name__})")]

    async with account(settings) as connect, aiohttp.ClientSession() as session:
        twilio = Account(connect, settings)
        found = await asyncio.gather(
            _of_twilio(twilio, within),
            within("public URL", reach(settings, session)),
            within("database", neighbours.store(settings, session), DOWN),
            within("bot", neighbours.bot(settings, session)),
        )
    said = [ok("settings", "readable"), *(finding for group in found for finding in group)]
    return [without_secrets(finding, settings.secrets) for finding in said]


Within = Callable[[str, Awaitable[list[Finding]], int], Coroutine[Any, Any, list[Finding]]]


async def _of_twilio(twilio: Account, within: Within) -> list[Finding]:
    """Admission first; where there is none, nothing else can be known of the account."""
    admitted = await within("credentials", twilio.admission(), DOWN)
    checks = twilio.checks()
    if admitted[0].verdict == "wrong":
        return admitted + [skipped(name, "Twilio let nobody in") for name in checks]
    work = [within(name, _answered(name, check), DOWN) for name, check in checks.items()]
    return admitted + [finding for group in await asyncio.gather(*work) for finding in group]


async def _answered(name: str, check: Callable[[], Awaitable[Finding]]) -> list[Finding]:
    try:
        return [await check()]
    except EffectError as error:
        return [refusal(name, error)]
