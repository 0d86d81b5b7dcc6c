"""Messages that stand in a conversation twice: told by effect key, of the effect's own author alone."""

from collections.abc import Iterator

import pytest

from orchestrator.doubles import listed_twice
from orchestrator.ports import Published
from storage import outbox
from storage.schema import outbox as effects
from tests.stores import Store, column, customer, message, new_store, sid, started

CH = sid("CH", 1)


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with new_store(tmp_path_factory.mktemp("store")) as store:
        yield store


def published(number: int, key: str, author: str) -> Published:
    return Published(sid("IM", number), number, author, "Hello", 0, None, "2026-11-22T12:00:00Z", key)


def greeting(store: Store) -> str:
    """The key of the effect that greets a customer."""
    store.take(started(), customer(), message(0))
    key: str = column(store.rows(effects, kind="send_message"), "key")[0]
    return key


def test_a_second_message_of_an_effect_is_found(store: Store) -> None:
    key = greeting(store)
    with store.unit() as unit:
        assert listed_twice(unit, CH, [published(1, key, "system")]) == []
        assert listed_twice(unit, CH, [published(1, key, "system"), published(2, key, "system")]) == [key]


@pytest.mark.parametrize("author", ["visitor-17", "ada@example.test", "+15550100001"])
def test_a_tag_counts_where_the_effects_author_wrote_alone(store: Store, author: str) -> None:
    key = greeting(store)
    with store.unit() as unit:
        assert listed_twice(unit, CH, [published(1, key, author), published(2, key, author)]) == []
        assert outbox.results(unit, {key}) == {key: None}


def test_a_tag_that_is_no_effect_of_ours_says_nothing(store: Store) -> None:
    greeting(store)
    with store.unit() as unit:
        assert listed_twice(unit, CH, [published(n, f"{CH}/99/0", "system") for n in (1, 2)]) == []
