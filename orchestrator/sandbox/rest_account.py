"""What the account has: itself, its numbers, its chat service and its messaging service, to be read and, but for where
calls go and the timers of new conversations, not changed.

The account and its numbers are of Twilio's older API (`/2010-04-01`), the messaging service of its Messaging API, whose
path differs from a chat service's by the SID alone. Their fields are those of the official client's resources.
"""

from aiohttp import web

from orchestrator.sandbox import seeds
from orchestrator.sandbox.errors import bad_parameter, not_found
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.rest_conversations import timers_of
from orchestrator.sandbox.rules import duration, is_web_url, rest_date
from orchestrator.sandbox.shapes import Shape, below

_ACCOUNT = "/2010-04-01/Accounts/{account}"
_NUMBER_SID = "PN" + "5a" * 16
_DEFAULT_SERVICES = {
    "DefaultChatServiceSid": seeds.CHAT_SERVICE_SID,
    "DefaultMessagingServiceSid": seeds.MESSAGING_SERVICE_SID,
}
_RFC_2822 = "%a, %d %b %Y %H:%M:%S +0000"


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", _ACCOUNT + ".json", account, scoped=False)
    add_route(app, "GET", _ACCOUNT + "/IncomingPhoneNumbers.json", numbers, scoped=False)
    add_route(app, "POST", _ACCOUNT + "/IncomingPhoneNumbers/{number}.json", update_number, scoped=False)
    add_route(app, "GET", "/v1/Configuration", configuration, scoped=False)
    add_route(app, "POST", "/v1/Configuration", update_configuration, scoped=False)
    add_route(app, "GET", "/v1/Services", services, scoped=False)
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


def update_number(call: Call) -> Reply:
    """`POST /Accounts/{AC}/IncomingPhoneNumbers/{PN}.json`: where its calls go."""
    form = call.form("VoiceUrl", "VoiceMethod", "StatusCallback", "StatusCallbackMethod", "VoiceApplicationSid")
    form.require_any()
    _check_account(call)
    if call.named("number") != _NUMBER_SID:
        raise not_found(call.request.path)
    methods = [form.choice(name, ("GET", "POST")) for name in ("VoiceMethod", "StatusCallbackMethod")]
    urls = [form.get(name) for name in ("VoiceUrl", "StatusCallback", "VoiceApplicationSid")]
    if any(url and not is_web_url(url) for url in urls[:2]):
        raise bad_parameter("VoiceUrl and StatusCallback must be web addresses, or empty")
    voice = call.sandbox.webhooks.targets.voice
    kept = voice.url, voice.status_callback, voice.application_sid
    voice.url, voice.status_callback, voice.application_sid = (
        old if new is None else new for old, new in zip(kept, urls, strict=True)
    )
    voice.method, voice.status_callback_method = (
        methods[0] or voice.method,
        methods[1] or voice.status_callback_method,
    )
    return Reply(200, _number(seeds.PHONE_NUMBERS[0], call))


def configuration(call: Call) -> Reply:
    """`GET /Configuration`."""
    call.query()
    return _configuration(call)


def update_configuration(call: Call) -> Reply:
    """`POST /Configuration`: the timers of conversations that come without their own; the services stay the seeded."""
    form = call.form(*_DEFAULT_SERVICES, "DefaultInactiveTimer", "DefaultClosedTimer")
    form.require_any()
    for name, sid in _DEFAULT_SERVICES.items():
        if form.get(name) not in (None, sid):
            raise bad_parameter(f"{name} cannot be another in the sandbox")
    call.sandbox.world.default_timers = timers_of(
        form, ("DefaultInactiveTimer", "DefaultClosedTimer"), call.sandbox.world.default_timers
    )
    return _configuration(call)


def _configuration(call: Call) -> Reply:
    timers = call.sandbox.world.default_timers
    url = f"{call.place.origin}/v1/Configuration"
    service_url = f"{call.place.origin}/v1/Services/{seeds.CHAT_SERVICE_SID}"
    shape = {
        "account_sid": seeds.ACCOUNT_SID,
        "default_chat_service_sid": seeds.CHAT_SERVICE_SID,
        "default_messaging_service_sid": seeds.MESSAGING_SERVICE_SID,
        "default_inactive_timer": timers.inactive and duration(timers.inactive),
        "default_closed_timer": timers.closed and duration(timers.closed),
        "url": url,
        "links": {"service": f"{service_url}/Configuration", "webhooks": f"{url}/Webhooks"},
    }
    return Reply(200, shape)


def services(call: Call) -> Reply:
    """`GET /Services` of Conversations: the one there is."""
    page = page_of([call], lambda _: (0, 0), _chat_service, "services", call.url, call.query())
    return Reply(200, page)


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
    voice = call.sandbox.webhooks.targets.voice
    return {
        "sid": _NUMBER_SID,
        "account_sid": seeds.ACCOUNT_SID,
        "phone_number": number,
        "friendly_name": number,
        "sms_url": "",
        "sms_method": "POST",
        "voice_url": voice.url,
        "voice_method": voice.method,
        "status_callback": voice.status_callback,
        "status_callback_method": voice.status_callback_method,
        "voice_application_sid": voice.application_sid or None,
        "date_created": _date(call),
        "date_updated": _date(call),
    }


def _check_account(call: Call) -> None:
    if call.named("account") != seeds.ACCOUNT_SID:
        raise not_found(call.request.path)


def _date(call: Call) -> str:
    return call.sandbox.world.workforce.created.strftime(_RFC_2822)
