"""What a store holds of what was taken in."""

from typing import Any

from states.conversation import Conversation
from states.events import MessageReceived
from storage.codec import decode
from storage.schema import conversation, history, inbox
from tests.stores import Store, column, snapshot_of


def heard(store: Store) -> list[MessageReceived]:
    """The customer's messages in the order they were decided."""
    events = [decode(text) for text in column(store.rows(history), "event")]
    return [event for event in events if isinstance(event, MessageReceived)]


def indexes(store: Store) -> list[int]:
    return [event.index for event in heard(store)]


def waiting(store: Store) -> list[dict[str, Any]]:
    return store.rows(inbox, status="waiting")


def snapshot(store: Store) -> Conversation:
    [row] = store.rows(conversation)
    return snapshot_of(row)


def next_index(store: Store) -> int:
    return int(store.rows(conversation)[0]["next_index"])
