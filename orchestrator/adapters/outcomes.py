"""What each answer or failure of an outside call means: the one table from it to an `EffectError`.

What was seen                                                   class
──────────────────────────────────────────────────────────────  ─────────────────────────────────────────────
no connection: refused, DNS, TLS, pool or connect timeout       NotSent
429; codes 20429, 50074; a concurrent change (50349 …); 412     NotProcessed
2xx that cannot be read, 3xx, 408, 5xx, a cut, a total timeout  Ambiguous
401; code 20003; 403 without a code of its own                  Held
50377, 50350; 20404 in a call on the conversation itself        Gone
any other 4xx                                                   Rejected

Twilio's `code` decides before the HTTP status, for few codes have a documented one (Twilio Docs, "Error and
Warning Dictionary"). A reused connection found closed is Ambiguous: the request may have been read.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import aiohttp
from twilio.base.exceptions import TwilioException

from orchestrator.errors import Ambiguous, EffectError, Gone, Held, NotProcessed, NotSent, Rejected

NOT_FOUND = 20404
_TOO_MANY = {20429, 50074}
_CONCURRENT_CHANGE = {50349, 50391, 50449}
_NOT_AUTHENTICATED = 20003
_CONVERSATION_GONE = {50350, 50377}
_RETRY_AFTER_MAX_S = 3600.0

_NO_BYTE_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_UNREADABLE = (TwilioException, ValueError, LookupError, TypeError, AttributeError, RecursionError)

T = TypeVar("T")


class PreconditionFailed(NotProcessed):
    """The resource has changed since it was read (412): read it again."""


class AnswerTooLong(Ambiguous):
    """A success is over the limit of what is read: ask for less of it, if that can be."""


@contextmanager
def calling(*, conversation: bool = False) -> Iterator[None]:
    """Turn whatever fails inside into an `EffectError`, reading of the answer included.

    `conversation`: the URL names nothing below the conversation, so what was not found (20404) is it.
    """
    try:
        yield
    except Rejected as refusal:
        if conversation and refusal.code == NOT_FOUND and not isinstance(refusal, Gone):
            raise Gone(str(refusal), refusal.status, refusal.code) from refusal
        raise
    except (aiohttp.ClientError, OSError) as error:
        raise of_failure(error) from error
    except _UNREADABLE as error:
        raise Ambiguous(f"the answer cannot be read ({type(error).__name__})") from error


def of_failure(error: Exception) -> EffectError:
    """The class of a call that no answer came to; a timeout counts as one that left, unless in connecting."""
    name = type(error).__name__
    if isinstance(error, _NO_BYTE_LEFT):
        return NotSent(f"no connection ({name})")
    return Ambiguous(f"sent, and no answer came ({name})")


def of_answer(status: int, body: str, retry_after: str | None = None) -> EffectError:
    """The class of an answer that is no 2xx.

    `body`: Twilio's error JSON, or anything. `retry_after`: the header of that name (RFC 9110, 10.2.3).
    """
    code = _code(body, status)
    told = f"answer {status}" if code is None else f"answer {status}, https://www.twilio.com/docs/errors/{code}"
    if status == 429 or code in _TOO_MANY | _CONCURRENT_CHANGE:
        return NotProcessed(told, _seconds(retry_after))
    if status == 412:
        return PreconditionFailed(told)
    if status == 401 or code == _NOT_AUTHENTICATED or (status == 403 and code is None):
        return Held(told)
    if code in _CONVERSATION_GONE:
        return Gone(told, status, code)
    if 400 <= status < 500 and status != 408:
        return Rejected(told, status, code or status)
    return Ambiguous(told)


def known(value: object, kind: type[T]) -> T:
    """`value`, if it is exactly a `kind`: else a TypeError, an answer that cannot be read to `calling`."""
    if not isinstance(value, kind) or type(value) is not kind:
        raise TypeError(f"a {kind.__name__} is missing in the answer")
    return value


def json_object(text: object) -> dict[str, Any]:
    """The object in an `attributes` string; what is none, or cannot be read, counts as an empty one."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _code(body: str, status: int) -> int | None:
    """Twilio's own error code, if the body has one that says more than the status."""
    try:
        code = json.loads(body)["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return code if isinstance(code, int) and code != status else None


def _seconds(retry_after: str | None) -> float | None:
    """How long to wait, at most an hour: a number of seconds or a date; None where it says nothing."""
    if retry_after is None:
        return None
    try:
        wait = float(retry_after) if retry_after.isdecimal() else _seconds_until(retry_after)
    except (ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), _RETRY_AFTER_MAX_S)


def _seconds_until(http_date: str) -> float:
    return (parsedate_to_datetime(http_date).astimezone(UTC) - datetime.now(UTC)).total_seconds()
