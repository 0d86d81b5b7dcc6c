"""Where the process begins: `python -m orchestrator` is `expert-hub`."""

from orchestrator.collecting import made_to_stay
from orchestrator.lean import without


def main() -> None:
    """Run a command."""
    with made_to_stay():
        with without("rich"):
            import structlog  # noqa: F401
        from orchestrator.cli import main as run
    run()


if __name__ == "__main__":
    main()
