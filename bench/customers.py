"""What 100,000 customers in the built-in book cost: bringing them in, and each kind of question, on both databases."""

import asyncio
import csv
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Figure, Found, progress
from bench.pressing import Plan
from chaos.postgres import NoPostgres, throwaway
from orchestrator.adapters.book_crm import BookCrm
from orchestrator.customer_book import import_file
from storage.opening import upgrade
from storage.readers import Readers

CUSTOMERS, ASKED = 100_000, 200
PAGE = 30
REACH_MS = "50"
FIRST = ("Maria", "Robert", "Susan", "Ada", "Grace", "Alan", "Zoë", "Jürgen", "Łucja", "Chloé", "Ravi", "Aiko", "Omar")
LAST = ("Sanchez", "Ellis", "Leclerc", "Stone", "Müller", "Kowalski", "Dubois", "Patel", "Chen", "Hassan", "Rossi")
OWNERS = ("ada@example.test", "grace@example.test", "alan@example.test")
FEW_OWNER = "few@example.test"  # has one customer in a thousand

Question = Callable[[BookCrm, random.Random], Awaitable[object]]
QUESTIONS: dict[str, Question] = {
    "the first page": lambda crm, _: crm.customers(OWNERS[0], PAGE, None, None),
    "the last page": lambda crm, _: crm.customers(OWNERS[0], PAGE, str(CUSTOMERS - 20), None),
    "a name": lambda crm, chance: crm.customers(OWNERS[1], PAGE, None, f"{chance.choice(FIRST)} {chance.choice(LAST)}"),
    "a number": lambda crm, chance: crm.customers(OWNERS[1], PAGE, None, f"+1555{chance.randrange(CUSTOMERS):07}"),
    "part of a number": lambda crm, chance: crm.customers(OWNERS[1], PAGE, None, f"{chance.randrange(99_999):05}"),
    "two letters": lambda crm, chance: crm.customers(OWNERS[1], PAGE, None, chance.choice(("qz", "an", "77"))),
    "what nobody has": lambda crm, _: crm.customers(OWNERS[1], PAGE, None, "nobody here"),
    "what all have, by one with few": lambda crm, _: crm.customers(FEW_OWNER, PAGE, None, "example"),
    "an address": lambda crm, chance: crm.find_by_address(f"whatsapp:+1555{chance.randrange(CUSTOMERS):07}"),
}


async def measure(_plan: Plan) -> Found:
    """Both databases one after the other; each question is asked 200 times."""
    with TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder, "customers.csv")
        _write(file)
        found = await _measured("SQLite", f"sqlite+aiosqlite:///{folder}/hub.db", file)
        try:
            with throwaway(durable=True) as postgres:
                found += await _measured("PostgreSQL", postgres.fresh_database(), file)
        except NoPostgres as error:
            found.notes.append(f"The customer book on PostgreSQL was not measured: {error}.")
    return found


async def _measured(name: str, url: str, file: Path) -> Found:
    book = f"{CUSTOMERS:,} customers on {name}"
    await asyncio.to_thread(upgrade, url)
    imports = [await _import(url, file) for _ in range(2)]
    found = Found([Figure(f"{book}: importing them", [imports[0]], "", "", "s")])
    found.figures.append(Figure(f"{book}: importing them again", [imports[1]], "", "", "s"))
    readers = Readers(url)
    for what, question in QUESTIONS.items():
        taken = sorted(await _asked(BookCrm(readers), question))
        p50, p99 = taken[ASKED // 2], taken[ASKED * 99 // 100]
        progress(f"{book}: {what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        found.figures += [
            Figure(f"{book}: {what}, {it}", [ms], REACH_MS, "", "ms") for it, ms in (("p50", p50), ("p99", p99))
        ]
    await readers.close()
    return found


async def _import(url: str, file: Path) -> float:
    began = time.perf_counter()
    report = await asyncio.to_thread(import_file, url, file)
    assert (report.read, report.faults) == (CUSTOMERS, ())
    progress(f"{report.changed:,} of {report.read:,} added or changed in {time.perf_counter() - began:.0f} s")
    return time.perf_counter() - began


async def _asked(crm: BookCrm, question: Question) -> list[float]:
    chance, taken = random.Random(1), []
    await question(crm, chance)
    for _ in range(ASKED):
        began = time.perf_counter()
        await question(crm, chance)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def _write(file: Path) -> None:
    chance = random.Random(2)
    with file.open("w") as target:
        rows = csv.writer(target)
        rows.writerow(("customer_id", "display_name", "sms", "whatsapp", "email", "worker", "language", "consent"))
        for n in range(CUSTOMERS):
            name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
            whatsapp = f"whatsapp:+33{600_000_000 + n}" if n % 3 == 0 else ""
            owner = FEW_OWNER if n % 1000 == 0 else OWNERS[n % len(OWNERS)]
            said = "sms: yes 2026-01-31 web form" if n % 4 == 0 else ""
            rows.writerow(
                (n, name, f"+1555{n:07}", whatsapp, f"c{n}@example.test", owner, "fr" if n % 5 == 0 else "", said)
            )
