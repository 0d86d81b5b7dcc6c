"""The checks of what is not Twilio's: database, sign-in, CRM and bot."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import aiohttp
from sqlalchemy import func, select

from orchestrator.adapters.strapi_crm import StrapiCrm
from orchestrator.connecting.wanted import is_loopback
from orchestrator.doctor.findings import DOWN, MISCONFIGURED, Finding, ok, skipped, wrong
from orchestrator.errors import CrmUnavailable
from orchestrator.settings import Settings
from storage.errors import DatabaseUnusable, StorageError
from storage.health import Health, health
from storage.opening import read
from storage.schema import customer, person

ENOUGH_BYTES = 200 * 2**20
LIMIT_S = 5.0
STRAPI = "STRAPI_URL, STRAPI_IDENTIFIER and STRAPI_PASSWORD, or STRAPI_TOKEN"

T = TypeVar("T")


async def store(settings: Settings, session: aiohttp.ClientSession) -> list[Finding]:
    """The database; then what is read in it: sign-in and the customer book, or the CRM that is asked instead."""
    try:
        found = await _aside(lambda: health(settings.database_url))
    except StorageError as error:
        code = MISCONFIGURED if isinstance(error, DatabaseUnusable) else DOWN
        unread = "the database cannot be read"
        at = [wrong("database", str(error), "DATABASE_URL", code)]
        return [*at, await _sign_in(settings, None, unread), await _crm(settings, session, None, unread)]
    why = None if found.revision == found.needed else "the schema is not this version's"
    readable = settings.database_url if why is None else None
    return [
        of_database(found),
        await _sign_in(settings, readable, why),
        await _crm(settings, session, readable, why),
    ]


async def bot(settings: Settings, session: aiohttp.ClientSession) -> list[Finding]:
    """Whether the bot is there; nothing is asked of it."""
    if settings.bot == "menu":
        return [ok("bot", "menu, built in")]
    if settings.bot_url is None:
        return [ok("bot", f"{settings.bot}, at its vendor's; nothing was asked of it")]
    limit = aiohttp.ClientTimeout(total=min(settings.bot_timeout_s, LIMIT_S))
    try:
        async with session.get(settings.bot_url, timeout=limit, allow_redirects=False) as answer:
            if answer.status >= 500:
                return [wrong("bot", f"answers {answer.status}", "BOT_URL, or the bot itself")]
            return [ok("bot", f"is there (answers {answer.status} to GET)")]
    except (aiohttp.ClientError, OSError) as error:
        return [wrong("bot", f"nobody answers ({type(error).__name__})", "BOT_URL, or start the bot")]


def of_database(found: Health) -> Finding:
    """What is to be said of the database."""
    name = f"{found.kind} {found.version}"
    if found.revision is None:
        return Finding("database", "warning", f"{name}; nothing there yet", "expert-hub serve, or db upgrade")
    if found.revision != found.needed:
        newer = found.revision > found.needed
        mend = "a newer expert-hub" if newer else "expert-hub db upgrade"
        return wrong("database", f"at revision {found.revision}, {found.needed} is needed", mend, MISCONFIGURED)
    if found.unwritable:
        return wrong("database", f"cannot be written: {found.unwritable}", "its rights, or its disk")
    if found.free_bytes is not None and found.free_bytes < ENOUGH_BYTES:
        return wrong("database", f"only {found.free_bytes // 2**20} MB are free on its disk", "make room")
    if found.journal not in (None, "wal"):
        return wrong("database", f"its journal is {found.journal} and not WAL", "expert-hub serve sets it")
    room = "" if found.free_bytes is None else f", WAL, {found.free_bytes // 2**30} GB free"
    return ok("database", f"{name}, revision {found.revision}, can be written{room}")


async def _sign_in(settings: Settings, url: str | None, why: str | None) -> Finding:
    """Beyond loopback nobody may be let in without users."""
    if is_loopback(settings.host):
        return skipped("sign-in", "HOST is loopback")
    if settings.sandbox_mode:
        return skipped("sign-in", "in the sandbox its own people are offered")
    if url is None:
        return skipped("sign-in", why or "")
    able = select(func.count()).select_from(person).where(person.c.disabled_at.is_(None))
    count = await _aside(lambda: read(url, lambda connection: connection.execute(able).scalar_one()))
    if not count:
        return wrong("sign-in", "HOST is beyond loopback and nobody can sign in", "expert-hub users add")
    return ok("sign-in", f"{count} can sign in")


async def _crm(settings: Settings, session: aiohttp.ClientSession, url: str | None, why: str | None) -> Finding:
    if settings.crm == "strapi":
        return await _strapi(settings, session)
    if url is None:
        return skipped("CRM", why or "")
    everybody = select(func.count()).select_from(customer)
    count = await _aside(lambda: read(url, lambda connection: connection.execute(everybody).scalar_one()))
    return ok("CRM", f"the customer book, {count} customers")


async def _strapi(settings: Settings, session: aiohttp.ClientSession) -> Finding:
    """Log in and ask for one customer, whom there need not be."""
    assert settings.strapi_url is not None, "settings refuse CRM=strapi without STRAPI_URL"
    password, token = settings.strapi_password, settings.strapi_token
    crm = StrapiCrm(
        session,
        settings.strapi_url,
        settings.strapi_identifier,
        None if password is None else password.get_secret_value(),
        None if token is None else token.get_secret_value(),
        LIMIT_S,
    )
    try:
        await crm.find("1")
    except CrmUnavailable as error:
        return wrong("CRM", str(error), STRAPI)
    return ok("CRM", "Strapi lets us in and answers")


async def _aside(work: Callable[[], T]) -> T:
    """Run what blocks in a thread nobody waits for: a database that hangs must not keep the command."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]
        else:
            done.set_exception(error)

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, daemon=True).start()
    return await done
