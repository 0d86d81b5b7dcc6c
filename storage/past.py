"""The past: what a conversation's history has of a fact that has no key, or whose key may have been pruned."""

from collections.abc import Iterable

from sqlalchemy import bindparam, literal_column, select

from storage.schema import history
from storage.statements import Statement
from storage.unit import Unit


def has_decided(unit: Unit, sid: str, triggers: Iterable[str], holding: str = "", after: int = 0) -> bool:
    """Whether a conversation has a decision on one of these triggers, above the version `after`, whose event holds this
    text. Reads the history of that conversation, and is therefore not for the usual way of a webhook."""
    unit.write_history()
    listed = unit.sql.words.listed(triggers)
    return unit.sql.one(_DECIDED, sid=sid, triggers=listed, holding=holding, after=after) is not None


_DECIDED = Statement(
    lambda words: (
        select(history.c.version)
        .where(
            history.c.conversation_sid == bindparam("sid"),
            history.c.version > bindparam("after"),
            words.is_one_of(history.c.trigger, "triggers"),
            # `_` in the name of a field stands for any character here, which makes no other field of ours fit.
            history.c.event.contains(bindparam("holding")),
        )
        .limit(literal_column("1"))
    )
)
