"""The approved templates: which there are say the settings, what they say Twilio does.

A text is asked for once it is to be shown, and kept: one that was approved is not changed any more. Whoever writes does
not wait long for it, and can send a template whose text he does not see.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from orchestrator.errors import EffectError
from orchestrator.ports import TemplateText, TemplateTexts

log = structlog.get_logger()
ASK_S: Final = 2.0
GAP: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Template:
    """An approved template. `name`: what people here call it; `text`: None where Twilio does not say."""

    name: str
    content_sid: str
    text: TemplateText | None


class Templates:
    """`sids`: `WHATSAPP_TEMPLATES`, SIDs by name."""

    def __init__(self, sids: Mapping[str, str], texts: TemplateTexts) -> None:
        self._sids = sids
        self._texts = texts
        self._known: dict[str, TemplateText] = {}

    async def all(self) -> list[Template]:
        """Every template, in the order of the settings."""
        return list(await asyncio.gather(*map(self.find, self._sids)))

    async def find(self, name: str) -> Template:
        """The template of this name. Raises KeyError where there is none."""
        sid = self._sids[name]
        if sid not in self._known:
            try:
                async with asyncio.timeout(ASK_S):
                    self._known[sid] = await self._texts.read(sid)
            except (EffectError, TimeoutError) as error:
                log.warning("template_not_read", template=name, reason=str(error) or type(error).__name__)
        return Template(name, sid, self._known.get(sid))
