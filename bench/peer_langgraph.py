"""LangGraph on SQLite, a graph of one node: `python -m bench.peer_langgraph FOLDER SECONDS THREADS sync|exit`.

Prints how many it does a second, each under a `thread_id` of its own. `sync` and `exit` are its durability modes:
checkpoints before each step and after, or at the end alone, before the caller has his answer. SqliteSaver turns WAL on
and leaves `synchronous` at FULL.
"""

import sys
from pathlib import Path
from typing import Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

from bench.steps import per_second


class State(TypedDict):
    """What the graph carries."""

    text: str


def main() -> None:
    """Measure as the arguments say."""
    folder, seconds, threads, durability = sys.argv[1:]
    graph: Any = StateGraph(State)
    graph.add_node("greet", _greet)
    graph.add_edge(START, "greet")
    graph.add_edge("greet", END)
    with SqliteSaver.from_conn_string(str(Path(folder, "langgraph.db"))) as saver:
        compiled = graph.compile(checkpointer=saver)

        def step(name: str) -> object:
            return compiled.invoke({"text": name}, {"configurable": {"thread_id": name}}, durability=durability)

        print(per_second(step, int(threads), float(seconds)))  # noqa: T201


def _greet(state: State) -> State:
    return {"text": f"Hello {state['text']}"}


if __name__ == "__main__":
    main()
