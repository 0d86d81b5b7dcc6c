"""What every page for people is made of: rendering, the design system, static files, and the stream it lives on."""

from orchestrator.pages.assets import routes
from orchestrator.pages.live import attach
from orchestrator.pages.rendering import answer_json, problem, render

__all__ = ["answer_json", "attach", "problem", "render", "routes"]
