"""The reception of the application: its routes, who is there in the sandbox, and nobody outside without people inside.

What only some settings ask for is imported where they do, for the start waits for every import.
"""

import asyncio

import aiohttp
from aiohttp import web

from orchestrator.errors import SettingsError
from orchestrator.later import later
from orchestrator.nearby import is_loopback
from orchestrator.people.guarding import open_to
from orchestrator.people.passwords import Passwords
from orchestrator.people.rights import EVERYBODY, SIGNED_IN, used_by
from orchestrator.people.seeded import LOGINS, seed_people
from orchestrator.service import SERVICE
from orchestrator.settings import Settings
from storage.opening import read
from storage.people import count_who_can_sign_in

PASSWORDS = web.AppKey("passwords", Passwords)


def add_reception(app: web.Application, settings: Settings) -> None:
    """Add the routes by which people come and go."""
    app.add_routes(_routes())
    if settings.oidc_issuer is not None:
        app.add_routes(_oidc_routes())
    app[PASSWORDS] = Passwords()
    app.on_cleanup.append(_close)


def _routes() -> list[web.RouteDef]:
    pages = "orchestrator.people.pages"
    return [
        web.get("/signin", used_by(EVERYBODY, later(f"{pages}:show"))),
        web.get("/signin.json", used_by(EVERYBODY, later(f"{pages}:twin"))),
        web.post("/signin", used_by(EVERYBODY, later(f"{pages}:sign_in"))),
        web.post("/signout", open_to(SIGNED_IN, later(f"{pages}:sign_out"))),
    ]


def _oidc_routes() -> list[web.RouteDef]:
    pages = "orchestrator.people.oidc_pages"
    return [
        web.get("/signin/oidc", used_by(EVERYBODY, later(f"{pages}:leave")), allow_head=False),
        web.get("/signin/oidc/callback", used_by(EVERYBODY, later(f"{pages}:come_back")), allow_head=False),
    ]


async def open_reception(app: web.Application, settings: Settings, session: aiohttp.ClientSession) -> None:
    """Make ready who lets people in, before anybody comes. Raises StorageError."""
    if settings.oidc_issuer is not None:
        _know_provider(app, settings, session)
    if settings.sandbox_mode:
        await seed_people(app[SERVICE].writer)


async def insist_on_people(settings: Settings) -> None:
    """A service that others can reach is for people; with nobody who can sign in, somebody forgot them. Raises
    SettingsError."""
    if settings.sandbox_mode or is_loopback(settings.host):
        return
    oidc = settings.oidc_issuer is not None
    count = await asyncio.to_thread(
        read, settings.database_url, lambda connection: count_who_can_sign_in(connection, LOGINS, oidc=oidc)
    )
    if count == 0:
        raise SettingsError(
            [
                f"HOST: found {settings.host}, which others can reach, and nobody who can sign in;"
                " add somebody first: `expert-hub users add LOGIN --role admin`"
            ]
        )


def _know_provider(app: web.Application, settings: Settings, session: aiohttp.ClientSession) -> None:
    from orchestrator.people.oidc import PROVIDER, Provider

    issuer, client_id, secret = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret
    assert issuer is not None, "settings refuse some of OIDC_* without the others"
    assert client_id is not None, "likewise"
    assert secret is not None, "likewise"
    come_back = f"{settings.public_url}/signin/oidc/callback"
    app[PROVIDER] = Provider(issuer, client_id, secret.get_secret_value(), come_back, session)


async def _close(app: web.Application) -> None:
    app[PASSWORDS].close()
