"""Differences as a person reads them, and as a program does."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from orchestrator.connecting.changing import Return
from orchestrator.connecting.resources import Value
from orchestrator.connecting.survey import Difference

LABELS = {
    "pre_webhook_url": "pre-event URL",
    "post_webhook_url": "post-event URL",
    "method": "method",
    "filters": "filters",
    "enabled": "autocreation",
    "type": "what follows",
    "conversation_service_sid": "chat service",
    "webhook_url": "own webhook",
    "webhook_method": "its method",
    "webhook_filters": "its filters",
    "studio_flow_sid": "Studio flow",
    "studio_retry_count": "its retries",
    "friendly_name": "name",
    "address_country": "country",
    "event_callback_url": "event callback",
    "events_filter": "events",
}
_USER = re.compile(r"(?<=://)[^/@]*@")
Changes = dict[str, tuple[Value, Value]]


def difference_lines(differences: Iterable[Difference]) -> Iterator[str]:
    """One line for each resource, one for each field that will change."""
    for each in differences:
        yield f"{each.mark} {each.resource.title}"
        yield from _field_lines(each.changes, is_new=each.found is None)


def return_lines(returns: Iterable[Return], force: bool) -> Iterator[str]:
    """The same for the way back. `-` is to be removed, `!` somebody else changed."""
    for each in returns:
        yield f"{return_mark(each, force)} {each.resource.title}{_remark(each, force)}"
        if each.verdict != "same" and not _is_removal(each):
            yield from _field_lines(each.changes, is_new=each.found is None)


def return_mark(each: Return, force: bool) -> str:
    """What will be done with one resource."""
    if each.verdict == "same":
        return "="
    if each.verdict == "changed" and not force:
        return "!"
    return "-" if _is_removal(each) else "+" if each.found is None else "~"


def as_json(changes: Changes) -> dict[str, Any]:
    """The fields of one resource, for programs; passwords in URLs are not shown."""
    return {name: {"is": _safe(is_now), "will_be": _safe(then)} for name, (is_now, then) in changes.items()}


def _is_removal(each: Return) -> bool:
    return each.entry.before is None and each.found is not None


def _remark(each: Return, force: bool) -> str:
    if each.verdict == "changed":
        return ": changed by somebody since" + ("" if force else ", left alone (--force restores it too)")
    return ": was not there before" if _is_removal(each) else ""


def _field_lines(changes: Changes, *, is_new: bool) -> Iterator[str]:
    width = max((len(LABELS[name]) for name in changes), default=0)
    for name, (is_now, then) in changes.items():
        label = LABELS[name].ljust(width)
        if isinstance(then, list) and isinstance(is_now, list | None) and not is_new:
            yield f"    {label}  {_list_change(is_now or [], then)}"
        else:
            yield f"    {label}  {_text(then)}" if is_new else f"    {label}  {_text(is_now)}  ->  {_text(then)}"


def _list_change(is_now: list[str], then: list[str]) -> str:
    """Long lists by what comes and goes."""
    signs = [f"+{name}" for name in then if name not in is_now] + [f"-{name}" for name in is_now if name not in then]
    return " ".join(signs)


def _text(value: Value) -> str:
    match _safe(value):
        case True:
            return "on"
        case False:
            return "off"
        case None | "":
            return "none"
        case list(names):
            return ", ".join(names) or "none"
        case other:
            return "".join(char if char.isprintable() else "?" for char in str(other))


def _safe(value: Value) -> Value:
    return _USER.sub("***@", value) if isinstance(value, str) else value
