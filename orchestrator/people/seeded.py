"""The people of the sandbox: one for each role and seeded worker, so that a newcomer signs in with one tap.

They have no password. Where there are real credentials nobody can be them: nothing offers them, no password fits, no
provider of identities is believed about them, and what sign-ins they have do not hold.
"""

from typing import Final, NamedTuple

from aiohttp import web

from orchestrator.nearby import is_local, is_loopback
from orchestrator.people.origins import origin_of
from orchestrator.people.rights import STEP_IN, Role
from orchestrator.sandbox import seeds
from orchestrator.service import SERVICE
from storage import people
from storage.unit import About, Unit
from storage.writer import Batches


class Seeded(NamedTuple):
    """Somebody to try the sandbox as; `identity`: the seeded worker he is, or what he takes conversations over as."""

    login: str
    name: str
    role: Role
    identity: str | None = None


_WORKERS = tuple(
    Seeded(identity, identity.partition("@")[0].capitalize(), Role.worker, identity)
    for identity, _available in seeds.WORKERS
)


def _other(role: Role) -> Seeded:
    login = f"{role}@example.test"
    return Seeded(login, role.capitalize(), role, login if role in STEP_IN.roles else None)


_OTHERS = tuple(_other(role) for role in (Role.supervisor, Role.developer, Role.admin))
SEEDED: Final = (*_WORKERS, *_OTHERS)
LOGINS: Final = tuple(one.login for one in SEEDED)


async def seed_people(writer: Batches) -> None:
    """Add whoever of them is not there yet, and nobody in place of somebody else. Replicas that start at the same
    moment take turns."""
    await writer.run(_seed, About(lock="seeded people"))


def _seed(unit: Unit) -> None:
    for one in SEEDED:
        known = people.by_login(unit.connection, one.login)
        if one.identity is not None and people.by_identity(unit.connection, one.identity) is not None:
            continue
        if known is None:
            people.add(unit.connection, one.login, one.name, one.role, one.identity, None, unit.now)
        elif one.identity is not None and not known.has_credentials:
            # A sandbox of before supervisors could take over.
            people.give_identity(unit.connection, known.id, one.identity)


def may_tap(request: web.Request) -> bool:
    """Whether whoever asks may come in as one of them: in sandbox mode, on this machine, under this machine's name (a
    page of elsewhere may give its own name to 127.0.0.1)."""
    settings = request.app[SERVICE].settings
    asked = origin_of(f"http://{request.host}")
    is_by_our_name = asked is not None and is_loopback(asked[1])
    return settings.sandbox_mode and is_by_our_name and is_local(request, settings.public_url)
