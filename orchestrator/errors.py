"""What can go wrong at the edges.

WebhookError
├── SignatureMismatch   403  forged, or signed for another address or account
├── MalformedWebhook    400  lacks what its event needs, or a SID is none
├── BodyTooLarge        413
└── BodyTooSlow         408
EffectError             an outside call did not succeed; its class says what may be done next
├── NotSent             no byte left: repeat
├── NotProcessed        refused before it was looked at (429): repeat after `retry_after_s`
├── Ambiguous           it may or may not have been carried out: look before you repeat
├── Held                credentials are refused (401, 403): wait and alarm, fail nothing
├── Rejected            will never work: the machine is told
├── Gone                the conversation is closed or removed: the machine is told
└── PairTaken           another open conversation has this pair of addresses
BotUnusable             the bot is silent, dead or talks nonsense
CrmUnavailable          the CRM cannot answer now
SettingsError           every faulty variable, together
"""


class WebhookError(Exception):
    """A request that is refused; `status` is the answer and `phrase` its constant body."""

    status = 400
    phrase = "Bad Request"


class SignatureMismatch(WebhookError):
    """The request was not signed by our account for this address."""

    status = 403
    phrase = "Forbidden"


class MalformedWebhook(WebhookError):
    """The request cannot be understood."""


class BodyTooLarge(WebhookError):
    """The body is over the limit."""

    status = 413
    phrase = "Request Entity Too Large"


class BodyTooSlow(WebhookError):
    """The body did not arrive in time."""

    status = 408
    phrase = "Request Timeout"


class EffectError(Exception):
    """An outside call that did not succeed. The text names no address, body or secret."""


class NotSent(EffectError):
    """The connection never came about; nothing was carried out."""


class NotProcessed(EffectError):
    """The neighbour refused before it looked (429, 412). `retry_after_s` when it said how long to wait."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Ambiguous(EffectError):
    """Bytes left and no clear answer came: 5xx, a cut, a timeout, an unreadable success."""


class Held(EffectError):
    """The account's credentials are refused; every call of the account waits."""


class Rejected(EffectError):
    """The neighbour said no for good. `code` is Twilio's error code, or the HTTP status."""

    def __init__(self, reason: str, status: int, code: int) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code


class Gone(Rejected):
    """The conversation is closed (50377) or no longer exists (20404, 50350)."""


class PairTaken(Rejected):
    """Another open conversation has this pair of addresses (50416)."""


class BotUnusable(Exception):
    """The bot gave no usable answer. The text says how, without what the customer wrote."""


class CrmUnavailable(Exception):
    """The CRM cannot answer now."""


class SettingsError(Exception):
    """The configuration is wrong; `faults` has one line for each faulty variable."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
