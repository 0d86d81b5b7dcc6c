"""The process whose power fails: takes webhooks in through the real intake and notes each one it would answer 200.

`python -m chaos.power_writer DATABASE WEBHOOKS SYNCHRONOUS`, with `chaos/shim.c` preloaded. A line of
`DATABASE.acks` is an answered key, so the journal has answers and writes in one order.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence

from sqlalchemy import event

from orchestrator.directory import Directory
from orchestrator.intake import Intake, Outcome
from orchestrator.taking import Report, key_of
from states.events import ConversationStarted
from states.facts import Fact, MessagePublished, ParticipantPresent
from states.names import MessageSid, ParticipantSid
from storage import engine as storage_engine
from storage.engine import writing_engine
from storage.lanes import Due
from storage.writer import Writer, wall_clock

CONVERSATIONS = 12
AT_ONCE = 6
# Pages; so that many checkpoints fall into a short run.
WAL_AUTOCHECKPOINT = 60
PROXY = "+15550100999"


def main() -> None:
    """Write until everything is acknowledged, close, and end."""
    path, webhooks, synchronous = sys.argv[1:]
    storage_engine.WAL_AUTOCHECKPOINT = WAL_AUTOCHECKPOINT
    asyncio.run(_write(path, int(webhooks), synchronous))


async def _write(path: str, webhooks: int, synchronous: str) -> None:
    engine = writing_engine(f"sqlite+aiosqlite:///{path}")
    event.listen(engine, "connect", lambda connection, _record: connection.execute(f"PRAGMA synchronous={synchronous}"))
    writer = Writer(engine, wall_clock)
    intake = Intake(writer, Directory(None), grace_ms=1000)
    settling: list[asyncio.Task[None]] = []

    def perform(dues: Sequence[Due]) -> None:
        settling.extend(asyncio.create_task(intake.settle(due, Outcome("done"))) for due in dues)

    writer.on_started = perform
    acks = os.open(f"{path}.acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    reports = _reports(webhooks)

    async def take_in() -> None:
        for report in reports:
            await intake.accept(report)
            os.write(acks, f"{report.key}\n".encode())

    await asyncio.gather(*(take_in() for _ in range(AT_ONCE)))
    while settling:
        await settling.pop()
    await writer.close()


def _reports(webhooks: int) -> Iterator[Report]:
    for n in range(webhooks):
        turn, conversation = divmod(n, CONVERSATIONS)
        sid = f"CH{conversation:032x}"
        fact = _fact(turn, conversation, n)
        yield Report(sid, key_of(fact, sid), fact)


def _fact(turn: int, conversation: int, n: int) -> Fact:
    address, participant = f"+1555010{conversation:04d}", ParticipantSid(f"MB{conversation:032x}")
    if turn == 0:
        return ConversationStarted(address, PROXY)
    if turn == 1:
        return ParticipantPresent(participant, address=address, proxy_address=PROXY)
    return MessagePublished(MessageSid(f"IM{n:032x}"), turn - 2, address, f"message {n}", participant_sid=participant)


if __name__ == "__main__":
    main()
