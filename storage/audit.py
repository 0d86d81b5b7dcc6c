"""The audit log: who did what, to which conversation, and why. Rows are added, and never changed."""

from sqlalchemy import insert

from storage.schema import audit
from storage.unit import Unit


def record(
    unit: Unit, who: str, act: str, conversation_sid: str | None, target: str | None, reason: str, outcome: str
) -> None:
    """Note an act in the transaction that carries it out. `who`: a login; `target`: whom or what it was done to."""
    row = {"who": who, "act": act, "conversation_sid": conversation_sid, "target": target}
    unit.connection.execute(insert(audit).values(at=unit.now, **row, reason=reason, outcome=outcome))
