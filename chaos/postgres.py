"""A throw-away PostgreSQL on the loopback address, for tests, chaos and benchmarks.

It is a child of this process and ends with it. PostgreSQL refuses to run as root: there it runs as `nobody`, over data
that are nobody's.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from chaos.orphans import dies_with_parent
from chaos.postgres_binaries import NoPostgres, binaries, within_reach

__all__ = ["NoPostgres", "Postgres", "PostgresFailed", "throwaway"]

USER, ADMINISTRATION = "hub", "postgres"
START_LIMIT_S, STOP_LIMIT_S = 30.0, 10.0
ASK_EVERY_S = 0.01
_TICKS = os.sysconf("SC_CLK_TCK")
_READY_LINE = 7
# Below the ports that connections are given: one that is refused there could be given the very port it asks for, and
# would hold it against the server that is about to start again.
_PORTS = range(15_000, 30_000)


class PostgresFailed(Exception):
    """The server did not start, or refused a statement; with what it said."""


class Postgres:
    """One server with its data in `folder`. `durable`: commits are synced, as a deployment's are (for benchmarks)."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.port = quiet_port()
        self._folder = folder
        self._data = folder / "data"
        self._binaries = binaries()
        # Without fsync a commit is still handed to the system before it is acknowledged: it survives every death of
        # processes, immediate stops too, and only a power cut would lose it.
        self._fsync = "on" if durable else "off"
        self._as_whom: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._spent_s = 0.0
        self._numbers = count(1)
        self._templates: dict[Callable[[str], object], str] = {}

    @property
    def url(self) -> str:
        """Of the database that is always there; as DATABASE_URL has it."""
        return self._url(ADMINISTRATION)

    def _url(self, database: str) -> str:
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Make the data folder, owned by whoever is to run the server. Raises PostgresFailed."""
        if os.geteuid() == 0:
            self._as_whom = {"user": "nobody", "group": _group_of_nobody(), "extra_groups": []}
            self._folder.chmod(0o711)
            self._binaries = within_reach(self._binaries, self._folder / "binaries")
            self._data.mkdir(mode=0o700)
            shutil.chown(self._data, "nobody")
        options = ("--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        self._run([str(self._binaries / "initdb"), "-D", str(self._data), "-U", USER, *options], **self._as_whom)

    def start(self) -> None:
        """Start it, and wait until it answers. Raises PostgresFailed."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it without waiting; from the main thread, see `dies_with_parent`."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [str(self._binaries / "postgres"), "-D", str(self._data), *self._options()],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for whoever started us; the context manager stops the server.
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGQUIT),
                **self._as_whom,
            )

    def _options(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": self._fsync,
        }
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def wait(self) -> None:
        """Wait until it answers. Raises PostgresFailed."""
        assert self._process is not None
        deadline = time.monotonic() + START_LIMIT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresFailed(f"PostgreSQL did not start: {self.said()}")
            time.sleep(ASK_EVERY_S)

    def _is_ready(self) -> bool:
        """As `pg_ctl` asks: the server notes in its pid file how far it is."""
        assert self._process is not None
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        is_ours = lines[:1] == [str(self._process.pid)]
        return is_ours and len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready"

    def said(self) -> str:
        """The last lines of its log."""
        log = self._folder / "log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-10:]) if log.exists() else "nothing"

    def stop_immediately(self) -> None:
        """End it as a crash would: every process at once, no checkpoint; the next start recovers from the log."""
        if self._process is None:
            return
        self._spent_s = self.cpu_s()
        self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It neither answers nor goes away, for as long as this lasts."""
        assert self._process is not None
        master = self._process.pid
        os.kill(master, signal.SIGSTOP)
        all_of_it = [*(pid for pid in _pids() if _Times.of(pid).parent == master), master]
        try:
            _send(all_of_it, signal.SIGSTOP)
            yield
        finally:
            _send(all_of_it, signal.SIGCONT)

    def fresh_database(self, prepare: Callable[[str], object] | None = None) -> str:
        """The URL of a new database: empty, or as `prepare` (URL) leaves one. It is called once, for a template that is
        copied again and again in a fraction of the time. Raises PostgresFailed."""
        name = f"hub_{next(self._numbers)}"
        self.query(f"CREATE DATABASE {name}" + (f" TEMPLATE {self._template(prepare)}" if prepare else ""))
        return self._url(name)

    def _template(self, prepare: Callable[[str], object]) -> str:
        if prepare not in self._templates:
            name = f"template_{len(self._templates)}"
            self.query(f"CREATE DATABASE {name}")
            prepare(self._url(name))
            self._templates[prepare] = name
        return self._templates[prepare]

    def query(self, statement: str, database: str = ADMINISTRATION) -> str:
        """Carry out one statement; its rows, fields separated by `|`. Raises PostgresFailed."""
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database)
        options = ("-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1")
        return self._run([str(self._binaries / "psql"), *where, *options, "-c", statement]).strip()

    def _run(self, command: Sequence[str], **as_whom: Any) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603
            command, cwd="/", env=clean, capture_output=True, text=True, check=False, **as_whom
        )
        if done.returncode:
            raise PostgresFailed(f"{Path(command[0]).name}: {done.stderr.strip()}")
        return done.stdout

    def cpu_s(self) -> float:
        """The processor time, in seconds, of the server and all its processes, those that ended included, over all its
        starts. From /proc, so on Linux alone."""
        if self._process is None:
            return self._spent_s
        while True:
            master = _Times.of(self._process.pid)
            children = [them for pid in _pids() if (them := _Times.of(pid)).parent == self._process.pid]
            # One that it has waited for in between was counted twice, or not at all.
            if _Times.of(self._process.pid).waited == master.waited:
                ticks = master.own + master.waited + sum(child.own for child in children)
                return self._spent_s + ticks / _TICKS


class _Times(NamedTuple):
    """Of a process: the parent's pid, ticks of its own, and of the children it has waited for."""

    parent: int
    own: int
    waited: int

    @classmethod
    def of(cls, pid: int) -> "_Times":
        """Nothing for one that has just ended."""
        try:
            # The name in parentheses may hold anything; state, parent and the times follow it.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return cls(0, 0, 0)
        return cls(int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14]))


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").glob("[0-9]*"))


def _send(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _group_of_nobody() -> int:
    import pwd

    return pwd.getpwnam("nobody").pw_gid


def quiet_port() -> int:
    """A free port that the system gives to nobody by itself."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no free port was found")


@contextmanager
def throwaway(*, durable: bool = False) -> Iterator[Postgres]:
    """A server that runs until the end of the block. Raises NoPostgres where there is none, PostgresFailed."""
    with TemporaryDirectory(prefix="hub-postgres-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder), durable=durable)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop_immediately()
