"""The composition root: Settings in, web.Application out. The only place that knows which adapter plays which port.

What only some settings ask for is imported where they do, for the start waits for every import.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import aiohttp
from aiohttp import web

from orchestrator import console, debug, flex_door, flex_events, pages, phone, webhooks
from orchestrator.acts import Acts
from orchestrator.adapters.account_hold import AccountHold, LeaseOnly
from orchestrator.adapters.guarded_crm import GuardedCrm
from orchestrator.adapters.returning_bot import ReturningBot
from orchestrator.adapters.twilio_client import TwilioClient
from orchestrator.adapters.twilio_content import TwilioContent
from orchestrator.adapters.twilio_conversations import TwilioConversations
from orchestrator.adapters.twilio_media import TwilioMedia
from orchestrator.adapters.twilio_taskrouter import TwilioTaskRouter
from orchestrator.bots.choosing import bot_of, texts_of
from orchestrator.bots.menu_texts import tongues
from orchestrator.crms import crm_of
from orchestrator.directory import Directory
from orchestrator.dispatcher import Dispatcher
from orchestrator.feed import Feed
from orchestrator.flex_transfers import Transfers
from orchestrator.flex_watch import FlexWatch
from orchestrator.flexing import FlexDesk
from orchestrator.intake import Intake
from orchestrator.looker import Looker
from orchestrator.membership import Membership
from orchestrator.people.guarding import require_rights
from orchestrator.people.reception import add_reception, insist_on_people, open_reception
from orchestrator.performing import Performer
from orchestrator.pictures import Pictures
from orchestrator.ports import Bot, Workers
from orchestrator.reconciler import Reconciler
from orchestrator.retention import Retention
from orchestrator.retrying import Patience
from orchestrator.returning import Returning
from orchestrator.service import EFFECTS, SERVICE, WORKERS, Role, Service
from orchestrator.settings import Settings
from orchestrator.starting import Starter
from orchestrator.templates import Templates
from orchestrator.voice import routes as voice
from orchestrator.voice.placing import Placer
from orchestrator.waiting_room import WaitingRoom
from states.check import check as check_table
from states.table import TRANSITIONS
from states.texts import SPOKEN
from storage import people
from storage.engine import is_postgres, writing_engine
from storage.opening import ServiceLock, check, upgrade
from storage.readers import Readers
from storage.writer import Batches, Writer, wall_clock


class _Twilio(NamedTuple):
    """The account, as its neighbours here know it. `workers`: None where no workspace is set."""

    client: TwilioClient
    conversations: TwilioConversations
    workers: Workers | None
    hold: AccountHold


def build_app(settings: Settings, role: Role = "all") -> web.Application:
    """The service as an application; it opens the database when it starts. Raises RightMissing for a route that does
    not say who may use it, and nothing else until then. `role`: whether this replica takes webhooks, carries out
    effects, or both."""
    app = web.Application()
    if role != "effects":
        app.add_routes([*webhooks.routes(), *voice.routes(), *flex_events.routes(), *flex_door.routes()])
        add_reception(app, settings)
        app.add_routes([*pages.routes(), *phone.routes(), *console.routes()])
        pages.attach(app)
        console.attach(app)
    app.add_routes(debug.routes())
    require_rights(app)

    async def running(app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            faults = check_table(TRANSITIONS)
            assert not faults, f"states/table.py is unsound: {'; '.join(faults)}"
            service = await _service(settings, role, session, stack)
            app[SERVICE] = service
            if role != "effects":
                await open_reception(app, settings, session)
            await service.start()
            yield
            await service.drain()
            await service.stop()

    app.cleanup_ctx.append(running)
    if role != "effects":
        phone.attach(app)
    app.on_shutdown.append(_hang_up)
    return app


async def _hang_up(app: web.Application) -> None:
    """Who watches would hold up the end for as long as requests are waited for."""
    if SERVICE in app:
        app[SERVICE].feed.close()


async def _service(settings: Settings, role: Role, session: aiohttp.ClientSession, stack: AsyncExitStack) -> Service:
    writer, reader = await _store(settings, role, stack)
    twilio = _twilio(settings, stack)
    membership = Membership(writer, settings.effect_timeout_s)
    twilio.hold.may_call = membership.may_call
    conversations = twilio.conversations
    flex = _flex(settings, conversations, membership, writer, stack)
    directory = _directory(settings, twilio.workers, reader)
    grace_ms = round(settings.publish_grace_s * 1000)
    intake = Intake(writer, directory, grace_ms)
    crm = GuardedCrm(crm_of(settings, reader, session), time.monotonic)
    stack.push_async_callback(crm.close)
    returning = Returning(crm, directory, reader, settings.cover, settings.last_worker_days)
    bot = _bot(settings, session, reader, returning)
    dispatcher = _dispatcher(settings, writer, intake, twilio, directory, bot, crm, returning, flex)
    membership.on_joined = dispatcher.start_over
    looker = Looker(writer, intake, conversations, directory, grace_ms)
    Placer(writer, directory, crm, conversations, looker, settings.proxy_numbers)
    starter = Starter(writer, directory, crm, conversations, looker, settings.proxy_numbers)
    return Service(
        settings=settings,
        role=role,
        writer=writer,
        reader=reader,
        membership=membership,
        directory=directory,
        intake=intake,
        dispatcher=dispatcher,
        looker=looker,
        waiting_room=WaitingRoom(writer, directory),
        reconciler=Reconciler(writer, conversations, looker, settings.reconcile_s),
        retention=Retention(writer, settings.retention_days),
        crm=crm,
        hold=twilio.hold,
        acts=_acts(settings, session, writer, reader, directory, twilio, starter, flex),
        templates=Templates(settings.whatsapp_templates, _content(settings, session)),
        feed=Feed(writer),
        flex_watch=None if flex is None else FlexWatch(writer, flex.flex, settings.reconcile_s),
        transfers=Transfers(writer, directory, crm, conversations, conversations, looker, settings.proxy_numbers),
    )


def _directory(settings: Settings, workers: Workers | None, reader: Readers) -> Directory:
    tongue = tongues(texts_of(settings), settings.bot_languages)
    return Directory(workers, tongue, lambda: reader.read(people.identities))


def _bot(settings: Settings, session: aiohttp.ClientSession, reader: Readers, returning: Returning) -> Bot:
    """The bot; the menu offers whom the customer knows."""
    bot = bot_of(settings, session, reader)
    if settings.bot != "menu":
        return bot
    return ReturningBot(bot, returning, texts_of(settings), settings.bot_languages[0])


def _dispatcher(
    settings: Settings,
    writer: Batches,
    intake: Intake,
    twilio: _Twilio,
    directory: Directory,
    bot: Bot,
    crm: GuardedCrm,
    returning: Returning,
    flex: FlexDesk | None,
) -> Dispatcher:
    performer = Performer(
        twilio.conversations,
        twilio.workers,
        directory,
        bot,
        crm,
        writer,
        settings.quiet_period_s,
        settings.effect_timeout_s,
        frozenset(SPOKEN) - frozenset(settings.bot_languages),
        returning=returning,
        flex=flex,
    )
    patience = Patience(
        settings.retry_base_s, settings.retry_cap_s, settings.effect_deadline_s, settings.quiet_period_s
    )
    return Dispatcher(writer, intake, performer, patience, settings.dispatch_poll_s)


def _acts(
    settings: Settings,
    session: aiohttp.ClientSession,
    writer: Batches,
    reader: Readers,
    directory: Directory,
    twilio: _Twilio,
    starter: Starter,
    flex: FlexDesk | None,
) -> Acts:
    return Acts(
        writer,
        directory,
        twilio.workers,
        starter,
        Pictures(reader, _media(settings, twilio.client, session)),
        settings.whatsapp_templates,
        on_availability=lambda: writer.tell(WORKERS),
        on_due=lambda: writer.tell(EFFECTS),
        has_flex=flex is not None,
    )


async def _store(settings: Settings, role: Role, stack: AsyncExitStack) -> tuple[Batches, Readers]:
    """The database, brought up to date: an SQLite file that is ours alone, or a PostgreSQL that others share."""
    url = settings.database_url
    is_ours = not is_postgres(url)
    if is_ours:
        stack.callback(ServiceLock(url).release)
    await asyncio.to_thread(upgrade, url)
    if is_ours:
        await asyncio.to_thread(check, url)
    if role != "effects":
        await insist_on_people(settings)
    if settings.sandbox_mode and settings.crm == "book":
        from orchestrator.customer_book import seed

        await asyncio.to_thread(seed, url)
    if is_ours:
        return Writer(writing_engine(url), wall_clock), Readers(url)
    from storage.shared_writer import SharedWriter

    return SharedWriter(url, wall_clock), Readers(url)


def _twilio(settings: Settings, stack: AsyncExitStack) -> _Twilio:
    """The official client over our transport, and Twilio's two sides over it."""
    hold = AccountHold()
    client = TwilioClient(
        settings.twilio_account_sid,
        settings.twilio_auth_token.get_secret_value(),
        settings.effect_timeout_s,
        settings.twilio_api_url,
        hold,
    )
    stack.push_async_callback(client.close)
    conversations = TwilioConversations(client, settings.messaging_service_sid)
    hold.probe = conversations.any_one
    workspace, queue = settings.taskrouter_workspace_sid, settings.taskrouter_queue_sid
    if workspace is None or queue is None:
        return _Twilio(client, conversations, None, hold)
    return _Twilio(client, conversations, TwilioTaskRouter(client, workspace, queue), hold)


def _flex(
    settings: Settings, ours: TwilioConversations, membership: Membership, writer: Batches, stack: AsyncExitStack
) -> FlexDesk | None:
    """The way to the Flex account, where one is configured: a client of its own, with its credentials."""
    account, token = settings.flex_account_sid, settings.flex_auth_token
    workspace, workflow = settings.flex_workspace_sid, settings.flex_workflow_sid
    if account is None or token is None or workspace is None or workflow is None:
        return None
    from orchestrator.adapters.twilio_flex import TwilioFlex

    hold = LeaseOnly()
    hold.may_call = membership.may_call
    client = TwilioClient(account, token.get_secret_value(), settings.effect_timeout_s, settings.flex_api_url, hold)
    stack.push_async_callback(client.close)
    return FlexDesk(TwilioFlex(client, workspace, workflow), ours, writer, settings.public_url)


def _content(settings: Settings, session: aiohttp.ClientSession) -> TwilioContent:
    return TwilioContent(session, _credentials(settings), settings.effect_timeout_s, settings.twilio_api_url)


def _media(settings: Settings, client: TwilioClient, session: aiohttp.ClientSession) -> TwilioMedia:
    return TwilioMedia(client, session, _credentials(settings), settings.effect_timeout_s, settings.twilio_api_url)


def _credentials(settings: Settings) -> tuple[str, str]:
    return settings.twilio_account_sid, settings.twilio_auth_token.get_secret_value()
