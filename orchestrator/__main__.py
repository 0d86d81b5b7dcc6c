"""Where the process begins: `python -m orchestrator` is `expert-hub`."""

import os

from orchestrator.collecting import made_to_stay
from orchestrator.lean import without


def main() -> None:
    """Run a command."""
    # We have none, and to find that out pydantic would read what every installed package says of itself.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    with made_to_stay():
        with without("rich"):
            import structlog  # noqa: F401
        from orchestrator.cli import main as run
    run()


if __name__ == "__main__":
    main()
