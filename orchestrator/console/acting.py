"""What people do from the workbench: events of the machine and repairs, each with a reason and in the audit log.

Every form is answered by a redirect to a page that says what was done, so that a reload repeats nothing; a refusal
shows the page again with its sentence and what was typed.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from orchestrator.acts import ActRefused, Acts
from orchestrator.console.conversation import page, view_of
from orchestrator.pages.rendering import problem
from orchestrator.people.rights import PERSON, Person
from orchestrator.service import SERVICE, Service
from storage import audit, parked
from storage.parked import NotGivenUp
from storage.unit import Unit

REASON_MAX: Final = 500
TOKEN_MAX: Final = 64
Fields = Mapping[str, str]
Doing = Callable[[Acts, str, Person, Fields], Awaitable[None]]


async def _assign(acts: Acts, sid: str, by: Person, form: Fields) -> None:
    identity = form.get("identity", "").strip()
    if not identity:
        raise _refusal("Choose a worker to assign.")
    await acts.hand_to_worker(sid, by, identity, form["reason"], form["token"])


async def _take(acts: Acts, sid: str, by: Person, form: Fields) -> None:
    await acts.take_over(sid, by, form["reason"], form["token"])


async def _queue(acts: Acts, sid: str, by: Person, form: Fields) -> None:
    await acts.hand_to_queue(sid, by, form["reason"], form["token"])


async def _bot(acts: Acts, sid: str, by: Person, form: Fields) -> None:
    await acts.hand_to_bot(sid, by, form["reason"], form["token"])


async def _flex(acts: Acts, sid: str, by: Person, form: Fields) -> None:
    await acts.hand_to_flex(sid, by, form["reason"], form["token"])


async def _close(acts: Acts, sid: str, by: Person, form: Fields) -> None:
    await acts.close(sid, by, form["reason"], form["token"])


ACTS: Final[dict[str, Doing]] = {
    "assign": _assign,
    "take": _take,
    "queue": _queue,
    "bot": _bot,
    "flex": _flex,
    "close": _close,
}


async def act(request: web.Request) -> web.StreamResponse:
    """Step into a conversation."""
    form = await _form(request)
    name, sid = form.get("act", ""), request.match_info["sid"]
    try:
        _check(form, name in ACTS)
        await ACTS[name](request.app[SERVICE].acts, sid, request[PERSON], form)
    except ActRefused as refused:
        return await _shown_again(request, refused, form)
    raise web.HTTPSeeOther(f"/console/c/{sid}?did={name}")


async def repair(request: web.Request) -> web.StreamResponse:
    """Try an effect again that was given up, or settle it; let a parked event be decided again."""
    form = await _form(request)
    name, sid = form.get("act", ""), request.match_info["sid"]
    service, by, key = request.app[SERVICE], request[PERSON], form.get("key", "")
    try:
        _check(form, name in ("retry", "skip", "replay"))
        if name == "replay":
            await _replay(service, by, sid, key, form["reason"])
        else:
            _check_key(sid, key)
            doing = service.acts.retry_effect if name == "retry" else service.acts.skip_effect
            await doing(key, by, form["reason"])
    except ActRefused as refused:
        return await _shown_again(request, refused, form)
    raise web.HTTPSeeOther(f"/console/c/{sid}?did={name}")


async def _replay(service: Service, by: Person, sid: str, key: str, reason: str) -> None:
    def replay(unit: Unit) -> None:
        parked.replay_event(unit.connection, key, unit.now)
        audit.record(unit, by.login, "replay_event", sid, key, reason, "done")

    try:
        await service.writer.run(replay)
    except NotGivenUp as error:
        raise _refusal(f"{error}.", 409) from error
    service.looker.hint()


async def _form(request: web.Request) -> dict[str, str]:
    form = await request.post()
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}


def _check(form: Fields, is_known: bool) -> None:
    if not is_known:
        raise _refusal("There is no such act.")
    reason = form.get("reason", "")
    if not reason:
        raise _refusal("Say why: others will read it.")
    if len(reason) > REASON_MAX:
        raise _refusal(f"A reason may be {REASON_MAX} characters long; this one has {len(reason)}.")
    if len(form.get("token", "")) > TOKEN_MAX:
        raise _refusal("The page is out of date. Open it again.")


def _check_key(sid: str, key: str) -> None:
    if not key.startswith(f"{sid}/"):
        raise _refusal("This effect belongs to another conversation.", 404)


def _refusal(sentence: str, status: int = 422) -> ActRefused:
    return ActRefused(sentence, status)


async def _shown_again(request: web.Request, refused: ActRefused, form: Fields) -> web.StreamResponse:
    try:
        view = await view_of(request)
    except web.HTTPNotFound:
        return problem(request, refused.status, "That was not done", str(refused))
    return await page(request, view, status=refused.status, refused=str(refused), typed=form)
