"""How PostgreSQL goes about what the writer asks, in a database so young that its tables are all but empty: a plan that
is made then is kept through the first storm."""

import pkgutil
import re
from importlib import import_module

import pytest
from sqlalchemy import Connection
from sqlalchemy.util import await_only

import storage
from storage import lanes
from storage.shared_writer import SharedWriter
from storage.statements import Statement
from storage.unit import Unit

MODULES = [import_module(f"storage.{found.name}") for found in pkgutil.iter_modules(storage.__path__)]
STATEMENTS = [
    pytest.param(statement, id=f"{module.__name__}.{name}")
    for module in MODULES
    for name, statement in vars(module).items()
    if isinstance(statement, Statement)
]


def plan(connection: Connection, statement: Statement) -> str:
    """The plan that would be kept, whatever the parameters are."""
    text = statement.made_for(connection.dialect).text
    parameters = ", ".join("NULL" for _ in set(re.findall(r"\$\d+", text)))
    driver = connection.connection.driver_connection
    assert driver is not None
    connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
    await_only(driver.execute(f"PREPARE asked AS {text}"))
    rows = await_only(driver.fetch(f"EXPLAIN EXECUTE asked{f'({parameters})' if parameters else ''}"))
    await_only(driver.execute("DEALLOCATE asked"))
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_what_the_writer_asks_is_found_by_an_index(one: SharedWriter, statement: Statement) -> None:
    def asking(unit: Unit) -> str:
        return plan(unit.connection, statement)

    found = await one.run(asking)
    assert "Seq Scan" not in found
    assert "Hash Join" not in found
    assert "Merge Join" not in found


async def test_an_effect_is_settled_without_a_look_at_all_that_are_open(one: SharedWriter) -> None:
    found = await one.run(lambda unit: plan(unit.connection, lanes._CLOSE))
    assert "outbox_key_key" in found
    assert "outbox_open" not in found
