"""What each route may be used by. Every handler declares it, and a test goes through all of them.

A route for people is wrapped by `open_to`, which finds out who asks, refuses whom the right does not name, and checks
that what changes something was sent by a page of ours. The other routes only say who uses them: they check by
themselves (a signature, a bearer token) or answer everybody.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Awaitable[web.StreamResponse]])


class Role(StrEnum):
    """What somebody is here."""

    worker = "worker"
    supervisor = "supervisor"
    developer = "developer"
    admin = "admin"


@dataclass(frozen=True, slots=True)
class Right:
    """Who may use a route. `roles` is empty where it is no person who does, or everybody."""

    name: str
    roles: frozenset[Role] = frozenset()


EVERYBODY: Final = Right("everybody")
TWILIO: Final = Right("twilio")
OPERATOR: Final = Right("operator")

SIGNED_IN: Final = Right("signed in", frozenset(Role))
SERVE: Final = Right("serve customers", frozenset({Role.worker, Role.supervisor, Role.admin}))
WATCH: Final = Right("watch", frozenset({Role.supervisor, Role.developer, Role.admin}))
STEP_IN: Final = Right("step in", frozenset({Role.supervisor, Role.admin}))
REPAIR: Final = Right("repair", frozenset({Role.supervisor, Role.developer, Role.admin}))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in. `identity`: the TaskRouter worker he is, None for one who serves nobody."""

    id: int
    login: str
    name: str
    role: Role
    identity: str | None = None


PERSON: Final = web.RequestKey("person", Person)


def used_by(right: Right, handler: AnyHandler) -> AnyHandler:
    """Say who uses a route that checks by itself, or answers everybody."""
    handler.right = right  # type: ignore[attr-defined]
    return handler


def right_of(handler: object) -> Right | None:
    """What a handler declares; None where somebody forgot to."""
    right: Right | None = getattr(handler, "right", None)
    return right
