"""What is known of who is signed in, and looked at or changed behind the service's back."""

from typing import Any

from storage.unit import Unit
from tests.e2e.conftest import House
from tests.visitors import Visitor


async def stored(house: House, query: Any) -> list[dict[str, Any]]:
    """The rows that a query finds in the store."""

    def ask(unit: Unit) -> list[dict[str, Any]]:
        return [dict(row) for row in unit.connection.execute(query).mappings()]

    return await house.service.writer.run(ask)


async def change(house: House, work: Any) -> None:
    """Change something in the store behind everybody's back."""
    await house.service.writer.run(lambda unit: unit.connection.execute(work))


async def is_signed_in(visitor: Visitor) -> bool:
    """The sign-in page leads on whoever is."""
    return (await visitor.get("/signin")).status == 303
