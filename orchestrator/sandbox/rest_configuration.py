"""The account's webhook configuration: where webhooks go, how, and which."""

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.delivery import POST_EVENTS, PRE_EVENTS
from orchestrator.sandbox.errors import TwilioError
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.rest import Call, Reply, add_route

_PATH = "/v1/Configuration/Webhooks"


def add_routes(app: web.Application) -> None:
    """Add the routes of this module; the service's own configuration is none of them, for one is enough."""
    add_route(app, "GET", _PATH, fetch, scoped=False)
    add_route(app, "POST", _PATH, update, scoped=False)


def fetch(call: Call) -> Reply:
    """`GET /Configuration/Webhooks`."""
    call.query()
    return _reply(call)


def update(call: Call) -> Reply:
    """`POST /Configuration/Webhooks`: what is named is replaced, an empty URL sends none."""
    form = call.form("Method", "PreWebhookUrl", "PostWebhookUrl", "Target", arrays=("Filters",))
    form.require_any()
    if form.choice("Target", ("webhook", "flex")) == "flex":
        form.refuse("Target")
    method = form.choice("Method", ("GET", "POST"))
    pre_url, post_url = _url(form, "PreWebhookUrl", 50077), _url(form, "PostWebhookUrl", 50078)
    filters = _filters(form)
    targets = call.sandbox.webhooks.targets
    targets.method = method or targets.method
    targets.pre_url = targets.pre_url if pre_url is None else pre_url
    targets.post_url = targets.post_url if post_url is None else post_url
    targets.filters = targets.filters if filters is None else filters
    return _reply(call)


def _reply(call: Call) -> Reply:
    targets = call.sandbox.webhooks.targets
    shape = {
        "account_sid": seeds.ACCOUNT_SID,
        "method": targets.method,
        "filters": list(targets.filters),
        "pre_webhook_url": targets.pre_url,
        "post_webhook_url": targets.post_url,
        "target": "webhook",
        "url": call.place.origin + _PATH,
    }
    return Reply(200, shape)


def _url(form: Form, name: str, code: int) -> str | None:
    value = form.get(name)
    if value and not rules.is_web_url(value):
        raise TwilioError(code, f"{name} is no URL of http or https")
    return value


def _filters(form: Form) -> tuple[str, ...] | None:
    if "Filters" not in form:
        return None
    names = tuple(dict.fromkeys(name for name in form.all("Filters") if name))
    unknown = sorted(set(names) - PRE_EVENTS - POST_EVENTS)
    if unknown:
        raise TwilioError(50365, f"Invalid filter: {', '.join(unknown)[:200]}")
    return names
