"""The workbench at /console: supervisors watch and step in, developers see why a conversation is where it is."""

from orchestrator.console.routes import attach, routes

__all__ = ["attach", "routes"]
