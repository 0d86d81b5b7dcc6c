"""Copying the customers of a Strapi into the built-in book, page by page: for whoever leaves it, or need not ask it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import aiohttp

from orchestrator.adapters.strapi_crm import StrapiCrm
from orchestrator.adapters.strapi_dialects import row_of
from orchestrator.crms import strapi_of
from orchestrator.customer_book import ImportReport, import_pages
from orchestrator.customer_row import Row
from orchestrator.settings import Settings


async def copy_strapi(settings: Settings, tell: Callable[[int], None] = lambda _read: None) -> ImportReport:
    """Bring the customers of the Strapi of the settings into the book of their database; a fault's place is the id of
    its record. Raises CrmUnavailable and StorageError."""
    async with aiohttp.ClientSession() as session, aclosing(_pages(strapi_of(settings, session))) as pages:
        return await import_pages(settings.database_url, pages, tell)


async def _pages(strapi: StrapiCrm) -> AsyncGenerator[list[Row], None]:
    async with aclosing(strapi.pages()) as pages:
        async for records in pages:
            yield [
                (number if isinstance(number := record.get("id"), int) else None, row_of(record)) for record in records
            ]
