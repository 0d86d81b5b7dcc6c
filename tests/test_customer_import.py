"""Importing into the book: in batches, again and again, from a file and from a Strapi; and what is left of half an
import."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from orchestrator import customer_book
from orchestrator.customer_book import ImportReport, import_file
from orchestrator.customer_copy import copy_strapi
from orchestrator.customer_row import Fault
from orchestrator.errors import CrmUnavailable
from orchestrator.settings import Settings
from states.customers import Channel, Consent, Customer
from storage.customers import all_customers
from storage.opening import read
from tests.contract.strapi import VERSIONS, Strapi
from tests.serving import served


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """DATABASE_URL of a fresh database of either kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/hub.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customer_book, "BATCH", 3)


def book(url: str) -> list[Customer]:
    return read(url, lambda connection: list(all_customers(connection)))


def row(number: int, **more: Any) -> dict[str, Any]:
    channels = [{"type": "sms", "value": f"+1555010{number:04}"}]
    return {"customer_id": str(number), "display_name": f"Customer {number}", "channels": channels, **more}


def test_a_file_is_imported_a_batch_at_a_time_and_the_second_time_changes_nothing(url: str, tmp_path: Path) -> None:
    file = tmp_path / "customers.json"
    rows = [row(1), row(2), {"customer_id": "3"}, row(4), row(1, display_name="Again"), row(5), row(6)]
    file.write_text(json.dumps(rows))
    told: list[int] = []
    faults = (Fault(3, "display_name: missing"), Fault(5, "customer_id: '1' stands in an earlier row"))
    assert import_file(url, file, told.append) == ImportReport(5, 5, faults)
    assert told == [3, 5]
    before = book(url)
    assert [customer.customer_id for customer in before] == ["1", "2", "4", "5", "6"]
    assert import_file(url, file) == ImportReport(5, 0, faults)
    assert book(url) == before
    file.write_text(json.dumps([*rows[:6], row(6, language="fr", worker="Ada@example.test")]))
    assert import_file(url, file).changed == 1
    assert book(url)[-1] == Customer(
        "6", "Customer 6", (Channel("sms", "+15550100006"),), worker="ada@example.test", language="fr"
    )


def test_what_was_imported_before_it_was_cut_off_is_kept_and_the_next_import_goes_on(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "customers.json"
    file.write_text(json.dumps([row(number) for number in range(8)]))

    def pull_the_plug(read: int) -> None:
        if read == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(url, file, pull_the_plug)
    assert len(book(url)) == 6
    assert import_file(url, file) == ImportReport(8, 2, ())


@pytest.fixture(params=list(VERSIONS))
async def strapi(request: pytest.FixtureRequest) -> AsyncIterator[Strapi]:
    strapi = Strapi(request.param)
    async with served(strapi.handle) as strapi.url:
        yield strapi


def settings(strapi: Strapi, folder: Path) -> Settings:
    strapi.api_token = "a-static-token"
    url = f"sqlite+aiosqlite:///{folder}/hub.db"
    return Settings.load({"STRAPI_URL": strapi.url, "STRAPI_TOKEN": strapi.api_token, "DATABASE_URL": url})


async def test_a_strapi_is_copied_to_its_last_page_and_its_bad_records_are_named(
    strapi: Strapi, tmp_path: Path
) -> None:
    strapi.add(customer_id=17, details={"title": "T", "content": "C", "id": 4}, language="fr", worker="w@example.test",
               consent=[{"channel": "sms", "answer": "no"}])  # fmt: skip
    strapi.add(customer_id=18, channels=[{"type": "sms", "value": "12"}])
    for number in range(150):
        strapi.add(customer_id=2000 + number)
    report = await copy_strapi(settings(strapi, tmp_path))
    assert (report.read, report.changed, len(report.faults)) == (155, 155, 1)
    assert (report.faults[0].line, report.faults[0].reason[:9]) == (6, "sms: '12'")
    copied = {customer.customer_id: customer for customer in await _book(strapi, tmp_path)}
    assert copied["17"] == Customer(
        "17",
        "Customer 5",
        details={"title": "T", "content": "C"},
        worker="w@example.test",
        language="fr",
        consent=(Consent("sms", "no"),),
    )
    assert copied["1"].channels == (Channel("sms", "+15550100001"),)
    assert (await copy_strapi(settings(strapi, tmp_path))).changed == 0


async def test_a_strapi_that_goes_down_leaves_what_was_read(strapi: Strapi, tmp_path: Path) -> None:
    for number in range(150):
        strapi.add(customer_id=2000 + number)

    def go_down(_read: int) -> None:
        strapi.fault = lambda: web.Response(status=503)

    with pytest.raises(CrmUnavailable, match="503"):
        await copy_strapi(settings(strapi, tmp_path), go_down)
    assert len(await _book(strapi, tmp_path)) == 99


async def _book(strapi: Strapi, folder: Path) -> list[Customer]:
    return await asyncio.to_thread(book, settings(strapi, folder).database_url)
