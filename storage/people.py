"""People: who may come in, and who has. What they type and hold is never stored, only what it is recognised by.

A login is folded, so that one person cannot be two; so is an identity where it is compared. Whatever takes a right away
(disabling, another password) ends the person's sign-ins in the same transaction.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, or_, select, update

from storage.schema import person, signin

LOGIN_MAX, NAME_MAX, IDENTITY_MAX = 200, 200, 200
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
IDLE_MS, LASTS_MS = 12 * HOUR_MS, 7 * 24 * HOUR_MS
TOUCHED_EVERY_MS = MINUTE_MS


class PersonRefused(Exception):
    """What was asked about a person cannot be done; the text says what, and why."""


@dataclass(frozen=True, slots=True)
class StoredPerson:
    """A row of the table of people; times in milliseconds since 1970."""

    id: int
    login: str
    name: str
    role: str
    identity: str | None
    password_hash: str | None = field(repr=False)
    oidc_subject: str | None
    created_at: int
    disabled_at: int | None

    @property
    def has_credentials(self) -> bool:
        """Whether there is anything he can prove himself by."""
        return self.password_hash is not None or self.oidc_subject is not None


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that holds, and whose it is. `seen_at`: when it was last known to be used."""

    person: StoredPerson
    seen_at: int


def folded(login: str) -> str:
    """A login as it is stored and looked for: one form for what looks alike and for capitals."""
    return unicodedata.normalize("NFKC", login.strip()).casefold()


def valid_login(login: str) -> str:
    """A login as it is stored. Raises PersonRefused for what is neither a name nor like an e-mail address."""
    found = folded(login)
    name, at, host = found.partition("@")
    is_one = bool(name) and bool(host) == bool(at) and "@" not in host
    if not is_one or not found.isprintable() or " " in found or len(found) > LOGIN_MAX:
        raise PersonRefused(
            f"{login[:LOGIN_MAX]!a} is no login; expected a name or an e-mail address without spaces,"
            f" at most {LOGIN_MAX} characters"
        )
    return found


def add(
    connection: Connection,
    login: str,
    name: str,
    role: str,
    identity: str | None,
    password_hash: str | None,
    now: int,
) -> int:
    """Add a person; his number. Raises PersonRefused for a login or an identity that somebody has, and for what is too
    long to be one."""
    login = valid_login(login)
    for what, text, limit in (("name", name, NAME_MAX), ("identity", identity or "", IDENTITY_MAX)):
        if len(text) > limit or not text.isprintable():
            raise PersonRefused(f"the {what} must be at most {limit} printable characters")
    if by_login(connection, login) is not None:
        raise PersonRefused(f"there is a person {login} already")
    if identity is not None and by_identity(connection, identity) is not None:
        raise PersonRefused(f"the identity {identity} is another person's already")
    row = {"login": login, "name": name, "role": role, "identity": identity, "password_hash": password_hash}
    added = connection.execute(insert(person).values(**row, created_at=now).returning(person.c.id))
    return int(added.scalar_one())


def by_login(connection: Connection, login: str, *, lock: bool = False) -> StoredPerson | None:
    """The person with a login, in any letter case. `lock`: nobody else changes him until the commit."""
    return _one(connection, select(person).where(person.c.login == folded(login)), lock)


def need(connection: Connection, login: str) -> StoredPerson:
    """The person with a login, whom nobody else changes until the commit. Raises PersonRefused."""
    found = by_login(connection, login, lock=True)
    if found is None:
        raise PersonRefused(f"there is no person {folded(login)[:LOGIN_MAX]!a}; `expert-hub users list` shows all")
    return found


def by_id(connection: Connection, number: int, *, lock: bool = False) -> StoredPerson | None:
    """The person with a number. `lock`: nobody else changes him until the commit."""
    return _one(connection, select(person).where(person.c.id == number), lock)


def by_subject(connection: Connection, subject: str) -> StoredPerson | None:
    """The person whom an identity provider calls this."""
    return _one(connection, select(person).where(person.c.oidc_subject == subject), False)


def by_identity(connection: Connection, identity: str) -> StoredPerson | None:
    """The person who is this worker. Databases fold letters differently, so it is done here: people are few."""
    wanted = identity.casefold()
    rows = connection.execute(select(person.c.id, person.c.identity).where(person.c.identity.is_not(None)))
    found = next((row.id for row in rows if row.identity.casefold() == wanted), None)
    return None if found is None else by_id(connection, found)


def identities(connection: Connection) -> list[str]:
    """The identities of all who are workers, those who are disabled too: what they write is no customer's."""
    return [row for row in connection.execute(select(person.c.identity)).scalars() if row is not None]


def everybody(connection: Connection) -> list[StoredPerson]:
    """All people, by login."""
    return [_person(row) for row in connection.execute(select(person).order_by(person.c.login))]


def count_who_can_sign_in(connection: Connection, but_for: tuple[str, ...] = (), *, oidc: bool = False) -> int:
    """How many are enabled and have what it takes: a password or, where there is `oidc`, any login but those of
    `but_for`."""
    has_password = person.c.password_hash.is_not(None)
    can = or_(has_password, person.c.login.not_in(but_for)) if oidc else has_password
    query = select(func.count()).select_from(person).where(person.c.disabled_at.is_(None), can)
    return int(connection.execute(query).scalar_one())


def set_password(connection: Connection, login: str, password_hash: str) -> int:
    """Give a person another password and end his sign-ins; his number. Raises PersonRefused."""
    found = need(connection, login)
    connection.execute(update(person).where(person.c.id == found.id).values(password_hash=password_hash))
    end_all(connection, found.id)
    return found.id


def give_identity(connection: Connection, number: int, identity: str) -> None:
    """Give a person who has none an identity."""
    connection.execute(
        update(person).where(person.c.id == number, person.c.identity.is_(None)).values(identity=identity)
    )


def renew_hash(connection: Connection, number: int, old: str, new: str) -> None:
    """Keep the same password under another hash, unless it was changed meanwhile."""
    connection.execute(
        update(person).where(person.c.id == number, person.c.password_hash == old).values(password_hash=new)
    )


def remember_subject(connection: Connection, number: int, subject: str) -> None:
    """Note what the identity provider calls a person of whom it has not told yet."""
    connection.execute(
        update(person).where(person.c.id == number, person.c.oidc_subject.is_(None)).values(oidc_subject=subject)
    )


def disable(connection: Connection, login: str, now: int) -> int:
    """Let a person in no more, and end his sign-ins; his number. Raises PersonRefused."""
    found = need(connection, login)
    connection.execute(
        update(person).where(person.c.id == found.id).values(disabled_at=func.coalesce(person.c.disabled_at, now))
    )
    end_all(connection, found.id)
    return found.id


def enable(connection: Connection, login: str) -> int:
    """Let a person in again; his number. Raises PersonRefused."""
    found = need(connection, login)
    connection.execute(update(person).where(person.c.id == found.id).values(disabled_at=None))
    return found.id


def begin(connection: Connection, token_hash: str, number: int, now: int) -> None:
    """Note that a person signed in: from now on he is known by what has this hash."""
    connection.execute(
        insert(signin).values(
            token_hash=token_hash, person_id=number, created_at=now, seen_at=now, expires_at=now + LASTS_MS
        )
    )


def signed_in(connection: Connection, token_hash: str, now: int) -> SignIn | None:
    """The sign-in that has this hash; None if there is none, it is over, or the person is disabled."""
    row = connection.execute(
        select(person, signin.c.seen_at)
        .join(signin, signin.c.person_id == person.c.id)
        .where(signin.c.token_hash == token_hash, person.c.disabled_at.is_(None), _holds(now))
    ).first()
    return None if row is None else SignIn(_person(row), row.seen_at)


def who_hold(connection: Connection, hashes: Iterable[str], now: int) -> set[str]:
    """Those of the hashes whose sign-ins hold, of people who are not disabled."""
    query = (
        select(signin.c.token_hash)
        .join(person, signin.c.person_id == person.c.id)
        .where(signin.c.token_hash.in_(sorted(hashes)), person.c.disabled_at.is_(None), _holds(now))
    )
    return set(connection.execute(query).scalars())


def touch(connection: Connection, token_hash: str, now: int) -> None:
    """Note that a sign-in is in use."""
    connection.execute(
        update(signin).where(signin.c.token_hash == token_hash, signin.c.seen_at < now).values(seen_at=now)
    )


def end(connection: Connection, token_hash: str) -> None:
    """End one sign-in."""
    connection.execute(delete(signin).where(signin.c.token_hash == token_hash))


def end_all(connection: Connection, number: int) -> int:
    """End every sign-in of a person; how many there were."""
    return connection.execute(delete(signin).where(signin.c.person_id == number)).rowcount


def prune(connection: Connection, now: int) -> int:
    """Delete the sign-ins that are over; how many."""
    return connection.execute(delete(signin).where(~_holds(now))).rowcount


def _holds(now: int) -> Any:
    return and_(signin.c.expires_at > now, signin.c.seen_at > now - IDLE_MS)


def _one(connection: Connection, query: Select[Any], lock: bool) -> StoredPerson | None:
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _person(row)


def _person(row: Row[Any]) -> StoredPerson:
    return StoredPerson(
        row.id,
        row.login,
        row.name,
        row.role,
        row.identity,
        row.password_hash,
        row.oidc_subject,
        row.created_at,
        row.disabled_at,
    )
