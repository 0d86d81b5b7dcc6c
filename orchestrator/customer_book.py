"""Bringing customers into the built-in book: from a file, and the first three for whoever tries the sandbox."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from orchestrator.addresses import channel_key
from orchestrator.customer_file import SEED_FILE, Fault, read_customers
from states.customers import Customer
from storage.customers import is_empty, save_customer
from storage.opening import write


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: rows read well, customers added or changed, rows refused."""

    read: int
    changed: int
    faults: tuple[Fault, ...]


def import_file(url: str, file: Path) -> ImportReport:
    """Bring FILE.csv or FILE.json into the book of this database, in one transaction. Raises StorageError."""
    reading = read_customers(file)

    def save(connection: Connection) -> int:
        return sum(save_customer(connection, customer, _keys(customer)) for customer in reading.customers)

    changed = write(url, save)
    return ImportReport(len(reading.customers), changed, reading.faults)


def seed(url: str) -> None:
    """Give an empty book the article's three customers, so that the sandbox knows who writes."""

    def save(connection: Connection) -> None:
        if is_empty(connection):
            for customer in read_customers(SEED_FILE).customers:
                save_customer(connection, customer, _keys(customer))

    write(url, save)


def _keys(customer: Customer) -> list[str]:
    return [channel_key(channel.type, channel.value) for channel in customer.channels]
