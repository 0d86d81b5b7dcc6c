"""The worker's app at /app: his conversations and customers, on a phone first."""

from orchestrator.phone.routing import attach, routes

__all__ = ["attach", "routes"]
