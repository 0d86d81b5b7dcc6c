"""What every page for people is made of: rendering, the design system, static files, and the stream it lives on.

What renders is imported by whoever does, for it brings Jinja, which no start should wait for.
"""

from orchestrator.pages.assets import routes
from orchestrator.pages.live import attach

__all__ = ["attach", "routes"]
