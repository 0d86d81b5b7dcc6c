"""Where the webhooks of the account, or of its chat service, go, how, and which.

Twilio documents both configurations and not what happens when both are set, so that is refused here: one is enough.
"""

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.delivery import POST_EVENTS, PRE_EVENTS, Targets
from orchestrator.sandbox.errors import TwilioError, bad_parameter
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.rest import Call, Reply, add_route

_PATH = "/v1/Configuration/Webhooks"
_SERVICE_PATH = "/v1/Services/{service}/Configuration/Webhooks"
_NAMES = ("Method", "PreWebhookUrl", "PostWebhookUrl")


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", _PATH, fetch, scoped=False)
    add_route(app, "POST", _PATH, update, scoped=False)
    add_route(app, "GET", _SERVICE_PATH, fetch_of_service, scoped=False)
    add_route(app, "POST", _SERVICE_PATH, update_of_service, scoped=False)


def fetch(call: Call) -> Reply:
    """`GET /Configuration/Webhooks`."""
    call.query()
    return _reply(call)


def update(call: Call) -> Reply:
    """`POST /Configuration/Webhooks`: what is named is replaced, an empty URL sends none."""
    form = call.form(*_NAMES, "Target", arrays=("Filters",))
    form.require_any()
    if form.choice("Target", ("webhook", "flex")) == "flex":
        form.refuse("Target")
    webhooks = call.sandbox.webhooks
    _set(webhooks.targets, webhooks.service_targets, form)
    return _reply(call)


def fetch_of_service(call: Call) -> Reply:
    """`GET /Services/{IS}/Configuration/Webhooks`."""
    call.query()
    return _reply_of_service(call)


def update_of_service(call: Call) -> Reply:
    """`POST /Services/{IS}/Configuration/Webhooks`."""
    form = call.form(*_NAMES, arrays=("Filters",))
    form.require_any()
    webhooks = call.sandbox.webhooks
    _set(webhooks.service_targets, webhooks.targets, form)
    return _reply_of_service(call)


def _set(targets: Targets, other: Targets, form: Form) -> None:
    """Take over what the form names, all or nothing, unless the `other` configuration is set as well."""
    method = form.choice("Method", ("GET", "POST"))
    pre_url, post_url = _url(form, "PreWebhookUrl", 50077), _url(form, "PostWebhookUrl", 50078)
    filters = _filters(form)
    if (pre_url or post_url) and other.is_set:
        raise bad_parameter("webhooks of the account and of the service together are not simulated by the sandbox")
    targets.method = method or targets.method
    targets.pre_url = targets.pre_url if pre_url is None else pre_url
    targets.post_url = targets.post_url if post_url is None else post_url
    targets.filters = targets.filters if filters is None else filters


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


def _reply_of_service(call: Call) -> Reply:
    """A service that nobody configured says null for everything."""
    targets = call.sandbox.webhooks.service_targets
    touched = targets != Targets.nowhere()
    shape = {
        "account_sid": seeds.ACCOUNT_SID,
        "chat_service_sid": seeds.CHAT_SERVICE_SID,
        "method": targets.method if touched else None,
        "filters": list(targets.filters) if touched else None,
        "pre_webhook_url": targets.pre_url or None,
        "post_webhook_url": targets.post_url or None,
        "url": call.place.origin + _SERVICE_PATH.replace("{service}", seeds.CHAT_SERVICE_SID),
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
