"""Entries: one message of a thread, or one call, as people read it, made of the row that it stands in."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, select

from states.effects import RelayToFlex, SendMessage, SendTemplate
from states.events import CallEnded, CallMissed, MessageReceived
from states.roles import is_channel_address
from storage import codec
from storage.parked import GIVEN_UP
from storage.reach import HINDRANCES, OUTSIDE_WINDOW, STOPPED
from storage.schema import delivery
from storage.talk import OPTED_OUT, PROGRESS

Side = Literal["customer", "worker", "program"]
Kind = Literal["message", "call"]
Status = Literal["sending", "sent", "delivered", "read", "failed"]
PROGRAM = "system"
NOT_PASSED_ON = "It was not passed on to Flex."
NOT_SENT = "It was not sent: the conversation was closed before, or it was skipped."
# Twilio Docs, "Error and Warning Dictionary", 63016.
OUTSIDE_WINDOW_CODE = 63016


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a thread. `index`: None while it is on its way; `media`: how many pictures; `at`: milliseconds
    since 1970; `status`: how far it got, a customer's in Flex, and None for one that is not passed on; `error`: why it
    failed, a sentence; `key`: that of the effect that sends it, by which one that failed can be retried. A call
    has no index, and its `body` says what came of it."""

    index: int | None
    message_sid: str | None
    author: str
    side: Side
    body: str
    media: int
    at: int
    status: Status | None = None
    error: str | None = None
    key: str | None = None
    kind: Kind = "message"
    call_sid: str | None = None


def received(row: Any) -> Entry:
    """A customer's message, of a row of the history."""
    event = codec.decode(row.event)
    assert isinstance(event, MessageReceived)
    return Entry(event.index, event.message_sid, event.author, "customer", event.body, event.media, row.at)


def called(row: Any, address: str | None) -> Entry:
    """A call of the customer with this address, of a row of the history."""
    event = codec.decode(row.event)
    assert isinstance(event, CallEnded | CallMissed)
    body = "Missed call" if isinstance(event, CallMissed) else _length(event.duration_s)
    return Entry(None, None, address or "", "customer", body, 0, row.at, kind="call", call_sid=event.call_sid)


def _length(duration_s: int) -> str:
    if not duration_s:
        return "Call"
    return f"Call, {duration_s} s" if duration_s < 60 else f"Call, {round(duration_s / 60)} min"


def published(connection: Connection, rows: Iterable[Any], customers: Collection[str]) -> list[Entry]:
    """Messages of rows of the message table. `customers`: their addresses, as far as they are known."""
    found = list(rows)
    far = _how_far(connection, [row.message_sid for row in found])
    return [_published(row, customers, far.get(row.message_sid, [])) for row in found]


def _published(row: Any, customers: Collection[str], receipts: list[Any]) -> Entry:
    told = (row.message_index, row.message_sid, row.author)
    about = (row.body, row.media, row.at)
    side = _side_of(row.author, customers)
    if side == "customer":
        return Entry(*told, side, *about)
    return Entry(*told, side, *about, *_status(receipts), row.effect_key)


def under_way(row: Any) -> Entry | None:
    """A message of ours that was not published, of a row of the outbox; None for one that nobody misses."""
    effect = codec.decode(row.payload)
    assert isinstance(effect, SendMessage | SendTemplate)
    pictures = int(isinstance(effect, SendMessage) and effect.media is not None)
    author = effect.author
    about = (author, _side_of(author, ()), effect.body, pictures, row.created_at)
    if row.status in GIVEN_UP:
        return Entry(
            None, None, *about, "failed", f"It was not sent: {row.last_error or 'no reason is known'}.", row.key
        )
    if row.status == "skipped":
        why = f"It was not sent: {row.last_error}." if row.last_error in HINDRANCES else NOT_SENT
        return None if author == PROGRAM else Entry(None, None, *about, "failed", why)
    return Entry(None, None, *about, "sending", None, row.key)


def passed_on(entry: Entry, rows: Iterable[Any]) -> Entry:
    """A customer's message with how far it got in Flex, by the rows of the outbox that pass it on; the worst counts."""
    statuses = [row.status for row in rows]
    if not statuses:
        return entry
    if any(status in (*GIVEN_UP, "skipped") for status in statuses):
        return replace(entry, status="failed", error=NOT_PASSED_ON)
    return replace(entry, status="sent" if set(statuses) == {"done"} else "sending")


def message_of_relay(row: Any) -> str:
    """The SID of the customer's message that a row of the outbox passes on."""
    effect = codec.decode(row.payload)
    assert isinstance(effect, RelayToFlex)
    return effect.message_sid


def _side_of(author: str, customers: Collection[str]) -> Side:
    if author == PROGRAM:
        return "program"
    return "customer" if author in customers or is_channel_address(author) else "worker"


def _how_far(connection: Connection, message_sids: Collection[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    if message_sids:
        for row in connection.execute(select(delivery).where(delivery.c.message_sid.in_(message_sids))):
            found.setdefault(row.message_sid, []).append(row)
    return found


def _status(receipts: list[Any]) -> tuple[Status, str | None]:
    """As far as it got with him with whom it got least far; one who did not get it is what counts."""
    if not receipts:
        return "sent", None
    failed = next((row for row in receipts if row.status in ("failed", "undelivered")), None)
    if failed is not None:
        return "failed", _why(failed.error_code)
    least: Status = min((row.status for row in receipts), key=PROGRESS.__getitem__)
    return least, None


def _why(error_code: int | None) -> str:
    if error_code is None:
        return "It was not delivered; Twilio gave no reason."
    if error_code == OPTED_OUT:
        return f"It was not delivered: {STOPPED} (error {error_code})."
    if error_code == OUTSIDE_WINDOW_CODE:
        return f"It was not delivered: {OUTSIDE_WINDOW} (error {error_code})."
    return f"It was not delivered (Twilio's error {error_code})."
