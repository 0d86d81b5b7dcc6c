"""What was given up, for a person to decide: effects and events that are parked, and nothing else by accident."""

from typing import Any

from sqlalchemy import Connection, Row, select, update

from storage.outbox import CREATES
from storage.schema import GIVEN_UP_STATUSES, conversation, inbox, outbox

GIVEN_UP = GIVEN_UP_STATUSES


class NotGivenUp(Exception):
    """The row does not exist, or is in a status that nobody needs to decide about."""


def effects(connection: Connection, statuses: tuple[str, ...], limit: int) -> list[Row[Any]]:
    """Effects in these statuses, oldest first."""
    query = select(outbox).where(outbox.c.status.in_(statuses)).order_by(outbox.c.seq).limit(limit)
    return list(connection.execute(query))


def retry_effect(connection: Connection, key: str, now: int) -> None:
    """Let an effect that was given up be tried again, with a fresh deadline. A message is looked for first. Raises
    NotGivenUp."""
    row = _given_up(connection, key)
    state = connection.execute(
        select(conversation.c.state).where(conversation.c.sid == row.conversation_sid)
    ).scalar_one_or_none()
    if state == "closed":
        raise NotGivenUp(f"{key} belongs to a closed conversation; skip it instead")
    status = "ambiguous" if row.kind in CREATES else "retrying"
    connection.execute(
        update(outbox)
        .where(outbox.c.key == key, outbox.c.status == row.status)
        .values(status=status, attempts=0, created_at=now, due_at=now, done_at=None)
    )


def skip_effect(connection: Connection, key: str, now: int) -> None:
    """Settle an effect that was given up as not to be done. Raises NotGivenUp."""
    row = _given_up(connection, key)
    connection.execute(
        update(outbox).where(outbox.c.key == key, outbox.c.status == row.status).values(status="skipped", done_at=now)
    )


def _given_up(connection: Connection, key: str) -> Row[Any]:
    row = connection.execute(select(outbox).where(outbox.c.key == key)).one_or_none()
    if row is None:
        raise NotGivenUp(f"there is no effect {key}")
    if row.status not in GIVEN_UP:
        raise NotGivenUp(f"{key} is {row.status}; only what is {' or '.join(GIVEN_UP)} can be retried or skipped")
    return row


def events(connection: Connection, statuses: tuple[str, ...], limit: int) -> list[Row[Any]]:
    """Undecided events in these statuses, oldest first."""
    query = select(inbox).where(inbox.c.status.in_(statuses)).order_by(inbox.c.received_at).limit(limit)
    return list(connection.execute(query))


def replay_event(connection: Connection, key: str, now: int) -> None:
    """Let a parked event be decided again. Raises NotGivenUp."""
    replayed = connection.execute(
        update(inbox)
        .where(inbox.c.key == key, inbox.c.status == "parked")
        .values(status="waiting", tries=0, due_at=now)
    )
    if replayed.rowcount == 0:
        raise NotGivenUp(f"there is no parked event {key}")
    sid = connection.execute(select(inbox.c.conversation_sid).where(inbox.c.key == key)).scalar_one()
    connection.execute(update(conversation).where(conversation.c.sid == sid).values(has_waiting=True))
