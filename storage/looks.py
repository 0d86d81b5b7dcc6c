"""Waiting looks: where a message was or will be published that no webhook has told of yet.

A pre-action event leaves one; each customer message taken in takes the oldest one that fits off. A look is at a
conversation, or at a pair of addresses while the conversation does not exist.
"""

from sqlalchemy import Row, and_, bindparam, delete, insert, or_, select, update

from storage.schema import look
from storage.unit import Stored, Unit


def add(
    unit: Unit,
    *,
    due_at: int,
    conversation_sid: str | None = None,
    service_sid: str | None = None,
    address: str | None = None,
    proxy_address: str | None = None,
    friendly_name: str | None = None,
    whole: bool = False,
) -> None:
    """Leave a look, due at `due_at` (milliseconds since 1970)."""
    row = {
        "conversation_sid": conversation_sid,
        "service_sid": service_sid,
        "address": address,
        "proxy_address": proxy_address,
        "friendly_name": friendly_name,
        "whole": whole,
        "created_at": unit.now,
        "due_at": due_at,
    }
    unit.connection.execute(insert(look), row)


def at_pair(unit: Unit, address: str, proxy_address: str | None) -> Row[tuple[object, ...]] | None:
    """The oldest look at this pair of addresses; without a proxy address, at any pair of this address."""
    query = _AT_PAIR if proxy_address is not None else _AT_ADDRESS
    return unit.connection.execute(query, {"address": address, "proxy": proxy_address}).first()


def take_off(unit: Unit, stored: Stored) -> None:
    """A customer message of this conversation was taken in: the oldest look that waited for one is not needed."""
    conversation = stored.conversation
    unit.connection.execute(
        _TAKE_OFF,
        {"sid": conversation.sid, "address": conversation.address, "proxy": conversation.proxy_address},
    )


def due(unit: Unit, limit: int) -> list[Row[tuple[object, ...]]]:
    """The looks that are due, oldest first."""
    return list(unit.connection.execute(_DUE, {"now": unit.now, "limit": limit}))


def postpone(unit: Unit, look_id: int, due_at: int, tries: int) -> None:
    """Look again later. A look that a message has taken off meanwhile stays off."""
    unit.connection.execute(update(look).where(look.c.id == look_id).values(due_at=due_at, tries=tries))


def drop(unit: Unit, look_id: int) -> None:
    """This look has done its work."""
    unit.connection.execute(delete(look).where(look.c.id == look_id))


_AT_ADDRESS = select(look).where(look.c.address == bindparam("address")).order_by(look.c.id).limit(1)
_AT_PAIR = _AT_ADDRESS.where(look.c.proxy_address == bindparam("proxy"))
_FITS = or_(
    look.c.conversation_sid == bindparam("sid"),
    and_(
        look.c.conversation_sid.is_(None),
        look.c.address == bindparam("address"),
        or_(bindparam("proxy").is_(None), look.c.proxy_address == bindparam("proxy")),
    ),
)
_TAKE_OFF = delete(look).where(
    look.c.id == select(look.c.id).where(_FITS, look.c.whole.is_(False)).order_by(look.c.id).limit(1).scalar_subquery()
)
_DUE = select(look).where(look.c.due_at <= bindparam("now")).order_by(look.c.due_at).limit(bindparam("limit"))
