"""The store under stress, with real faults: another program's lock, a full disk, files that may not grow, damage.

Nothing on `/post-event` is answered 200 without a commit, Twilio has its answer in time, and the service goes on by
itself when the trouble is over.
"""

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from twilio.request_validator import RequestValidator

from orchestrator.sandbox import seeds
from orchestrator.verifying import known_keys
from storage.opening import reading
from tests.chaos.conftest import lacking
from tests.e2e.conftest import fresh_database
from tests.process.conftest import Place, Running, until

EXIT_MISCONFIGURED = 78
IN_TIME_S, REFUSED_S, PRE_S = 5.0, 4.5, 2.0
SERVICE = "IS" + "5a" * 16
HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
held.execute("ROLLBACK")
"""


@dataclass(slots=True)
class Knocker:
    """Sends signed webhooks to the service, and remembers what was answered to which, and after how long."""

    url: str
    session: aiohttp.ClientSession
    process: int
    sent: int = 0
    acknowledged: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    async def message(self) -> int:
        """A new message in a new conversation, told after the fact; the answer's status."""
        self.sent += 1
        sid, message = f"CH{self.sent:032x}", f"IM{self.sent:032x}"
        form = {"EventType": "onMessageAdded", "MessageSid": message, "Index": "0", "Author": "+15550100001"}
        status, seconds, _ = await self.knock("/post-event", form | {"ConversationSid": sid, "Body": "x" * 2000})
        self.statuses.append(status)
        self.seconds.append(seconds)
        if status == 200:
            self.acknowledged.append(f"onMessageAdded/{message}")
        return status

    async def announcement(self) -> tuple[int, float, str]:
        """A message is about to be published: status, seconds, body."""
        form = {"EventType": "onMessageAdd", "ConversationSid": "CH" + "0" * 32, "Author": "+15550100001"}
        return await self.knock("/pre-event", form)

    async def knock(self, path: str, form: dict[str, str]) -> tuple[int, float, str]:
        form = form | {"AccountSid": seeds.ACCOUNT_SID, "ChatServiceSid": SERVICE}
        signature = RequestValidator(seeds.AUTH_TOKEN).compute_signature(self.url + path, form)
        began = time.monotonic()
        async with self.session.post(self.url + path, data=form, headers={"X-Twilio-Signature": signature}) as response:
            return response.status, time.monotonic() - began, await response.text()

    async def for_a_while(self, seconds: float, every_s: float = 0.1) -> None:
        """A webhook every so often, whether the ones before have been answered or not."""
        tasks = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            tasks.append(asyncio.create_task(self.message()))
            await asyncio.sleep(every_s)
        await asyncio.gather(*tasks)

    def nothing_is_missing(self, database: Path, folder: Path) -> None:
        """As a crash at this moment would leave it, the file is whole and has every acknowledged webhook."""
        os.kill(self.process, signal.SIGSTOP)
        for path in (database, database.with_name(f"{database.name}-wal")):
            shutil.copy(path, folder / f"copy-{path.name}")
        os.kill(self.process, signal.SIGCONT)
        with closing(sqlite3.connect(folder / f"copy-{database.name}")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        with reading(f"sqlite+aiosqlite:///{folder}/copy-{database.name}") as connection:
            kept = known_keys(connection)
        assert self.acknowledged
        assert set(self.acknowledged) <= kept


@contextmanager
def held(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program holds the write lock."""
    command = [sys.executable, "-c", HOLD, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.communicate("\n")


@asynccontextmanager
async def served(place: Place, database: Path) -> AsyncIterator[Knocker]:
    """The service on a fresh database, as a process of its own, and somebody to knock at it."""
    fresh_database(database)
    with serving(place, database) as process:
        yield Knocker(place.url, place.session, process)


@contextmanager
def serving(place: Place, database: Path, words: Sequence[str] = ()) -> Iterator[int]:
    """The service as a process, started by a command that begins with `words`; its pid."""
    command = [*words, sys.executable, "-m", "orchestrator", "serve", "--no-sandbox"]
    variables = place.variables | {"DATABASE_URL": f"sqlite+aiosqlite:///{database}"}
    log = place.folder / "service.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, cwd=place.folder, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    running = Running(process, log)
    try:
        running.wait_for(place.url)
        yield process.pid
    finally:
        running.close()


async def test_a_lock_of_three_seconds_costs_nobody_his_answer(place: Place) -> None:
    async with served(place, place.folder / "hub.db") as knocker:
        with held(place.folder / "hub.db"):
            knocking = asyncio.create_task(knocker.for_a_while(3.2))
            await asyncio.sleep(3.0)
        await knocking
        assert set(knocker.statuses) == {200}
        assert 2.5 < max(knocker.seconds) < IN_TIME_S
        knocker.nothing_is_missing(place.folder / "hub.db", place.folder)


async def test_a_longer_lock_is_told_in_time_and_passes_by_itself(place: Place) -> None:
    async with served(place, place.folder / "hub.db") as knocker:
        with held(place.folder / "hub.db"):
            knocking = asyncio.create_task(knocker.for_a_while(1.0))
            status, seconds, body = await knocker.announcement()
            assert (status, body) == (200, "{}")
            assert seconds < PRE_S
            assert await place.ready() == 503
            await knocking
        assert set(knocker.statuses) == {503}
        assert max(knocker.seconds) < REFUSED_S
        await until(lambda: is_accepted(knocker), 2)
        assert await place.ready() == 200
        knocker.nothing_is_missing(place.folder / "hub.db", place.folder)


async def is_accepted(knocker: Knocker) -> bool:
    return await knocker.message() == 200


async def refused_and_back(place: Place, knocker: Knocker, database: Path, make_room: Callable[[], None]) -> None:
    """While nothing can be written everything is refused, and in order again once there is room."""
    await until(lambda: is_refused(knocker))
    assert await place.ready() == 503
    status, seconds, body = await knocker.announcement()
    assert (status, body) == (200, "{}")
    assert seconds < PRE_S
    await knocker.for_a_while(0.5)
    assert set(knocker.statuses) == {200, 503}
    make_room()
    await until(lambda: is_accepted(knocker), 5)
    assert await place.ready() == 200
    assert max(knocker.seconds) < REFUSED_S
    knocker.nothing_is_missing(database, place.folder)


async def is_refused(knocker: Knocker) -> bool:
    return await knocker.message() == 503


async def test_files_that_may_not_grow_are_told_and_survived(place: Place) -> None:
    """An I/O error at every write that would make a file longer (RLIMIT_FSIZE)."""
    database = place.folder / "hub.db"
    async with served(place, database) as knocker:
        assert await knocker.message() == 200
        size = max(path.stat().st_size for path in place.folder.iterdir())

        def limit(size: int) -> None:
            resource.prlimit(knocker.process, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        limit(size + 100_000)
        await refused_and_back(place, knocker, database, lambda: limit(resource.RLIM_INFINITY))


def a_small_disk(folder: Path) -> list[str]:
    """The words before a command that give it alone two megabytes at `folder`; none where that is not allowed."""
    unshare = shutil.which("unshare")
    mount = f'mount -t tmpfs -o size=2m tmpfs {folder} && exec "$@"'
    words = [] if unshare is None else [unshare, "-Urm", "sh", "-c", mount, "sh"]
    allowed = words and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    return words if allowed else []


async def test_a_full_disk_is_told_and_survived(place: Place) -> None:
    mount_point = place.folder / "disk"
    mount_point.mkdir()
    words = a_small_disk(mount_point)
    if not words:
        lacking("there are no user and mount namespaces here")
    with serving(place, mount_point / "hub.db", words) as process:
        # What the service sees there, seen from here.
        disk = Path(f"/proc/{process}/root{mount_point}")
        knocker = Knocker(place.url, place.session, process)
        assert await knocker.message() == 200
        filler = disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"." * 4096):
                continue
        assert os.statvfs(disk).f_bavail == 0
        await refused_and_back(place, knocker, disk / "hub.db", filler.unlink)


def test_a_damaged_file_is_not_served(place: Place) -> None:
    database = place.folder / "hub.db"
    fresh_database(database)
    content = bytearray(database.read_bytes())
    content[4096 * 4 : 4096 * 9] = os.urandom(4096 * 5)
    database.write_bytes(content)
    lines = place.run("serve", "--no-sandbox").refused(EXIT_MISCONFIGURED)
    assert any("damaged" in line and "backup" in line for line in lines)
    assert database.read_bytes() == bytes(content)
