"""Power cuts: after each, the database opens, is whole, and holds every webhook that was acknowledged.

A process takes webhooks in with `chaos/shim.c` preloaded, which notes what it wrote, synced and answered.
From the journal the disk is rebuilt as a power cut at a random moment might leave it: what was synced is there; each
later write is there, is missing, or is torn at 512-byte sectors, whatever became of the ones before it.
"""

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from tempfile import TemporaryDirectory

from sqlalchemy import create_engine
from sqlalchemy.exc import DatabaseError

from chaos.frame import Figure, Scale
from chaos.preloading import c_compiler, compiled
from orchestrator.verifying import Stores, known_keys, verify
from storage.opening import upgrade

CUTS, WEBHOOKS = 2_000, 1_200
SECTOR = 512
SHIM = Path(__file__).with_name("shim.c")
FILES = ("hub.db", "hub.db-wal", "hub.db-journal")
ACKS = 4
_RECORD = Struct("=IIQQ")


async def power_cuts(scale: Scale) -> Figure:
    """2,000 cuts; none may lose an acknowledged webhook. The same cuts of a database that does not sync must lose
    some, or they would prove nothing."""
    fault = f"{CUTS} power cuts simulated on the database file (writes since the last fsync dropped or torn)"
    compiler = c_compiler()
    if compiler is None:
        return Figure(fault, "nothing", ["nothing was proved: install a C compiler (cc, gcc or clang)"])
    return await asyncio.to_thread(_run, scale, fault, compiler)


def _run(scale: Scale, fault: str, compiler: str) -> Figure:
    cuts = scale.of(CUTS)
    trial = cut_power(compiler, scale.seed, cuts, scale.of(WEBHOOKS, 300), "FULL")
    control = cut_power(compiler, scale.seed, max(10, cuts // 10), scale.of(WEBHOOKS, 300) // 2, "NORMAL")
    figure = Figure(fault, f"{trial.cuts} cuts; {trial.counts}", trial.violations)
    if not control.missing:
        figure.violations.append("with synchronous=NORMAL no cut lost anything: these cuts prove nothing")
    lost = f"{control.missing} acknowledged webhooks missing in {control.cuts} cuts"
    figure.notes.append(f"control, the same with synchronous=NORMAL: {lost}")
    figure.notes.append("a checkpoint every 60 pages instead of 4000, so that many are cut")
    return figure


@dataclass(slots=True)
class Trial:
    """What came of the cuts of one journal. `missing`: acknowledged webhooks missing, over all cuts."""

    cuts: int
    counts: str
    missing: int = 0
    violations: list[str] = field(default_factory=list)


def cut_power(compiler: str, seed: int, cuts: int, webhooks: int, synchronous: str) -> Trial:
    """Write `webhooks` with that PRAGMA synchronous, cut the power `cuts` times, and look at what is left."""
    with TemporaryDirectory(prefix="power-") as name:
        folder = Path(name)
        initial = _database(folder)
        journal = _journal(compiler, folder, webhooks, synchronous)
        records = list(_records(journal))
        chance = random.Random(seed)
        moments = sorted(chance.choices(range(len(records) + 1), k=cuts))
        trial = Trial(cuts, _counts(records))
        disk, done = Disk(initial), 0
        for number, moment in enumerate(moments):
            for record in records[done:moment]:
                disk.carry_out(record)
            done = moment
            image = folder / f"image{number}"
            image.mkdir()
            disk.after_a_cut(chance, image)
            _examine(image / FILES[0], disk.acknowledged, f"cut {number} at record {moment}", trial)
            shutil.rmtree(image)
        return trial


def _database(folder: Path) -> bytes:
    upgrade(f"sqlite+aiosqlite:///{folder / FILES[0]}")
    return (folder / FILES[0]).read_bytes()


def _journal(compiler: str, folder: Path, webhooks: int, synchronous: str) -> bytes:
    shim, journal = compiled(compiler, SHIM, folder), folder / "journal"
    database = str(folder / FILES[0])
    preload = {"LD_PRELOAD": str(shim), "POWER_FILE": database, "POWER_JOURNAL": str(journal)}
    command = [sys.executable, "-m", "chaos.power_writer", database, str(webhooks), synchronous]
    subprocess.run(command, check=True, env=os.environ | preload, cwd=SHIM.parents[1])  # noqa: S603
    return journal.read_bytes()


@dataclass(frozen=True, slots=True)
class Record:
    """One call that was carried out, as `shim.c` notes it."""

    op: str
    file: int
    offset: int
    data: bytes


def _records(journal: bytes) -> Iterator[Record]:
    at = 0
    while at < len(journal):
        op, file, offset, length = _RECORD.unpack_from(journal, at)
        at += _RECORD.size + length
        yield Record(chr(op), file, offset, journal[at - length : at])


def _counts(records: list[Record]) -> str:
    kept = [record for record in records if record.file < len(FILES)]
    syncs = sum(record.op == "S" for record in kept)
    checkpoints = sum(record.op == "S" and record.file == 0 for record in kept)
    acks = sum(record.file == ACKS for record in records)
    return f"{acks} webhooks acknowledged, {len(kept) - syncs} writes, {syncs} syncs, {checkpoints} checkpoints"


class Disk:
    """The database's files as the disk has them: what is synced, and what is not yet."""

    def __init__(self, initial: bytes) -> None:
        self._synced: list[bytearray | None] = [bytearray(initial), None, None]
        self._since: list[list[Record]] = [[], [], []]
        self.acknowledged: set[str] = set()

    def carry_out(self, record: Record) -> None:
        """The process did this."""
        if record.file == ACKS:
            self.acknowledged.update(record.data.decode().split())
        elif record.file < len(FILES):
            since = self._since[record.file]
            if record.op != "S":
                since.append(record)
                return
            for change in since:
                self._synced[record.file] = _changed(self._synced[record.file], change)
            since.clear()

    def after_a_cut(self, chance: random.Random, folder: Path) -> None:
        """Write the files as they may be found when the power is back. A third of the cuts each lose all that was not
        synced, lose nothing, and leave it to chance."""
        fates = chance.choice((("kept",), ("missing",), ("kept", "missing", "torn")))
        for name, synced, since in zip(FILES, self._synced, self._since, strict=True):
            content = None if synced is None else bytearray(synced)
            for record in since:
                fate = chance.choice(fates)
                if fate == "kept":
                    content = _changed(content, record)
                elif fate == "torn":
                    for sector in _sectors(record):
                        content = _changed(content, sector) if chance.random() < 0.5 else content
            if content is not None:
                (folder / name).write_bytes(content)


def _changed(content: bytearray | None, record: Record) -> bytearray | None:
    if record.op == "U":
        return None
    content = bytearray() if content is None else content
    length = record.offset if record.op == "T" else max(len(content), record.offset + len(record.data))
    content.extend(bytes(max(0, length - len(content))))
    if record.op == "T":
        del content[length:]
    else:
        content[record.offset : record.offset + len(record.data)] = record.data
    return content


def _sectors(record: Record) -> Iterator[Record]:
    if record.op != "W":
        return
    end = record.offset + len(record.data)
    starts = [record.offset, *range(record.offset // SECTOR * SECTOR + SECTOR, end, SECTOR)]
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        yield Record("W", record.file, start, record.data[start - record.offset : stop - record.offset])


def _examine(path: Path, acknowledged: set[str], where: str, trial: Trial) -> None:
    """Open what is left as the service would, and hold it against every promise that has no time in it."""
    engine = create_engine(f"sqlite+pysqlite:///{path}")
    try:
        with engine.connect() as connection:
            answer = connection.exec_driver_sql("PRAGMA quick_check").scalar()
            missing = acknowledged - known_keys(connection)
            broken = [
                f"{check}: {line}" for check, found in verify(Stores(connection, now=0)).items() for line in found
            ]
    except DatabaseError as error:
        trial.violations.append(f"{where}: {error.orig}")
        return
    finally:
        engine.dispose()
    if answer != "ok":
        broken.append(str(answer))
    if missing:
        broken.append(f"{len(missing)} acknowledged webhooks missing")
    trial.missing += len(missing)
    trial.violations += [f"{where}: {line}" for line in broken]
