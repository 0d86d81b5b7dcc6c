"""What the account has: itself, its numbers, its chat service and its messaging service, to be read and not changed.

The account and its numbers are of Twilio's older API (`/2010-04-01`), the messaging service of its Messaging API, whose
path differs from a chat service's by the SID alone. Their fields are those of the official client's resources.
"""

from aiohttp import web

from orchestrator.sandbox import seeds
from orchestrator.sandbox.errors import not_found
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.rules import rest_date
from orchestrator.sandbox.shapes import Shape, below

_ACCOUNT = "/2010-04-01/Accounts/{account}"
_RFC_2822 = "%a, %d %b %Y %H:%M:%S +0000"


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", _ACCOUNT + ".json", account, scoped=False)
    add_route(app, "GET", _ACCOUNT + "/IncomingPhoneNumbers.json", numbers, scoped=False)
    add_route(app, "GET", "/v1/Configuration", configuration, scoped=False)
    add_route(app, "GET", "/v1/Services/{sid}", service, scoped=False)


def account(call: Call) -> Reply:
    """`GET /Accounts/{AC}.json`."""
    call.query()
    _check_account(call)
    shape = {
        "sid": seeds.ACCOUNT_SID,
        "owner_account_sid": seeds.ACCOUNT_SID,
        "friendly_name": "The sandbox",
        "status": call.sandbox.account_status,
        "type": "Full",
        "auth_token": seeds.AUTH_TOKEN,
        "date_created": _date(call),
        "date_updated": _date(call),
        "subresource_uris": {},
        "uri": call.request.path,
    }
    return Reply(200, shape)


def numbers(call: Call) -> Reply:
    """`GET /Accounts/{AC}/IncomingPhoneNumbers.json`: on one page, for there is one number."""
    query = call.query("PhoneNumber", "FriendlyName", "Beta", "Origin")
    query.refuse("FriendlyName", "Beta", "Origin")
    _check_account(call)
    wanted = query.get("PhoneNumber")
    found = [number for number in seeds.PHONE_NUMBERS if wanted in (None, number)]
    path = call.request.path
    shape = {
        "incoming_phone_numbers": [_number(number, call) for number in found],
        "page": 0,
        "page_size": 50,
        "start": 0,
        "end": max(len(found) - 1, 0),
        "uri": path,
        "first_page_uri": path,
        "next_page_uri": None,
        "previous_page_uri": None,
    }
    return Reply(200, shape)


def configuration(call: Call) -> Reply:
    """`GET /Configuration`."""
    call.query()
    url = f"{call.place.origin}/v1/Configuration"
    service_url = f"{call.place.origin}/v1/Services/{seeds.CHAT_SERVICE_SID}"
    shape = {
        "account_sid": seeds.ACCOUNT_SID,
        "default_chat_service_sid": seeds.CHAT_SERVICE_SID,
        "default_messaging_service_sid": seeds.MESSAGING_SERVICE_SID,
        "default_inactive_timer": None,
        "default_closed_timer": None,
        "url": url,
        "links": {"service": f"{service_url}/Configuration", "webhooks": f"{url}/Webhooks"},
    }
    return Reply(200, shape)


def service(call: Call) -> Reply:
    """`GET /Services/{IS}` of Conversations, or `GET /Services/{MG}` of Messaging."""
    call.query()
    shapes = {seeds.CHAT_SERVICE_SID: _chat_service, seeds.MESSAGING_SERVICE_SID: _messaging_service}
    shape = shapes.get(call.named("sid"))
    if shape is None:
        raise not_found(call.request.path)
    return Reply(200, shape(call))


def _chat_service(call: Call) -> Shape:
    url = f"{call.place.origin}/v1/Services/{seeds.CHAT_SERVICE_SID}"
    created = rest_date(call.sandbox.world.workforce.created)
    return {
        "sid": seeds.CHAT_SERVICE_SID,
        "account_sid": seeds.ACCOUNT_SID,
        "friendly_name": "Default Conversations Service",
        "date_created": created,
        "date_updated": created,
        "url": url,
        "links": below(
            url,
            conversations="Conversations",
            users="Users",
            roles="Roles",
            bindings="Bindings",
            configuration="Configuration",
            participant_conversations="ParticipantConversations",
            conversation_with_participants="ConversationWithParticipants",
        ),
    }


def _messaging_service(call: Call) -> Shape:
    created = rest_date(call.sandbox.world.workforce.created)
    return {
        "sid": seeds.MESSAGING_SERVICE_SID,
        "account_sid": seeds.ACCOUNT_SID,
        "friendly_name": "Senders",
        "date_created": created,
        "date_updated": created,
        "inbound_request_url": None,
        "inbound_method": "POST",
        "use_inbound_webhook_on_number": False,
        "url": f"{call.place.origin}/v1/Services/{seeds.MESSAGING_SERVICE_SID}",
        "links": {},
    }


def _number(number: str, call: Call) -> Shape:
    return {
        "sid": "PN" + "5a" * 16,
        "account_sid": seeds.ACCOUNT_SID,
        "phone_number": number,
        "friendly_name": number,
        "sms_url": "",
        "sms_method": "POST",
        "date_created": _date(call),
        "date_updated": _date(call),
    }


def _check_account(call: Call) -> None:
    if call.named("account") != seeds.ACCOUNT_SID:
        raise not_found(call.request.path)


def _date(call: Call) -> str:
    return call.sandbox.world.workforce.created.strftime(_RFC_2822)
