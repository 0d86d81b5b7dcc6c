"""Whether the store can commit is known only by committing."""

from storage.schema import meta
from storage.unit import Unit

# As much as a commit of some webhooks, so that a disk that has room for this has room for them.
PROBE_CHARS = 32_768


def probe(unit: Unit) -> None:
    """Write what nobody reads, over what was written the last time."""
    row = {"name": "probe", "value": "." * PROBE_CHARS}
    statement = unit.sql.words.insert(meta).values(row)
    unit.connection.execute(statement.on_conflict_do_update(index_elements=[meta.c.name], set_=row))
