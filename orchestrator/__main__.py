"""Where the process begins: `python -m orchestrator` is `expert-hub`."""

import gc

# Objects made between two collections. Python's own 700 is met some hundred times by the imports alone, in vain: that
# costs a fifth of the start, so it is set before them, and pauses later.
GARBAGE_THRESHOLD = 50_000


def main() -> None:
    """Run a command."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    from orchestrator.cli import main as run

    run()


if __name__ == "__main__":
    main()
