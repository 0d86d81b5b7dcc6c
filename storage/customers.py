"""The built-in customer book: customers and the addresses they are found by.

An address is stored twice, as the book spells it and normalised; the caller brings the second, for how addresses are
spelled is not this package's business. Identities of owners are compared in any letter case, so they are stored folded.
The channels of a customer come back in the order of type and value.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace

from sqlalchemy import Connection, Row, Select, delete, exists, insert, select, update

from states.customers import Channel, Consent, Customer, Link, folded, search_text
from storage.customer_search import containing
from storage.schema import customer, customer_channel

QUERY_MAX = 1000  # characters; no name is that long, and SQLite refuses patterns over 50,000 bytes
_BATCH = 500  # customers read at a time when all are wanted
_Stored = tuple[Customer, dict[Channel, str]]  # as it comes back, and the normalised address of each channel
# Not "is not null": SQLite would read the whole book where nobody has an owner.
_ANY_OWNER = select(exists().where(customer.c.worker > ""))


def save_customer(conn: Connection, wanted: Customer, addresses: Sequence[str]) -> bool:
    """Add a customer, or bring the one with this id up to date.

    `addresses` are the normalised addresses of `wanted.channels`, in their order. Returns whether anything changed.
    """
    return save_customers(conn, [(wanted, addresses)]) == 1


def save_customers(conn: Connection, wanted: Sequence[tuple[Customer, Sequence[str]]]) -> int:
    """`save_customer` for many at once, each id at most once; how many were added or changed."""
    books = {one.customer_id: _as_stored(one, addresses) for one, addresses in wanted}
    known = _known(conn, list(books))
    changed = {customer_id: book for customer_id, book in books.items() if known.get(customer_id) != book}
    added = [book for customer_id, book in changed.items() if customer_id not in known]
    others = [customer_id for customer_id in changed if customer_id in known]
    if added:
        conn.execute(insert(customer), [_columns(*book) for book in added])
    for customer_id in others:
        conn.execute(
            update(customer).where(customer.c.customer_id == customer_id).values(**_columns(*changed[customer_id]))
        )
    if others:
        conn.execute(delete(customer_channel).where(customer_channel.c.customer_id.in_(others)))
    if channels := [row for book, keys in changed.values() for row in _channel_rows(book.customer_id, keys)]:
        conn.execute(insert(customer_channel), channels)
    return len(changed)


def find(conn: Connection, customer_id: str) -> Customer | None:
    """The customer with this id."""
    return _first(conn, select(customer).where(customer.c.customer_id == customer_id))


def find_by_address(conn: Connection, normalised: str) -> Customer | None:
    """The customer one of whose channels has this normalised address; of several, the one first in the book."""
    having = select(customer_channel.c.customer_id).where(customer_channel.c.normalised == normalised)
    return _first(conn, select(customer).where(customer.c.customer_id.in_(having)).order_by(customer.c.id).limit(1))


def page(
    conn: Connection, worker: str, page_size: int, after: str | None = None, query: str | None = None
) -> list[Customer]:
    """Up to `page_size` customers of this worker in the order of the book, after the one with id `after`.

    His own, once the book names an owner for any customer; else all. An `after` nobody has gives an empty page. `query`
    is looked for in names, channel values and normalised addresses, in any letter case.
    """
    wanted = select(customer).order_by(customer.c.id).limit(page_size)
    owner = folded(worker) if conn.scalar(_ANY_OWNER) else None
    if owner is not None:
        wanted = wanted.where(customer.c.worker == owner)
    if after is not None:
        anchor = select(customer.c.id).where(customer.c.customer_id == after).scalar_subquery()
        wanted = wanted.where(customer.c.id > anchor)
    text = folded(query or "").strip()
    if len(text) > QUERY_MAX:
        return []
    return _customers(conn, containing(conn, wanted, text, owner) if text else wanted)


def all_customers(conn: Connection) -> Iterator[Customer]:
    """Every customer in the order of the book, read a batch at a time."""
    last = 0
    while rows := conn.execute(
        select(customer).where(customer.c.id > last).order_by(customer.c.id).limit(_BATCH)
    ).all():
        yield from _with_channels(conn, rows)
        last = rows[-1].id


def is_empty(conn: Connection) -> bool:
    """Whether the book has no customer at all."""
    return not conn.scalar(select(exists().where(customer.c.id.is_not(None))))


def _type_and_value(channel: Channel) -> tuple[str, str]:
    return channel.type, channel.value


def _as_stored(wanted: Customer, addresses: Sequence[str]) -> _Stored:
    keys = dict(zip(wanted.channels, addresses, strict=True))
    owner = folded(wanted.worker or "") or None
    return replace(wanted, channels=tuple(sorted(keys, key=_type_and_value)), worker=owner), keys


def _known(conn: Connection, ids: Sequence[str]) -> dict[str, _Stored]:
    keys: dict[str, dict[Channel, str]] = {}
    for row in conn.execute(select(customer_channel).where(customer_channel.c.customer_id.in_(ids))):
        keys.setdefault(row.customer_id, {})[Channel(row.type, row.value)] = row.normalised
    rows = conn.execute(select(customer).where(customer.c.customer_id.in_(ids)))
    of = [(row, keys.get(row.customer_id, {})) for row in rows]
    return {row.customer_id: (_customer(row, list(channels)), channels) for row, channels in of}


def _columns(book: Customer, keys: Mapping[Channel, str]) -> dict[str, str | None]:
    return {
        "customer_id": book.customer_id,
        "display_name": book.display_name,
        "search": search_text(book, [keys[channel] for channel in book.channels]),
        "avatar": book.avatar,
        "worker": book.worker,
        "links": json.dumps([asdict(link) for link in book.links]),
        "details": json.dumps(book.details),
        "language": book.language,
        "consent": json.dumps([asdict(said) for said in book.consent]) if book.consent else None,
    }


def _channel_rows(customer_id: str, keys: Mapping[Channel, str]) -> list[dict[str, str]]:
    return [
        {"customer_id": customer_id, "type": channel.type, "value": channel.value, "normalised": normalised}
        for channel, normalised in keys.items()
    ]


def _first(conn: Connection, wanted: Select[*tuple[object, ...]]) -> Customer | None:
    return next(iter(_customers(conn, wanted)), None)


def _customers(conn: Connection, wanted: Select[*tuple[object, ...]]) -> list[Customer]:
    return _with_channels(conn, conn.execute(wanted).all())


def _with_channels(conn: Connection, rows: Sequence[Row[*tuple[object, ...]]]) -> list[Customer]:
    ids = [row.customer_id for row in rows]
    channels: dict[str, list[Channel]] = {customer_id: [] for customer_id in ids}
    for row in conn.execute(select(customer_channel).where(customer_channel.c.customer_id.in_(ids))) if ids else ():
        channels[row.customer_id].append(Channel(row.type, row.value))
    return [_customer(row, channels[row.customer_id]) for row in rows]


def _customer(row: Row[*tuple[object, ...]], channels: list[Channel]) -> Customer:
    return Customer(
        customer_id=row.customer_id,
        display_name=row.display_name,
        channels=tuple(sorted(channels, key=_type_and_value)),
        avatar=row.avatar,
        links=tuple(Link(**link) for link in json.loads(row.links)),
        details=json.loads(row.details),
        worker=row.worker,
        language=row.language,
        consent=tuple(Consent(**said) for said in json.loads(row.consent or "[]")),
    )
