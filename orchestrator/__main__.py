"""`python -m orchestrator` is `expert-hub`."""

from orchestrator.cli import main

if __name__ == "__main__":
    main()
