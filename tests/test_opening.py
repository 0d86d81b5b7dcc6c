"""Opening the database: the schema made and checked, damage told, one service a file, backups beside a writer."""

import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import OperationalError

from storage import engine as storage_engine
from storage import opening
from storage.conversations import born_at
from storage.engine import sqlite_path
from storage.errors import DatabaseBusy, DatabaseUnusable, StorageError
from storage.opening import HEAD, ServiceLock, backup, check, reading, revision_of, upgrade, writing
from storage.readers import Readers
from storage.schema import conversation, history, meta, metadata
from storage.writer import wall_clock
from tests.revisions import migrate
from tests.stores import Store, column, message, rows, started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "hub.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


# The schema


def is_ours(table: str) -> bool:
    """Whether a table is described by the schema: that of the book's texts and those it keeps are SQLite's own."""
    return not table.startswith("customer_text")


def is_sqlites(_what: object, name: str | None, kind: str, *_where: object) -> bool:
    """Whether something of the schema is there on SQLite: the index of the book's texts is PostgreSQL's."""
    return is_ours(name or "") if kind == "table" else name != "customer_by_text"


def test_the_migrations_make_exactly_the_tables_of_the_schema(url: str, path: Path) -> None:
    migrate(url, HEAD)
    engine = create_engine(f"sqlite+pysqlite:///{path}")
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_object": is_sqlites}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_fresh_database_is_what_the_migrations_lead_to(url: str, path: Path, tmp_path: Path) -> None:
    """Autogenerate does not look at what indexes are restricted to, at rowids, or at foreign keys' actions."""
    migrate(url, HEAD)
    assert upgrade(f"sqlite+aiosqlite:///{tmp_path / 'fresh.db'}") == HEAD
    assert _statements(path) == _statements(tmp_path / "fresh.db")


def _statements(path: Path) -> dict[str, list[str]]:
    """Name to the statement that made it, as sorted words, for the order of clauses does not matter."""
    query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    with closing(sqlite3.connect(path)) as connection:
        return {name: sorted(re.findall(r"[^\s,()]+|[()]", sql)) for name, sql in connection.execute(query)}


def test_a_fresh_database_knows_when_it_was_made(url: str) -> None:
    before = wall_clock()
    upgrade(url)
    with reading(url) as connection:
        assert before <= born_at(connection) <= wall_clock()


def test_upgrading_twice_is_nothing(url: str, path: Path) -> None:
    upgrade(url)
    before = path.read_bytes()
    assert upgrade(url) == HEAD
    assert path.read_bytes() == before


def test_a_making_or_a_migration_that_is_interrupted_can_be_run_again(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pull_the_plug(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("time.time_ns", pull_the_plug)
        with pytest.raises(KeyboardInterrupt):
            upgrade(url)
    assert revision_of(url) is None
    migrate(url, "0002")
    with monkeypatch.context() as patched:
        patched.setattr(op, "create_index", pull_the_plug)
        with pytest.raises(KeyboardInterrupt):
            upgrade(url)
    assert revision_of(url) == "0002"
    assert upgrade(url) == HEAD
    with closing(sqlite3.connect(path)) as connection:
        assert set(metadata.tables) <= {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}


def test_the_revision_is_told_without_making_anything(url: str, path: Path) -> None:
    assert revision_of(url) is None
    assert not path.parent.exists()
    upgrade(url)
    assert revision_of(url) == HEAD


def test_a_newer_schema_is_refused_and_left_alone(url: str, path: Path) -> None:
    upgrade(url)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseUnusable, match=r"9999.*run a newer expert-hub"):
        upgrade(url)
    with pytest.raises(DatabaseUnusable, match="9999"), writing(url):
        pass
    assert revision_of(url) == "9999"


# Damage


def _no_database(path: Path) -> None:
    path.write_bytes(b"this is a letter, not a database\n" * 200)


def _first_page_gone(path: Path) -> None:
    _overwrite(path, 0, bytes(4096))


def _schema_page_garbled(path: Path) -> None:
    _overwrite(path, 100, b"\xff" * 3000)


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:6000])


def _overwrite(path: Path, at: int, what: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + len(what)] = what
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_no_database, _first_page_gone, _schema_page_garbled, _cut_short])
def test_a_damaged_file_is_refused_with_what_to_do(url: str, path: Path, damage: Callable[[Path], None]) -> None:
    upgrade(url)
    damage(path)
    with pytest.raises(DatabaseUnusable, match=r"damaged.*restore it from a backup"):
        _open_as_the_service_does(url)


def _open_as_the_service_does(url: str) -> None:
    upgrade(url)
    check(url)


def test_damage_in_a_page_that_no_start_reads_is_found_by_the_check(store: Store) -> None:
    store.take(started(), *(message(index, "x" * 500) for index in range(40)))
    store.close()
    with closing(sqlite3.connect(store.path)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'history'").fetchone()[0]
    check(store.url)
    _overwrite(store.path, (page - 1) * 4096, b"\xff" * 4096)
    upgrade(store.url)
    with pytest.raises(DatabaseUnusable, match=r"(?s)damaged.*restore it from a backup, or move it away"):
        check(store.url)


def test_a_database_in_use_is_not_called_damaged(url: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_engine, "BUSY_TIMEOUT_S", 0.1)
    upgrade(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match="another program holds"):
            upgrade(url)


def test_a_folder_that_cannot_be_opened_is_not_called_damaged(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(DatabaseUnusable) as refusal:
        upgrade(f"sqlite+aiosqlite:///{path}")
    assert str(path) in str(refusal.value)
    assert "backup" not in str(refusal.value)


@pytest.mark.parametrize("wrong", ["postgresql+asyncpg://h/d", "sqlite+aiosqlite:///:memory:", "sqlite+aiosqlite://"])
def test_what_is_no_file_is_refused(wrong: str) -> None:
    with pytest.raises(DatabaseUnusable, match="DATABASE_URL must name an SQLite file"):
        sqlite_path(wrong)


# One service


def test_a_second_service_of_a_file_is_refused_until_the_first_has_gone(url: str) -> None:
    first = ServiceLock(url)
    with pytest.raises(DatabaseUnusable, match=r"another expert-hub serves .*hub\.db; stop it"):
        ServiceLock(url)
    first.release()
    ServiceLock(url).release()


def test_a_killed_service_leaves_no_lock_behind(url: str) -> None:
    program = (
        "import sys; from storage.opening import ServiceLock; lock = ServiceLock(sys.argv[1]);"
        " print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(DatabaseUnusable):
            ServiceLock(url)
        process.kill()
    ServiceLock(url).release()


def test_the_lock_keeps_telling_who_holds_it_when_another_is_refused(url: str, path: Path) -> None:
    lock = ServiceLock(url)
    held_by = Path(f"{path}.lock").read_text()
    with pytest.raises(DatabaseUnusable):
        ServiceLock(url)
    assert Path(f"{path}.lock").read_text() == held_by != ""
    lock.release()


def test_a_disk_without_room_for_the_lock_is_told(url: str) -> None:
    program = (
        "import resource, sys; from storage.opening import ServiceLock; from storage.errors import StorageError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try: ServiceLock(sys.argv[1])\n"
        "except StorageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"hub\.db\.lock cannot be written \(File too large\)", done.stdout)


# Reading, writing, copying


def test_reading_cannot_write(store: Store) -> None:
    with reading(store.url) as connection:
        assert rows(connection, meta)
        with pytest.raises(OperationalError, match="readonly"):
            connection.execute(text("DELETE FROM meta"))
    assert store.rows(meta)


async def test_the_readers_of_the_service_cannot_write(store: Store) -> None:
    readers = Readers(store.url)
    assert await readers.read(lambda connection: connection.execute(select(meta)).all())
    with pytest.raises(StorageError, match="OperationalError"):
        await readers.read(lambda connection: connection.execute(text("DELETE FROM meta")))
    await readers.close()
    assert store.rows(meta)


def test_reading_what_does_not_exist_makes_nothing(url: str, path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="there is no database at"), reading(url):
        pass
    assert not path.parent.exists()


def test_a_command_writes_on_a_schema_brought_up_to_date(url: str) -> None:
    with writing(url) as connection:
        connection.execute(meta.insert().values(name="n", value="v"))
    with reading(url) as connection:
        assert [row["value"] for row in rows(connection, meta, name="n")] == ["v"]


def test_what_a_command_did_not_finish_is_not_written(url: str) -> None:
    def fail_half_way() -> None:
        with writing(url) as connection:
            connection.execute(meta.insert().values(name="n", value="v"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with reading(url) as connection:
        assert rows(connection, meta, name="n") == []


def test_a_backup_is_a_database_of_its_own(store: Store, tmp_path: Path) -> None:
    store.take(started(), message(0))
    backup(store.url, tmp_path / "copy.db")
    copy = f"sqlite+aiosqlite:///{tmp_path / 'copy.db'}"
    check(copy)
    assert revision_of(copy) == HEAD
    with reading(copy) as connection:
        assert rows(connection, history) == store.rows(history)


def test_what_does_not_exist_is_not_backed_up(url: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="there is no database at"):
        backup(url, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_backup_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(FileExistsError):
        backup(store.url, target)
    assert target.read_text() == "precious"


class Busy(threading.Thread):
    """Takes in one message after another until told to stop."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.stop = threading.Event()
        self.taken = 0

    def run(self) -> None:
        while not self.stop.is_set():
            self.store.take(message(self.taken))
            self.taken += 1


def test_a_backup_beside_a_busy_writer_is_sound_and_of_one_moment(store: Store, tmp_path: Path) -> None:
    store.take(started())
    # Large enough to be copied in many steps, were it copied in steps.
    with store.engine.begin() as connection:
        connection.execute(meta.insert().values(name="ballast", value="x" * 40_000_000))
    busy = Busy(store)
    busy.start()
    copying = threading.Thread(target=backup, args=(store.url, tmp_path / "copy.db"))
    copying.start()
    copying.join(timeout=10)
    finished_beside_it = not copying.is_alive()
    busy.stop.set()
    busy.join()
    copying.join()

    assert finished_beside_it
    copy = f"sqlite+aiosqlite:///{tmp_path / 'copy.db'}"
    check(copy)
    with reading(copy) as connection:
        versions = column(rows(connection, history), "version")
        assert versions == list(range(1, len(versions) + 1))
        assert column(rows(connection, conversation), "version") == [len(versions)]
    assert 0 < len(versions) <= busy.taken + 1


def test_names_of_tables_are_all_there_for_whoever_looks(store: Store) -> None:
    assert set(filter(is_ours, inspect(store.engine).get_table_names())) == {*metadata.tables, "alembic_version"}
    assert opening.current_revision(store.engine) == HEAD
