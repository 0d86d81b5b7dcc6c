"""An approved template for the customer, where his channel takes nothing else: which, and what stands in its gaps."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from aiohttp import web

from orchestrator.acts import ActRefused
from orchestrator.pages.rendering import answer_json, render
from orchestrator.phone.conversation import own_conversation
from orchestrator.phone.desk import Desk, Refused, done, is_script, token_of
from orchestrator.phone.desk import field as posted
from orchestrator.phone.views import customer_name
from orchestrator.templates import GAP, Template
from states.conversation import Conversation
from storage.reach import is_window_closed

NAME_MAX: Final = 200
_FIELD: Final = "gap-"
# A sample says what belongs into a gap; these words, whose name does.
_OURS: Final = frozenset({"worker", "agent", "expert", "adviser", "advisor", "colleague"})
_THEIRS: Final = frozenset({"customer", "client", "name"})


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap of a template. `value`: what stands in its field, prefilled or as it was typed."""

    gap: str
    sample: str
    value: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A template as it can be chosen. `pieces`: its text, each piece with the gap behind it, None behind the last; both
    are empty where nobody knows the text, and then `values` has a line for each gap."""

    name: str
    text: str | None
    pieces: list[tuple[str, Gap | None]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    values: str = ""


async def form(desk: Desk) -> web.StreamResponse:
    """/app/c/{sid}/template."""
    return await _shown(desk, await own_conversation(desk))


async def twin(desk: Desk) -> web.StreamResponse:
    """/app/c/{sid}/template.json."""
    conversation = await own_conversation(desk)
    now = desk.service.writer.now()
    is_closed = await desk.service.reader.read(lambda connection: is_window_closed(connection, conversation, now))
    shown = [
        {"name": one.name, "text": one.text, "gaps": [asdict(gap) for gap in one.gaps]}
        for one in await _choices(desk, conversation)
    ]
    return answer_json({"is_window_closed": is_closed, "templates": shown})


async def send(desk: Desk) -> web.StreamResponse:
    """Send it, as a message is sent. What is wrong is said above what was typed, which stays."""
    conversation = await own_conversation(desk)
    name = await posted(desk.request, "template", NAME_MAX, "Choose a template first.")
    try:
        variables = await _variables(desk, name)
        await desk.service.acts.send_template(
            conversation.sid, desk.person, name, variables, await token_of(desk.request)
        )
    except (ActRefused, Refused) as refusal:
        if is_script(desk.request):
            raise
        return await _shown(desk, conversation, refusal, name)
    return done(desk.request, f"/app/c/{conversation.sid}")


async def _shown(
    desk: Desk, conversation: Conversation, refusal: ActRefused | Refused | None = None, chosen: str | None = None
) -> web.StreamResponse:
    """The form, with what was wrong at the template that was chosen."""
    return render(
        desk.request,
        "phone/template.html",
        200 if refusal is None else refusal.status,
        sid=conversation.sid,
        name=customer_name(conversation),
        choices=await _choices(desk, conversation, chosen),
        chosen=chosen,
        problem="" if refusal is None else str(refusal),
        act_token=secrets.token_urlsafe(16),
    )


async def _choices(desk: Desk, conversation: Conversation, chosen: str | None = None) -> list[Choice]:
    names = conversation.customer.display_name if conversation.customer else "", desk.person.name
    typed = _typed(await desk.request.post())
    every = await desk.service.templates.all()
    return [_choice(template, names, typed if template.name == chosen else {}) for template in every]


def _choice(template: Template, names: tuple[str, str], typed: Mapping[str, str]) -> Choice:
    if template.text is None:
        return Choice(template.name, None, values="\n".join(typed.values()))
    gaps = [
        Gap(gap, sample, typed.get(gap, _prefilled(sample, *names))) for gap, sample in template.text.samples.items()
    ]
    by_key = {gap.gap: gap for gap in gaps}
    parts = GAP.split(template.text.body)
    pieces = [(text, by_key[key] if key else None) for text, key in zip(parts[::2], [*parts[1::2], ""], strict=True)]
    return Choice(template.name, template.text.body, pieces, gaps)


def _prefilled(sample: str, customer: str, worker: str) -> str:
    words = set(re.findall(r"[a-z]+", sample.lower()))
    if words & _OURS:
        return worker
    return customer if words & _THEIRS else ""


def _typed(form: Mapping[str, object]) -> dict[str, str]:
    """What was typed, by gap. Whether a text is known may have changed since the form was shown: both forms of it are
    understood."""
    lines = form.get("values")
    if isinstance(lines, str):
        return {str(number): line for number, line in enumerate(filter(str.strip, lines.splitlines()), 1)}
    fields = {name.removeprefix(_FIELD): text for name, text in form.items() if name.startswith(_FIELD)}
    return {gap: text for gap, text in fields.items() if isinstance(text, str)}


async def _variables(desk: Desk, name: str) -> dict[str, str]:
    """What stands in the gaps, each in one line: WhatsApp takes no other. Raises Refused where one is empty."""
    try:
        text = (await desk.service.templates.find(name)).text
    except KeyError:
        raise Refused(404, "There is no such template any more. Choose another one.") from None
    typed = _typed(await desk.request.post())
    samples = dict.fromkeys(typed, "") if text is None else text.samples
    return {gap: _value(typed.get(gap, ""), gap, sample) for gap, sample in samples.items()}


def _value(typed: str, gap: str, sample: str) -> str:
    value = " ".join(typed.split())
    if not value:
        raise Refused(422, f"Fill in gap {gap} ({sample})." if sample else f"Fill in gap {gap}.")
    return value
