"""How the sandbox says no: Twilio's error JSON on its REST API, a plain sentence on its own control API."""

from typing import Any

# "Already exists" and "in use" are answered 409, everything else that is refused 400, unless said otherwise.
_CONFLICTS = frozenset({50201, 50353, 50416, 50425, 50433, 50438})
_STATUS = {20003: 401, 20404: 404, 20412: 412, 20429: 429}


class TwilioError(Exception):
    """A refusal in Twilio's terms: `code` of its error dictionary, `message` for people, `status` of HTTP."""

    def __init__(self, code: int, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS.get(code) or (409 if code in _CONFLICTS else 400)

    def json(self) -> dict[str, Any]:
        """The body Twilio answers with (Error and Warning Dictionary, page of 20404)."""
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


class HookRejected(Exception):
    """A pre-action webhook refused the action, or answered with values that are not valid."""


class BadInput(Exception):
    """What was sent to the control API cannot be used; the text says why."""


def not_found(what: str) -> TwilioError:
    """20404 for a resource named by its path."""
    return TwilioError(20404, f"The requested resource {what} was not found")


def bad_parameter(reason: str) -> TwilioError:
    """20001 for a parameter that cannot be used."""
    return TwilioError(20001, reason)
