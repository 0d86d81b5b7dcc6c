"""The account's address configurations: which senders make a conversation of a first message."""

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.addresses import TYPES, AddressConfiguration, Addresses
from orchestrator.sandbox.delivery import POST_EVENTS
from orchestrator.sandbox.errors import TwilioError, bad_parameter, not_found
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.shapes import Shape
from orchestrator.sandbox.world import new_sid

_PATH = "/v1/Configuration/Addresses"
_AUTO = (
    "FriendlyName",
    "AutoCreation.Enabled",
    "AutoCreation.Type",
    "AutoCreation.ConversationServiceSid",
    "AutoCreation.WebhookUrl",
    "AutoCreation.WebhookMethod",
    "AutoCreation.StudioFlowSid",
    "AutoCreation.StudioRetryCount",
)
_FILTERS = "AutoCreation.WebhookFilters"


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", _PATH, listed, scoped=False)
    add_route(app, "POST", _PATH, create, scoped=False)
    add_route(app, "GET", _PATH + "/{address}", fetch, scoped=False)
    add_route(app, "POST", _PATH + "/{address}", update, scoped=False)
    add_route(app, "DELETE", _PATH + "/{address}", delete, scoped=False)


def listed(call: Call) -> Reply:
    """`GET /Configuration/Addresses`."""
    query = call.query("Type")
    kind = query.choice("Type", TYPES)
    found = [each for each in _all(call).all.values() if kind in (None, each.type)]
    page = page_of(
        found,
        lambda each: (0, each.ordinal),
        lambda each: _shape(each, call),
        "address_configurations",
        call.url,
        query,
    )
    return Reply(200, page)


def create(call: Call) -> Reply:
    """`POST /Configuration/Addresses`."""
    form = call.form("Type", "Address", "AddressCountry", *_AUTO, arrays=(_FILTERS,))
    kind, address = form.require("Type"), form.require("Address")
    form.choice("Type", TYPES)
    if rules.channel_of(address) != kind:
        raise bad_parameter("Address is no address of this Type")
    if _all(call).of(address):
        raise TwilioError(50353, "Address has a configuration already")
    now = call.sandbox.world.now()
    made = AddressConfiguration(
        new_sid("IG"), call.sandbox.world.next_ordinal(), kind, address, now, now, country=form.get("AddressCountry")
    )
    _set(made, form)
    _all(call).all[made.sid] = made
    return Reply(201, _shape(made, call))


def fetch(call: Call) -> Reply:
    """`GET /Configuration/Addresses/{IG}`; the address may stand in for the SID."""
    call.query()
    return Reply(200, _shape(_named(call), call))


def update(call: Call) -> Reply:
    """`POST /Configuration/Addresses/{IG}`: what is named is replaced."""
    form, found = call.form(*_AUTO, arrays=(_FILTERS,)), _named(call)
    form.require_any()
    _set(found, form)
    found.updated = call.sandbox.world.now()
    return Reply(200, _shape(found, call))


def delete(call: Call) -> Reply:
    """`DELETE /Configuration/Addresses/{IG}`."""
    del _all(call).all[_named(call).sid]
    return Reply(204)


def _all(call: Call) -> Addresses:
    return call.sandbox.addresses


def _named(call: Call) -> AddressConfiguration:
    name = call.named("address")
    found = _all(call).all.get(name) or _all(call).of(name)
    if found is None:
        raise not_found(call.request.path)
    return found


def _set(configuration: AddressConfiguration, form: Form) -> None:
    """Take over what the form names, all or nothing."""
    auto, filters = configuration.auto_creation, form.all(_FILTERS)
    unknown = sorted(set(filters) - POST_EVENTS)
    if unknown:
        raise TwilioError(50365, f"Invalid filter: {', '.join(unknown)[:200]}")
    service = form.sid("AutoCreation.ConversationServiceSid", "IS")
    if service not in (None, seeds.CHAT_SERVICE_SID):
        raise not_found(f"/Services/{service}")
    url = form.get("AutoCreation.WebhookUrl")
    if url and not rules.is_web_url(url):
        raise bad_parameter("AutoCreation.WebhookUrl is no URL of http or https")
    changes = {
        "enabled": form.flag("AutoCreation.Enabled"),
        "type": form.choice("AutoCreation.Type", ("webhook", "studio", "default")),
        "conversation_service_sid": service,
        "webhook_url": url,
        "webhook_method": form.choice("AutoCreation.WebhookMethod", ("GET", "POST")),
        "webhook_filters": tuple(filters) if _FILTERS in form else None,
        "studio_flow_sid": form.sid("AutoCreation.StudioFlowSid", "FW"),
        "studio_retry_count": form.number("AutoCreation.StudioRetryCount"),
    }
    configuration.friendly_name = form.name("FriendlyName") or configuration.friendly_name
    for field, value in changes.items():
        if value is not None:
            setattr(auto, field, value)


def _shape(configuration: AddressConfiguration, call: Call) -> Shape:
    auto = configuration.auto_creation
    fields = {name: getattr(auto, name) for name in auto.__slots__}
    return {
        "sid": configuration.sid,
        "account_sid": seeds.ACCOUNT_SID,
        "type": configuration.type,
        "address": configuration.address,
        "friendly_name": configuration.friendly_name,
        "address_country": configuration.country,
        "auto_creation": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in fields.items()
            if value is not None
        },
        "date_created": rules.rest_date(configuration.created),
        "date_updated": rules.rest_date(configuration.updated),
        "url": f"{call.place.origin}{_PATH}/{configuration.sid}",
    }
