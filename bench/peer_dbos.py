"""DBOS on SQLite, a workflow of one step: `python -m bench.peer_dbos FOLDER SECONDS THREADS delete|wal`.

Prints how many it does a second. DBOS leaves SQLite in its `delete` mode; with `wal` it is given an engine of its
documented option `system_database_engine`, which syncs every commit too.
"""

import sys
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig
from sqlalchemy import Engine, create_engine, event

from bench.steps import per_second


def main() -> None:
    """Measure as the arguments say."""
    folder, seconds, threads, mode = sys.argv[1:]
    url = f"sqlite:///{Path(folder, 'dbos.db')}"
    config: DBOSConfig = {"name": "bench", "system_database_url": url, "log_level": "ERROR"}
    if mode == "wal":
        config["system_database_engine"] = _wal_engine(url)
    DBOS(config=config)
    step = DBOS.step()(_greet)

    def steps(name: str) -> str:
        greeting: str = step(name)
        return greeting

    workflow = DBOS.workflow()(steps)
    DBOS.launch()
    print(per_second(workflow, int(threads), float(seconds)))  # noqa: T201
    DBOS.destroy()


def _greet(name: str) -> str:
    return f"Hello {name}"


def _wal_engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


if __name__ == "__main__":
    main()
